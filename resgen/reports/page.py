"""One HTML page that needs nothing else: no network, no engine, no server.

Text and tables stand in the page as they are. The charts are drawn by Apache ECharts,
which is embedded, from the data at the page's end. A policy in the page's head forbids
it to fetch anything.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

from resgen._version import __version__

#: What every page does, before the scripts of its own.
_SCRIPTS: Final = ("words.js", "plots.js", "shell.js")


def render(
    kind: str,
    *,
    title: str,
    name: str,
    facts: str,
    sections: Mapping[str, str],
    parts: Mapping[str, str],
    data: Any,
    scripts: Sequence[str],
) -> str:
    """The text of a page; ``title``, ``name`` and ``facts`` are plain text.

    ``kind`` is the folder of its assets. ``sections`` are the ids of the body's
    sections and what leads to them, ``parts`` the HTML that the body is filled with,
    ``data`` what its ``scripts`` (run in this order) draw.
    """
    links = (f'<a href="#{at}">{escape(words)}</a>\n' for at, words in sections.items())
    return fill(
        asset("page.html"),
        {
            "title": escape(title),
            "name": escape(name),
            "facts": escape(facts),
            "first": next(iter(sections)),
            "sections": "".join(links),
            "body": fill(asset(f"{kind}/body.html"), parts),
            "version": __version__,
            "style": asset("page.css"),
            "data": _embedded(data),
            "library": asset("echarts.min.js"),
            "script": "".join(
                map(asset, (*_SCRIPTS, *(f"{kind}/{name}" for name in scripts)))
            ),
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


def items(lines: Iterable[str]) -> str:
    """Plain lines as those of a list."""
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def again(command: Sequence[str], what: str) -> str:
    """The command that makes a result anew; nothing if it is not known."""
    if not command:
        return ""
    return f"<p>{what}</p><pre><code>{escape(shlex.join(command))}</code></pre>"


def asset(name: str) -> str:
    """The text of a file of the pages' own."""
    return (files("resgen.reports") / "assets" / name).read_text("utf-8")


def _embedded(data: Any) -> str:
    """JSON that can stand inside a ``script`` element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # No name in it may end the element or begin a comment.
    return text.replace("<", "\\u003c")
