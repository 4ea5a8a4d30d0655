"""What a choice among networks came to, as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from resgen.reports import page
from resgen.reports.page import items
from resgen.reports.tables import Table
from resgen.words.numbers import seconds

_SECTIONS: Final = {"summary": "Summary", "front": "The front", "others": "All others"}


def render(
    *,
    budget: float,
    facts: str,
    sentences: Sequence[str],
    commands: Sequence[str],
    front: Table,
    others: Table,
    points: Sequence[Mapping[str, Any]],
) -> str:
    """The page; ``points`` are what the plot shows, times in seconds."""
    told = "".join(f"<pre><code>{escape(line)}</code></pre>" for line in commands)
    return page.render(
        "choice",
        title=f"a network within {seconds(budget)}",
        name=f"within {seconds(budget)}",
        facts=facts,
        sections=_SECTIONS,
        parts={
            "sentences": items(sentences),
            "commands": told,
            "front": front.html(),
            "others": others.html(),
        },
        data={"budget": budget, "points": list(points)},
        scripts=("charts.js",),
    )
