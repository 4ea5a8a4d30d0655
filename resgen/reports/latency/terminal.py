"""A latency report as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from resgen.records.latency import Charge, Record, Run
from resgen.reports.latency.doubt import ABOVE, above, doubt
from resgen.reports.latency.naming import percentile
from resgen.words.numbers import interval, seconds, share
from resgen.words.terminal import TEXT, style, table

#: Columns of a bar that stands for all of the time.
BAR: Final = 24
_HEAD: Final = ("runtime", "batch", "median", "95 % interval", "p95", "inputs/s", "")


def lines(record: Record, width: int = TEXT) -> Iterator[str]:
    """Figures of every run, and the parts of the first whose operators are known."""
    rows = [_HEAD, *(_row(run) for run in record.runs)]
    head, *rest = table(rows, 1)
    yield style(head, bold=True)
    yield from rest
    for run in record.runs:
        notes = "; ".join(_notes(run))
        if notes:
            yield f"  {run.runtime}, batch {run.batch}: {notes}"
    told = next((run for run in record.runs if run.breakdown is not None), None)
    if told is not None:
        yield from _parts(told, width)


def brief(run: Run) -> str:
    """A run in a line."""
    where = f"{run.runtime}, batch {run.batch}: "
    if run.summary is None:
        return where + (run.error or "nothing")
    return f"{where}{seconds(run.summary.median)}, {run.summary.n:,} samples"


def _row(run: Run) -> tuple[str, ...]:
    name, batch = run.runtime, str(run.batch)
    found = run.summary
    if found is None:
        return name, batch, "failed", "", "", "", ""
    unsteady = "" if run.steady else "unsteady"
    return (
        name, batch, seconds(found.median), interval(found.median_interval),
        percentile(found, "p95") or "too few", f"{run.throughput or 0:,.1f}", unsteady,
    )  # fmt: skip


def _notes(run: Run) -> Iterator[str]:
    if run.error is not None:
        yield run.error
    yield from run.notes


def _parts(run: Run, width: int) -> Iterator[str]:
    breakdown = run.breakdown
    if breakdown is None or not breakdown.operator_sum:
        return
    yield ""
    yield (
        style("where the time goes", bold=True)
        + f"  {run.runtime}, batch {run.batch}: operators take "
        f"{seconds(breakdown.operator_sum)} under the profiler, "
        f"{100 * breakdown.coverage:.1f} % of it in a block or stage"
    )
    doubtful = doubt(run)
    rows = [
        (part.path, seconds(part.seconds), share(part.seconds, breakdown.operator_sum),
         "" if doubtful else _reached(part),
         "#" * round(BAR * part.seconds / breakdown.operator_sum))
        for part in breakdown.charges
        if part.kind != "block" and part.seconds
    ]  # fmt: skip
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for path, took, part, reached, bar in rows:
        yield (
            f"  {path:<{wide[0]}}  {took:>{wide[1]}}  {part:>{wide[2]}}  "
            f"{bar:<{BAR}}  {reached}".rstrip()
        )
    reason = doubtful or (ABOVE if above(breakdown) else None)
    if reason:
        yield from (f"  {line}" for line in wrap(reason, min(width, TEXT) - 2))


def _reached(charge: Charge) -> str:
    if not charge.attainable or not charge.seconds:
        return ""
    return f"{100 * charge.attainable / charge.seconds:.0f} % of the attainable"
