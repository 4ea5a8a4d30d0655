"""A comparison for a pull request."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from resgen.records.comparison import Comparison
from resgen.reports.comparison import rows
from resgen.reports.comparison.wording import facts, sentence, sentences, verdict
from resgen.reports.markdown import table, text
from resgen.words.numbers import seconds


def render(found: Sequence[Comparison]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    return "\n".join(_lines(found[0])) + "\n"


def _lines(one: Comparison) -> Iterator[str]:
    names = one.a.name, one.b.name
    yield from (f"## {text(names[1])} against {text(names[0])}", "")
    yield from (f"**{text(verdict(one))}**", "")
    yield from (f"- {text(line)}" for line in sentences(one))
    yield from ("", *table(("", *names), rows.facts(one), left=1))
    if one.runs:
        yield ""
        head = ("run", *names, "B / A")
        yield from table(
            head,
            [(r.label, *map(seconds, r.medians), f"{r.ratio:.3f}") for r in one.runs],
            left=1,
        )
    told = [[cell for cell, _ in row] for row in rows.parts(one, blocks=False)]
    if told:
        yield ""
        yield from table(rows.PARTS, told, left=2)
    yield ""
    if one.ratio is not None:
        yield f"{text(sentence(one, one.verdict))}; {text(facts(one))}."
    # A fence longer than any that the command could hold.
    yield from ("", "````sh", shlex.join(one.command), "````")
