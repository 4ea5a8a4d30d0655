"""A page of the site, and how text becomes part of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """Markdown with an address (without `.html`); its first heading is the title."""

    address: str
    text: str

    @classmethod
    def of(cls, address: str, *parts: str) -> Page:
        return cls(address, "\n\n".join(parts))

    @property
    def title(self) -> str:
        line = next(x for x in self.text.splitlines() if x.startswith("# "))
        return line.removeprefix("# ")

    @property
    def menu_entry(self) -> str:
        """The page of the menu that this one belongs to."""
        return self.address.split("/", maxsplit=1)[0]


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, "&lt;" if mark == "<" else "\\" + mark)
    return text


def code(text: str) -> str:
    """Text between backquotes, in a cell of a table too."""
    return "`" + text.replace("|", "\\|") + "`"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fenced(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"
