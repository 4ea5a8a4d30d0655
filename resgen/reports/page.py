"""One HTML page that needs nothing else: no network, no engine, no server.

Text and tables stand in the page as they are. The charts are drawn by Apache ECharts,
which is embedded, from the data at the page's end. A policy in the page's head forbids
it to fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any, Final

from resgen._version import __version__

#: What every page does, before the scripts of its own.
_SCRIPTS: Final = ("words.js", "plots.js", "shell.js")


@dataclass(frozen=True, slots=True)
class Page:
    """What one kind of page holds; ``title``, ``name`` and ``facts`` are plain text.

    ``sections`` are the ids of the body's sections and what leads to them. ``body`` is
    HTML, ``data`` what its ``scripts`` (assets, run in this order) draw.
    """

    title: str
    name: str
    facts: str
    sections: Mapping[str, str]
    body: str
    data: Any
    scripts: Sequence[str]


def render(page: Page) -> str:
    """The page's text."""
    return fill(
        asset("page.html"),
        {
            "title": escape(page.title),
            "name": escape(page.name),
            "facts": escape(page.facts),
            "first": next(iter(page.sections)),
            "sections": "".join(
                f'<a href="#{section}">{escape(words)}</a>\n'
                for section, words in page.sections.items()
            ),
            "body": page.body,
            "version": __version__,
            "style": asset("page.css"),
            "data": _embedded(page.data),
            "library": asset("echarts.min.js"),
            "script": "".join(map(asset, (*_SCRIPTS, *page.scripts))),
        },
    )


def fill(template: str, parts: Mapping[str, str]) -> str:
    """The template with its ``{{names}}`` replaced.

    Each part once and from left to right, so that no text of a part is replaced.
    """
    pieces = []
    for piece in template.split("{{"):
        name, found, rest = piece.partition("}}")
        pieces.append(parts[name] + rest if found else piece)
    return "".join(pieces)


def card(figure: str, what: str, more: str) -> str:
    """A figure in large letters, with what it is; all plain text."""
    return (
        f'<div class="card"><dt>{escape(what)}</dt><dd class="figure">'
        f'{escape(figure)}</dd><dd class="more">{escape(more)}</dd></div>'
    )


def asset(name: str) -> str:
    """The text of a file of the pages' own."""
    return (files("resgen.reports") / "assets" / name).read_text("utf-8")


def _embedded(data: Any) -> str:
    """JSON that can stand inside a ``script`` element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # No name in it may end the element or begin a comment.
    return text.replace("<", "\\u003c")
