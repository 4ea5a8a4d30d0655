"""Markdown in the dialect that GitHub and GitLab share."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence


def text(words: str) -> str:
    """Words in a cell or a line, without what Markdown or HTML would obey."""
    plain = "".join(c if c.isprintable() else " " for c in words)
    for sign in "\\`*_[]|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("&", "&amp;").replace("<", "&lt;")


def folded(summary: str, body: Iterable[str]) -> Iterator[str]:
    """Lines that a click unfolds."""
    yield from ["", f"<details><summary>{text(summary)}</summary>"]
    yield from body
    yield from ["", "</details>"]


def fenced(command: Sequence[str]) -> Iterator[str]:
    """A command as code; nothing if there is none."""
    if command:
        # A fence longer than any that the command could hold.
        yield from ["", "````sh", shlex.join(command), "````"]
