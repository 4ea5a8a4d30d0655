"""What a report says first: a few sentences that need no knowledge of statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from resgen.records.profile import Breakdown, Record, Run
from resgen.reports.profile.naming import compare, engine, label, precisions, titles
from resgen.words.numbers import interval, scaled, seconds, share

#: Parts of the network that are named as those that take most of the time.
NAMED = 3
#: How far the sum of all operators may be from the run's median before it is said:
#: profilers of engines cost some percent.
NEAR: Final = 1.25

#: Why a part may reach more than the ceilings that were measured beside it.
ABOVE: Final = (
    "above 100 % of the attainable: caches held what a large copy has to fetch, the "
    "algorithm (Winograd) multiplies less than is counted, or the machine was busy "
    "while the ceilings were measured"
)


def sentences(records: Sequence[Record]) -> list[str]:
    """The sentences, most important first."""
    if len(records) > 1:
        return list(_of_many(records))
    return list(_of_one(records[0]))


def fastest(record: Record) -> Run | None:
    """The run that answers one request soonest, at its smallest batch.

    Modes are never mixed: latency as a user feels it comes before the others.
    """
    timed = [run for run in record.runs if run.summary is not None]
    for mode in ("latency", "end-to-end", "compute", "throughput"):
        these = [run for run in timed if run.mode == mode]
        if these:
            batch = min(run.batch for run in these)
            return min((r for r in these if r.batch == batch), key=_median)
    return None


def busiest(record: Record) -> Run | None:
    """The run with the most inputs a second."""
    runs = [run for run in record.runs if run.throughput is not None]
    return max(runs, key=lambda run: run.throughput or 0.0, default=None)


def _of_one(record: Record) -> Iterator[str]:
    name = record.subject.name
    best = fastest(record)
    if best is None or best.summary is None:
        yield f"Nothing was timed of {name}."
    else:
        what = "one input" if best.batch == 1 else f"a batch of {best.batch}"
        rivals = [
            run
            for run in record.runs
            if (run.mode, run.batch) == (best.mode, best.batch) and run.summary
        ]
        among = f", the lowest median of {len(rivals)}" if len(rivals) > 1 else ""
        yield (
            f"{name} takes {seconds(best.summary.median)} for {what} on "
            f"{engine(best)} ({best.mode}; 95 % interval of the median "
            f"{interval(best.summary.median_interval)}){among}."
        )
    most = busiest(record)
    if most is not None and most.throughput is not None:
        yield (
            f"The most inputs a second are {scaled(most.throughput)}, at batch "
            f"{most.batch} on {engine(most)} ({most.mode})."
        )
    candidates = record.runs if best is None else (best, *record.runs)
    told = (run.breakdown for run in candidates if run.breakdown is not None)
    breakdown = next(told, None)
    if breakdown is not None:
        yield _where(breakdown)
    yield from _troubles(record)


def _where(breakdown: Breakdown) -> str:
    sections = [c for c in breakdown.charges if c.kind != "block"]
    sections.sort(key=lambda charge: -charge.seconds)
    whole = breakdown.operator_sum
    parts = ", ".join(
        f"{charge.path} {share(charge.seconds, whole)}" for charge in sections[:NAMED]
    )
    return (
        f"Most of the operators' time goes to {parts}; "
        f"{share(breakdown.coverage, 1)} of it is charged to parts of the network."
    )


def _troubles(record: Record) -> Iterator[str]:
    failed = [run for run in record.runs if run.error is not None]
    if failed:
        names = "; ".join(f"{label(run)}: {run.error}" for run in failed)
        yield f"Not measured: {names}"
    rough = [run for run in record.runs if not run.steady]
    if rough:
        timed = sum(run.summary is not None for run in record.runs)
        names = "; ".join(label(run) for run in rough)
        which = names if len(rough) < timed else "every run"
        yield f"The machine was unsteady during {which}. The notes say what was seen."
    for run in record.runs:
        doubtful = doubt(run)
        if doubtful is not None:
            yield f"Of {label(run)}, {doubtful}."
    cut = [run for run in record.runs if run.stopped == "interrupted"]
    if cut:
        names = "; ".join(label(run) for run in cut)
        yield f"Interrupted, so these have fewer samples than was asked: {names}."


def _of_many(records: Sequence[Record]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(record.subject.name for record in records))
    told = ", ".join(titles(records))
    of = "" if told == names else f" of {names}"
    yield f"{len(records)} results{of}: {told}."
    rows = [row for row in compare(records) if row.change is not None]
    if rows:
        most = max(rows, key=lambda row: abs((row.change or 1.0) - 1.0))
        yield (
            f"The largest difference of medians is {most.change:.3f}x, {most.name}, "
            "from the first result to the last."
        )
        yield (
            "The results come from different sessions, so a difference is a hint and "
            "no verdict: resgen compare measures both, interleaved."
        )
    else:
        yield "No run is in more than one of them, so there is nothing to compare."
    if len(set(map(precisions, records))) > 1:
        yield (
            "Accuracy is not measured here, only time: resgen compare of the exported "
            "folders tells what is known of it."
        )
    # What went wrong in every result is said once.
    troubles: dict[str, list[str]] = {}
    for record, title in zip(records, titles(records), strict=True):
        for trouble in _troubles(record):
            troubles.setdefault(trouble, []).append(title)
    for trouble, times in troubles.items():
        whose = "all results" if len(times) == len(records) else ", ".join(times)
        yield f"In {whose}: {trouble[:1].lower()}{trouble[1:]}"


def _median(run: Run) -> float:
    return run.summary.median if run.summary is not None else float("inf")


def doubt(run: Run) -> str | None:
    """A sentence where operators add up to more than the run took, else None.

    Less is no reason to doubt: a host that waits, copies or interprets Python takes
    time that no operator has.
    """
    told, found = run.breakdown, run.summary
    if told is None or found is None or run.mode == "throughput":
        return None
    times = told.operator_sum / found.median
    if times <= NEAR:
        return None
    return (
        f"operators add up to {seconds(told.operator_sum)} under the profiler, "
        f"{times:.1f} times the median of {seconds(found.median)}: the machine was "
        "busy, or the profiler costs more than a network as small as this; shares "
        "are rough, and seconds are not the run's"
    )


def above(breakdown: Breakdown) -> bool:
    """Whether a part reached more than the ceilings say can be reached."""
    return any(
        charge.attainable is not None and charge.attainable > charge.seconds > 0
        for charge in breakdown.charges
    )
