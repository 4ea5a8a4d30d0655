"""A comparison for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resgen.records.comparison import Comparison
from resgen.reports.comparison import tables
from resgen.reports.comparison.wording import facts, sentence, sentences, verdict
from resgen.reports.markdown import fenced, text


def render(found: Sequence[Comparison]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    return "\n".join(_lines(found[0])) + "\n"


def _lines(one: Comparison) -> Iterator[str]:
    names = one.a.name, one.b.name
    yield from (f"## {text(names[1])} against {text(names[0])}", "")
    yield from (f"**{text(verdict(one))}**", "")
    yield from (f"- {text(line)}" for line in sentences(one))
    yield from tables.facts(one).markdown()
    yield from tables.runs(one).markdown()
    yield from tables.parts(one, blocks=False).markdown()
    yield ""
    if one.ratio is not None:
        yield f"{text(sentence(one, one.verdict))}; {text(facts(one))}."
    yield from fenced(one.command)
