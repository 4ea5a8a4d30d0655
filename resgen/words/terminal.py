"""Text for a terminal: marked, cut and laid out, and shown rather than obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

#: Columns of a text that is read as one.
TEXT: Final = 88
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


def style(
    text: str, *, bold: bool = False, dim: bool = False, fg: str | None = None
) -> str:
    """The text, marked to be shown so by :func:`say`.

    Marks are no escape sequences, so that those which a name brings along can be told
    from ours.
    """
    wanted = (("bold", bold), ("dim", dim), (fg, fg is not None))
    return "".join(_MARK[str(name)] for name, on in wanted if on) + text + _MARK["end"]


def visible(text: str) -> str:
    r"""The text with everything that a terminal would obey as an escape.

    >>> print(visible("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def painted(text: str) -> str:
    """The text as a terminal takes it: our marks as renditions, nothing else obeyed."""
    return visible(text).translate(_ANSI)


def unmarked(text: str) -> str:
    """The text without our marks, nothing in it obeyed."""
    return visible(text).translate(dict.fromkeys(_ANSI))


class Shown:
    """A result that prints as the terminal shows it, and so stands in a notebook."""

    __slots__ = ()

    def lines(self) -> Iterable[str]:
        """What the terminal shows."""
        raise NotImplementedError

    def __str__(self) -> str:
        return unmarked("\n".join(self.lines()))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def in_json(text: str) -> str:
    """JSON that means the same, with escapes for what a terminal would obey."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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


def blank(text: str) -> str:
    """Spaces as wide as the text, its tabs kept."""
    return "\t".join(" " * columns(part) for part in text.split("\t"))


def columns(text: str) -> int:
    """How wide a terminal draws the text."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )
