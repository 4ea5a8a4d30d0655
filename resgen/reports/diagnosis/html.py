"""A diagnosis as one HTML page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from resgen.diagnosis.verdict.findings import VERDICT
from resgen.records.diagnosis import Diagnosis
from resgen.reports import page
from resgen.reports.diagnosis import tables
from resgen.reports.diagnosis.arms import Titled, titled
from resgen.reports.diagnosis.payload import payload
from resgen.reports.diagnosis.wording import facts, sentences, verdict
from resgen.reports.tables import pairs
from resgen.words.numbers import flat, scaled, when

_SECTIONS: Final = {
    "summary": "Verdict",
    "depth": "By depth",
    "shares": "Branch and shortcut",
    "paths": "Paths",
    "training": "Training",
    "parts": "All parts",
    "settings": "Data and settings",
    "environment": "Environment",
}
_SCRIPTS: Final = ("diagnosis/charts.js", "diagnosis/page.js")


def render(diagnoses: Sequence[Diagnosis]) -> str:
    """The page of one diagnosis, or of the networks of several side by side."""
    arms = titled(diagnoses)
    names = " · ".join(one.title for one in arms)
    parts = {
        "cards": "".join(map(_card, arms)),
        "summary": "".join(f"<li>{escape(line)}</li>" for line in sentences(arms)),
        "findings": "".join(tables.findings(arms)),
        "runs": tables.runs(arms),
        "parts": tables.parts(arms),
        "settings": "".join(_settings(diagnoses)),
        "environment": "".join(_environments(diagnoses)),
    }
    return page.render(
        page.Page(
            title=f"{names}: gradients by depth",
            name=names,
            facts=facts(diagnoses),
            sections=_SECTIONS,
            body=page.fill(page.asset("diagnosis/body.html"), parts),
            data=payload(arms),
            scripts=_SCRIPTS,
        )
    )


def notebook(diagnosis: Diagnosis) -> str:
    """The findings for a notebook's cell, below what they come to."""
    arms = titled([diagnosis])
    lines = "".join(f"<li>{escape(line)}</li>" for line in sentences(arms))
    return f"<ul>{lines}</ul>{''.join(tables.findings(arms))}"


def _card(one: Titled) -> str:
    """The verdict in words: a code means nothing to whoever reads its first page."""
    codes = [finding.code for finding in one.arm.findings]
    titles = [known.title for code, known in VERDICT.items() if code in codes]
    more = (*codes, f"{scaled(one.arm.params)} parameters")
    return page.card("; ".join(titles) or verdict(one), one.title, " · ".join(more))


def _settings(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    for one in diagnoses:
        yield from _title(one, diagnoses)
        yield tables.settings(one)
        if one.command:
            yield "<p>This does it again:</p>"
            yield f"<pre><code>{escape(shlex.join(one.command))}</code></pre>"


def _environments(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    for one in diagnoses:
        yield from _title(one, diagnoses)
        yield pairs(flat(one.environment), "the machine and its software")


def _title(one: Diagnosis, diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    if len(diagnoses) > 1:
        names = ", ".join(arm.name for arm in one.arms)
        yield f"<h3>{escape(names)}, {when(one.created)}</h3>"
