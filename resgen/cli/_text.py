"""Text for a terminal: lines, colours and numbers that a person can read."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Final

import click

#: Columns of a text that is read as one.
TEXT: Final = 88
_DECIMAL: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
#: Control characters (C0 but for tabs and line ends, C1), line and paragraph
#: separators, the marks that turn the direction of writing (Unicode's UAX 9, as in
#: "Trojan Source", Boucher and Anderson 2021), and halves of characters.
_OBEYED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    "\ud800-\udfff]"
)
#: Select Graphic Rendition (ECMA-48), and the noncharacter that stands for each until
#: the text is written.
_RENDITION: Final = {
    "end": 0, "bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34,
    "magenta": 35, "cyan": 36,
}  # fmt: skip
_MARK: Final = {name: chr(0xFDD0 + i) for i, name in enumerate(_RENDITION)}
_ANSI: Final = {ord(_MARK[name]): f"\x1b[{n}m" for name, n in _RENDITION.items()}
_NO_MARKS: Final = dict.fromkeys(_ANSI, "\ufffd")


def no_color() -> bool:
    """Whether the user wants no colours anywhere (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def style(
    text: str, *, bold: bool = False, dim: bool = False, fg: str | None = None
) -> str:
    """The text, marked to be shown so by :func:`say`.

    Marks are no escape sequences, so that those which a name brings along can be told
    from ours.
    """
    wanted = (("bold", bold), ("dim", dim), (fg, fg is not None))
    return "".join(_MARK[str(name)] for name, on in wanted if on) + text + _MARK["end"]


def say(text: str = "", *, err: bool = False) -> None:
    """Write lines to stdout, or stderr; colours only to a terminal that wants them.

    All that the command line shows passes here: what a terminal would obey is shown as
    an escape, whoever put it into a name.
    """
    click.echo(
        visible(text).translate(_ANSI), err=err, color=False if no_color() else None
    )


def say_json(value: Any, *, indent: int = 2) -> None:
    """Write the one document of ``--json``.

    Other letters than ASCII's are kept where the output can carry all of them. Numbers
    that are not finite do not exist in JSON: they are null.
    """
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=not carries_unicode())
    say(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def visible(text: str) -> str:
    r"""The text with everything that a terminal would obey as an escape.

    >>> print(visible("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def carries_unicode() -> bool:
    """Whether the output can carry all letters."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def width() -> int:
    """Columns of the terminal; without end where the output goes elsewhere."""
    endless = (sys.maxsize, 0)
    size = shutil.get_terminal_size(endless)
    return (
        size.columns if sys.stdout.isatty() or "COLUMNS" in os.environ else endless[0]
    )


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "error"), count(2, "warning")
    ('1 error', '2 warnings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def unit_of(number: float, of: str = "") -> tuple[float, str]:
    """The decimal multiple of a unit that suits a number, and its symbol.

    >>> unit_of(25_557_032, "B")
    (1000000.0, 'MB')
    """
    return next(((u, s + of) for u, s in _DECIMAL if number >= u), (1.0, of))


def scaled(number: float, unit: tuple[float, str], digits: int = 2) -> str:
    """A number in a unit.

    >>> scaled(25_557_032, (1e6, "M"))
    '25.56 M'
    """
    factor, symbol = unit
    if factor == 1:
        return f"{number:,.0f} {symbol}".rstrip()
    least = 10**-digits
    if 0 < number / factor < least / 2:
        return f"< {least} {symbol}"
    return f"{number / factor:,.{digits}f} {symbol}"


def shape(sizes: Sequence[int]) -> str:
    """Channels and sizes.

    >>> shape((3, 224, 224))
    '3 x 224 x 224'
    """
    return " x ".join(map(str, sizes))


def fitted(text: str, columns: int) -> str:
    """The text, its end cut off if it is longer.

    >>> fitted("preact_bottleneck", 10)
    'preact_...'
    """
    return text if len(text) <= columns else text[: max(columns - 3, 0)] + "..."


def printable(text: str) -> str:
    r"""The text on one line: line ends are shown as escapes, too.

    >>> print(printable("two\nlines"))
    two\nlines
    """
    return visible(text).replace("\n", "\\n").translate(_NO_MARKS)


def table(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Rows as lines in columns: the first ``left`` flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(wide) if index < left else cell.rjust(wide)
            for index, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
