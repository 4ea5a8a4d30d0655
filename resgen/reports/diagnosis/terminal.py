"""A diagnosis as the terminal shows it: figures by depth, what is wrong, the mend."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from resgen.errors import Place
from resgen.records.diagnosis import Diagnosis, Finding
from resgen.reports.diagnosis import tables
from resgen.reports.diagnosis.arms import Titled, titled
from resgen.reports.diagnosis.wording import details, outcome
from resgen.reports.problems.terminal import quoted
from resgen.reports.tables import Table
from resgen.words.terminal import TEXT, printable, style, unmarked


def lines(
    found: Diagnosis, width: int = TEXT, *, unicode: bool = True
) -> Iterator[str]:
    """Figures of the networks side by side, and what is said of each.

    ``width`` is that of the terminal; ``unicode`` tells that it carries all letters.
    """
    table = tables.figures([found], unicode=unicode)
    more = tables.training(found).rows
    yield from _fitted(replace(table, rows=[*table.rows, *more]), width)
    for one in titled([found]):
        yield ""
        yield from _verdict(one, width)
        yield from _paragraph(outcome(one), width)


def _fitted(table: Table, width: int) -> Iterator[str]:
    """Networks side by side, or below one another where the terminal is narrow."""
    whole = [*table.lines()]
    if max(len(unmarked(line)) for line in whole) <= width:
        yield from ("", *whole)
        return
    first, *networks = table.head
    for name in networks:
        yield from ("", *table.only(first, name).lines())


# --- verdict --------------------------------------------------------------------------


def _verdict(one: Titled, width: int) -> Iterator[str]:
    name = style(one.title, bold=True)
    if not one.arm.findings:
        fine = style("ok", fg="green", bold=True)
        yield f"{name}: {fine}, nothing at initialisation stands in the way of training"
        return
    for finding in one.arm.findings:
        told = dict(details(finding))
        code = style(finding.code, fg="red", bold=True)
        where = f"{printable(finding.place)}: " if finding.place else ""
        yield f"{name}: {where}{code}"
        yield from _paragraph(finding.message, width)
        for place in _place(finding):
            yield from quoted(place)
        yield from _paragraph(f"mend: {told['mend']}", width)
        yield from _paragraph(f"measured {told['measured']}", width, dim=True)


def _paragraph(text: str, width: int, *, dim: bool = False) -> Iterator[str]:
    for line in textwrap.wrap(printable(text), min(width, TEXT) - 2):
        yield "  " + (style(line, dim=True) if dim else line)


def _place(finding: Finding) -> Iterator[Place]:
    """The line of the spec that the finding is about, if the file is still there."""
    file, _, column = (finding.place or "").rpartition(":")
    file, _, line = file.rpartition(":")
    if file and line.isdigit() and column.isdigit():
        with suppress(OSError, ValueError, IndexError):
            text = Path(file).read_text("utf-8").splitlines()[int(line) - 1]
            yield Place(file, int(line), int(column), "", text)
