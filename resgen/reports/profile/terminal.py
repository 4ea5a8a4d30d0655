"""A latency report as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from resgen.records.profile import Record, Run
from resgen.reports.profile import tables
from resgen.reports.profile.naming import label
from resgen.reports.profile.summary import ABOVE, above, doubt
from resgen.words.numbers import count, seconds, share
from resgen.words.terminal import TEXT, style

#: Columns of a bar that stands for all of the time.
BAR: Final = 24
_HEAD: Final = (
    "engine", "batch", "mode", "median", "95 % interval", "p95", "inputs/s",
)  # fmt: skip


def lines(record: Record, width: int = TEXT) -> Iterator[str]:
    """Figures of every run, and the parts of the first whose operators are known."""
    yield from tables.runs([record]).only(*_HEAD).lines()
    for name, told in tables.notes([record]):
        yield from _note(f"{name}: {told}", width)
    known = next((run for run in record.runs if run.breakdown is not None), None)
    if known is not None:
        yield from _parts(known, width)


def brief(run: Run) -> str:
    """A run in a line."""
    where = f"{run.runtime}, batch {run.batch}: "
    if run.summary is None:
        return where + (run.error or "nothing")
    return f"{where}{seconds(run.summary.median)}, {count(run.summary.n, 'sample')}"


def _parts(run: Run, width: int) -> Iterator[str]:
    breakdown = run.breakdown
    if breakdown is None or not breakdown.operator_sum:
        return
    yield ""
    yield style("where the time goes", bold=True) + f"  {label(run)}"
    yield from _note(
        f"operators take {seconds(breakdown.operator_sum)} under the profiler, "
        f"{share(breakdown.coverage, 1)} of it in a block or stage",
        width,
    )
    found = tables.parts(run).only("part", "time", "share", "of the attainable")
    took = [row[1][1] or 0.0 for row in found.rows]
    bars = ["#" * round(BAR * one / breakdown.operator_sum) for one in took]
    told = found.beside("", [bar.ljust(BAR) for bar in bars])
    yield from (f"  {line}" for line in told.lines())
    reason = doubt(run) or (ABOVE if above(breakdown) else None)
    if reason:
        yield from _note(reason, width)


def _note(told: str, width: int) -> Iterator[str]:
    """A sentence beside the figures, no wider than a text."""
    return (f"  {line}" for line in wrap(told, min(width, TEXT) - 2))
