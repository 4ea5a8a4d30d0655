"""The tables that stand in a page as text; a script makes their headers sort them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TypeAlias

#: What a cell shows, and what it is sorted by (None: the text).
Cell: TypeAlias = tuple[str, float | None]


def pairs(rows: Sequence[tuple[str, str]], caption: str) -> str:
    """Names and their values."""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="pairs"><tbody>{lines}</tbody></table></div>'
    )


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, text: int
) -> str:
    """A table to sort, its first ``text`` columns flush left and the others right."""
    # A column that is empty in every row says nothing.
    kept = [i for i in range(len(head)) if not rows or any(row[i][0] for row in rows)]
    sides = ["" if i < text else ' class="n"' for i in range(len(head))]
    names = "".join(
        f'<th scope="col"{sides[i]}><button type="button">{escape(head[i])}</button>'
        "</th>"
        for i in kept
    )
    lines = "".join(
        f"<tr>{''.join(_cell(row[i], sides[i]) for i in kept)}</tr>" for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="sortable"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def plain(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], text: int
) -> str:
    """A :func:`table` of words alone."""
    cells = [[(word, None) for word in row] for row in rows]
    return table(caption, head, cells, text=text)


def _cell(cell: Cell, side: str) -> str:
    shown, value = cell
    key = "" if value is None else f' data-value="{value!r}"'
    return f"<td{side}{key}>{escape(shown)}</td>"
