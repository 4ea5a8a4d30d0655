"""Text for a terminal: lines, colours and numbers that a person can read."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

_DECIMAL: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def no_color() -> bool:
    """Whether the user wants no colours anywhere (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def say(text: str = "", *, err: bool = False) -> None:
    """Write lines to stdout, or stderr; colours only to a terminal that wants them."""
    click.echo(text, err=err, color=False if no_color() else None)


def say_json(value: Any, *, indent: int = 2) -> None:
    """Write the one document of ``--json``.

    Other letters than ASCII's are kept where the output can carry all of them.
    """
    say(json.dumps(value, indent=indent, ensure_ascii=not carries_unicode()))


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
    """The text on one line, without what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)


def table(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Rows as lines in columns: the first ``left`` flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(wide) if index < left else cell.rjust(wide)
            for index, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
