"""A diagnosis for a pull request: the verdict first, then tables, the rest folded."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from resgen.records.diagnosis import Diagnosis
from resgen.reports.diagnosis.arms import Titled, by_depth, steps, titled
from resgen.reports.diagnosis.wording import NAMES, details, facts, sentences
from resgen.reports.markdown import table, text
from resgen.words.numbers import figure, flat

#: What a comment has room for.
_MEASURES = ("variance", "gradient", "relative_gradient", "correlation", "gain", "dead")


def render(diagnoses: Sequence[Diagnosis]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    arms = titled(diagnoses)
    names = " · ".join(one.title for one in arms)
    lines = [f"## Gradients by depth: {text(names)}", "", text(facts(diagnoses)), ""]
    lines += [f"- {text(sentence)}" for sentence in sentences(arms)]
    for one in arms:
        lines += _findings(one)
    for one in arms:
        lines += _parts(one)
    for diagnosis in diagnoses:
        lines += _settings(diagnosis)
    return "\n".join(lines) + "\n"


def _findings(one: Titled) -> Iterator[str]:
    if one.arm.findings:
        yield from ["", f"### {text(one.title)}", ""]
    for finding in one.arm.findings:
        yield f"- **{text(finding.code)}** {text(finding.message)}"
        for name, words in details(finding):
            yield f"  - {name}: {text(words)}"


def _parts(one: Titled) -> Iterator[str]:
    seen = steps(one.arm)
    if not seen:
        return
    columns = [
        ["" if spread is None else figure(spread.middle) for spread in spreads]
        for spreads in (by_depth(one.arm, seen[0], name) for name in _MEASURES)
    ]
    rows = [
        (part.path, part.label, *cells)
        for part, *cells in zip(one.arm.parts, *columns, strict=True)
    ]
    yield from ["", f"<details><summary>Parts of {text(one.title)}</summary>", ""]
    yield from table(("part", "what", *(NAMES[n] for n in _MEASURES)), rows, left=2)
    yield from ["", "</details>"]


def _settings(diagnosis: Diagnosis) -> Iterator[str]:
    yield from ["", "<details><summary>Settings and environment</summary>", ""]
    rows = [*flat(diagnosis.settings), *flat(diagnosis.environment)]
    if rows:
        yield from table(("what", "value"), rows, left=2)
    if diagnosis.command:
        # A fence longer than any that the command could hold.
        yield from ["", "````sh", shlex.join(diagnosis.command), "````"]
    yield from ["", "</details>"]
