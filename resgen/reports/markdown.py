"""Markdown in the dialect that GitHub and GitLab share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: int
) -> Iterator[str]:
    """The lines of a table, its first ``left`` columns flush left."""
    yield f"| {' | '.join(map(text, head))} |"
    yield "|" + "".join(" --- |" if i < left else " ---: |" for i in range(len(head)))
    for row in rows:
        yield f"| {' | '.join(map(text, row))} |"


def text(words: str) -> str:
    """Words in a cell or a line, without what Markdown or HTML would obey."""
    plain = "".join(c if c.isprintable() else " " for c in words)
    for sign in "\\`*_[]|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("&", "&amp;").replace("<", "&lt;")
