"""The data of a page's charts: all that was measured, no sample left out.

Samples are whole nanoseconds, finer than any clock that they were taken with. When
each began follows from the end of the one before it and the gap between the two, which
is a few digits instead of many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from resgen.document.files import plain
from resgen.profiling.knee import knees
from resgen.records.profile import Record, Run, Samples
from resgen.reports.profile.naming import engine, label, rows_of, titles


def payload(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What JSON can hold, one object a result."""
    row_of = rows_of(records)
    return [
        {
            "name": record.subject.name,
            "title": title,
            "parts": plain(record.subject.parts),
            "runs": list(_runs(record.runs, row_of)),
        }
        for record, title in zip(records, titles(records), strict=True)
    ]


def _runs(
    runs: Sequence[Run], row_of: Callable[[Run], str]
) -> Iterator[dict[str, Any]]:
    marked = knees(runs)
    for index, run in enumerate(runs):
        yield {**_run(run), "row": row_of(run), "knee": index in marked}


def _run(run: Run) -> dict[str, Any]:
    return {
        "label": label(run),
        "engine": engine(run),
        "batch": run.batch,
        "mode": run.mode,
        "steady": run.steady,
        "throughput": run.throughput,
        "summary": plain(run.summary),
        "samples": None if run.samples is None else _samples(run.samples),
        "breakdown": plain(run.breakdown),
        "ceilings": plain(run.ceilings),
    }


def _samples(samples: Samples) -> dict[str, Any]:
    took = [round(1e9 * value) for value in samples.seconds]
    began = [round(1e9 * value) for value in samples.at]
    gaps = [
        after - before - lasted
        for before, after, lasted in zip(began, began[1:], took, strict=False)
    ]
    return {"took": took, "first": began[:1], "gaps": gaps, "block": samples.block}
