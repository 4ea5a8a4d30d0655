"""A diagnosis for a pull request: the verdict first, then tables, the rest folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from resgen.records.diagnosis import Diagnosis
from resgen.reports.diagnosis import tables
from resgen.reports.diagnosis.arms import NAMES, Titled, titled
from resgen.reports.diagnosis.wording import details, facts, sentences
from resgen.reports.markdown import fenced, folded, text
from resgen.reports.tables import Table
from resgen.words.numbers import flat

#: What a comment has room for.
_MEASURES: Final = (
    "variance", "gradient", "relative_gradient", "correlation", "gain", "dead",
)  # fmt: skip


def render(diagnoses: Sequence[Diagnosis]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    arms = titled(diagnoses)
    names = " · ".join(one.title for one in arms)
    lines = [f"## Gradients by depth: {text(names)}", "", text(facts(diagnoses)), ""]
    lines += [f"- {text(sentence)}" for sentence in sentences(arms)]
    lines += tables.figures(diagnoses).markdown()
    for one in arms:
        lines += _findings(one)
    for one in arms:
        columns = ("part", "what", *(NAMES[name] for name in _MEASURES))
        seen = tables.parts([one]).only(*columns)
        lines += folded(f"Parts of {one.title}", seen.markdown())
    for diagnosis in diagnoses:
        lines += folded("Settings and environment", _settings(diagnosis))
    return "\n".join(lines) + "\n"


def _findings(one: Titled) -> Iterator[str]:
    if one.arm.findings:
        yield from ["", f"### {text(one.title)}", ""]
    for finding in one.arm.findings:
        yield f"- **{text(finding.code)}** {text(finding.message)}"
        for name, words in details(finding):
            yield f"  - {name}: {text(words)}"


def _settings(diagnosis: Diagnosis) -> Iterator[str]:
    rows = [*tables.settings(diagnosis), *flat(diagnosis.environment)]
    yield from Table.words("", ("what", "value"), rows, 2).markdown()
    yield from fenced(diagnosis.command)
