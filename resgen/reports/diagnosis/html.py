"""A diagnosis as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from resgen.diagnosis.verdict.findings import VERDICT
from resgen.records.diagnosis import Diagnosis, Finding
from resgen.reports import page
from resgen.reports.diagnosis import tables
from resgen.reports.diagnosis.arms import Titled, titled
from resgen.reports.diagnosis.payload import payload
from resgen.reports.diagnosis.wording import details, facts, sentences, verdict
from resgen.reports.page import again, items
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


def render(diagnoses: Sequence[Diagnosis]) -> str:
    """The page of one diagnosis, or of the networks of several side by side."""
    arms = titled(diagnoses)
    names = " · ".join(one.title for one in arms)
    parts = {
        "cards": "".join(map(_card, arms)),
        "summary": items(sentences(arms)),
        "figures": tables.figures(diagnoses).html(),
        "findings": "".join(map(_findings, arms)),
        "runs": tables.runs(arms).html(),
        "parts": tables.parts(arms).html(),
        "settings": "".join(_settings(diagnoses)),
        "environment": "".join(_environments(diagnoses)),
    }
    return page.render(
        "diagnosis",
        title=f"{names}: gradients by depth",
        name=names,
        facts=facts(diagnoses),
        sections=_SECTIONS,
        parts=parts,
        data=payload(arms),
        scripts=("charts.js", "page.js"),
    )


def notebook(diagnosis: Diagnosis) -> str:
    """The figures and findings for a notebook's cell, below what they come to."""
    arms = titled([diagnosis])
    table = tables.figures([diagnosis]).html()
    return f"<ul>{items(sentences(arms))}</ul>{table}{''.join(map(_findings, arms))}"


def _findings(one: Titled) -> str:
    """What is wrong with a network, and what mends it."""
    if not one.arm.findings:
        return ""
    found = "".join(map(_finding, one.arm.findings))
    return f"<div><h3>{escape(one.title)}</h3>{found}</div>"


def _finding(finding: Finding) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(words)}</dd></div>"
        for name, words in details(finding)
    )
    return (
        f'<article class="finding"><p><b>{escape(finding.code)}</b> '
        f"{escape(finding.message)}</p><dl>{rows}</dl></article>"
    )


def _card(one: Titled) -> str:
    """The verdict in words: a code means nothing to whoever reads its first page."""
    codes = [finding.code for finding in one.arm.findings]
    titles = [known.title for code, known in VERDICT.items() if code in codes]
    more = (*codes, f"{scaled(one.arm.params)} parameters")
    return page.card("; ".join(titles) or verdict(one), one.title, " · ".join(more))


def _settings(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    for one in diagnoses:
        yield from _title(one, diagnoses)
        yield pairs(tables.settings(one), "data and settings")
        yield again(one.command, "This does it again:")


def _environments(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    for one in diagnoses:
        yield from _title(one, diagnoses)
        yield pairs(flat(one.environment), "the machine and its software")


def _title(one: Diagnosis, diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    if len(diagnoses) > 1:
        names = ", ".join(arm.name for arm in one.arms)
        yield f"<h3>{escape(names)}, {when(one.created)}</h3>"
