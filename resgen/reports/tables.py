"""Tables that are made once, and laid out by every form in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TypeAlias

from resgen.reports import markdown
from resgen.words import terminal
from resgen.words.numbers import scaled, seconds

#: What a cell shows, and what it is sorted by (None: the text).
Cell: TypeAlias = tuple[str, float | None]


def time(value: float | None) -> Cell:
    """A duration in seconds, empty where it is not known."""
    return ("" if value is None else seconds(value), value)


def size(value: float | None, unit: str = "") -> Cell:
    """A count or a size, empty where it is not known."""
    return ("" if value is None else scaled(value, unit), value)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head, the first ``left`` columns flush left and the others right.

    What says nothing is not shown: a column that is empty in every row, and a table
    without rows.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    left: int

    @classmethod
    def words(
        cls, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], left: int
    ) -> Table:
        """One that is sorted by its texts."""
        return cls(
            caption, head, [[(word, None) for word in row] for row in rows], left
        )

    def only(self, *names: str) -> Table:
        """The columns of these names."""
        return self._at([i for i, name in enumerate(self.head) if name in names])

    def beside(self, name: str, words: Sequence[str]) -> Table:
        """The same with another column."""
        rows = [
            [*row, (word, None)] for row, word in zip(self.rows, words, strict=True)
        ]
        return replace(self, head=[*self.head, name], rows=rows)

    def html(self) -> str:
        """A table of the page, whose headers a script makes to sort it."""
        if not self.rows:
            return ""
        shown = self._told()
        sides = ["" if i < shown.left else ' class="n"' for i in range(len(shown.head))]
        names = "".join(
            f'<th scope="col"{side}><button type="button">{escape(name)}</button></th>'
            for name, side in zip(shown.head, sides, strict=True)
        )
        lines = "".join(
            f"<tr>{''.join(map(_cell, row, sides))}</tr>" for row in shown.rows
        )
        return _scrolled(
            self.caption,
            f'<table class="sortable"><caption>{escape(self.caption)}</caption>'
            f"<thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table>",
        )

    def markdown(self) -> Iterator[str]:
        """Its lines in Markdown, the first one empty."""
        if not self.rows:
            return
        shown = self._told()
        yield ""
        yield f"| {' | '.join(map(markdown.text, shown.head))} |"
        sides = (
            " --- |" if i < shown.left else " ---: |" for i in range(len(shown.head))
        )
        yield f"|{''.join(sides)}"
        for row in shown.rows:
            yield f"| {' | '.join(markdown.text(word) for word, _ in row)} |"

    def lines(self) -> Iterator[str]:
        """Its lines on a terminal, the first one bold."""
        if not self.rows:
            return
        shown = self._told()
        words = [shown.head, *([word for word, _ in row] for row in shown.rows)]
        safe = [[*map(terminal.printable, row)] for row in words]
        head, *rest = terminal.table(safe, shown.left)
        yield terminal.style(head, bold=True)
        yield from rest

    def _told(self) -> Table:
        columns = range(len(self.head))
        return self._at([i for i in columns if any(row[i][0] for row in self.rows)])

    def _at(self, columns: Sequence[int]) -> Table:
        return replace(
            self,
            head=[self.head[i] for i in columns],
            rows=[[row[i] for i in columns] for row in self.rows],
            left=sum(i < self.left for i in columns),
        )


def pairs(rows: Sequence[tuple[str, str]], caption: str) -> str:
    """Names and their values, as HTML."""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return _scrolled(caption, f'<table class="pairs"><tbody>{lines}</tbody></table>')


def _scrolled(name: str, table: str) -> str:
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(name)}">'
        f"{table}</div>"
    )


def _cell(cell: Cell, side: str) -> str:
    shown, value = cell
    key = "" if value is None else f' data-value="{value!r}"'
    return f"<td{side}{key}>{escape(shown)}</td>"
