"""The tables of a latency report, which page, Markdown and terminal lay out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resgen.records.profile import Record, Run
from resgen.reports.profile.naming import (
    compare,
    engine,
    label,
    precisions,
    seen,
    titles,
)
from resgen.reports.profile.summary import doubt, fastest
from resgen.reports.tables import Cell, Table, size, time
from resgen.words.numbers import flat, interval, share

#: Columns of the runs' table that fit where there is no room for all.
FIGURES = ("engine", "batch", "mode", "median", "95 % interval", "p95", "p99",
           "inputs/s", "samples", "machine")  # fmt: skip


def runs(records: Sequence[Record]) -> Table:
    """One row a run: what ran, and its figures."""
    several = ["result"] if len(records) > 1 else []
    head = [
        *several, "engine", "batch", "mode", "median", "95 % interval", "p95", "p99",
        "inputs/s", "samples", "machine", "peak memory", "min", "mean", "IQR", "p90",
        "model", "load", "first",
    ]  # fmt: skip
    rows = []
    for record, title in zip(records, titles(records), strict=True):
        who: list[Cell] = [(title, None)] if several else []
        rows += [[*who, *_run(run)] for run in record.runs]
    return Table("Every run and its figures", head, rows, left=len(several) + 3)


def _run(run: Run) -> list[Cell]:
    found: list[Cell] = [
        (engine(run), None),
        (f"{run.batch:,}", run.batch),
        (run.mode, None),
    ]
    figures = run.summary
    if figures is None:
        return [*found, ("not measured", None), *[("", None)] * 14]
    return [
        *found,
        time(figures.median),
        (interval(figures.median_interval), figures.median_interval[0]),
        time(figures.p95),
        time(figures.p99),
        size(run.throughput),
        (f"{figures.n:,}", figures.n),
        ("" if run.steady else "⚠ unsteady", None),
        size(run.peak_memory, "B"),
        time(figures.min),
        time(figures.mean),
        time(figures.iqr),
        time(figures.p90),
        size(run.model_bytes, "B"),
        time(run.load_seconds),
        time(run.first_seconds),
    ]


def networks(records: Sequence[Record]) -> Table:
    """What each result is of, and the soonest that it answers one request."""
    head = [
        "result", "precision", "parameters", "multiply-adds", "size of its files",
        "median", "95 % interval", "of the first", "engine",
    ]  # fmt: skip
    best = [fastest(record) for record in records]
    figures = [None if run is None else run.summary for run in best]
    first = figures[0]
    rows: list[list[Cell]] = []
    for record, title, run, found in zip(
        records, titles(records), best, figures, strict=True
    ):
        row: list[Cell] = [
            (title, None),
            (precisions(record), None),
            size(record.subject.params),
            size(record.subject.macs),
            size(None if run is None else run.model_bytes, "B"),
        ]
        if run is None or found is None:
            rows.append([*row, ("not measured", None), *[("", None)] * 3])
            continue
        times = found.median / first.median if first and first.median else None
        rows.append([
            *row,
            time(found.median),
            (interval(found.median_interval), found.median_interval[0]),
            ("" if times is None else f"{times:.3f}", times),
            (f"{engine(run)} · batch {run.batch} · {run.mode}", None),
        ])  # fmt: skip
    return Table("What each result is of", head, rows, left=2)


def comparison(records: Sequence[Record]) -> Table:
    """The same runs in several results, side by side."""
    head = ["run", *titles(records), "last / first"]
    rows: list[list[Cell]] = [
        [
            (row.name, None),
            *(
                time(run.summary.median if run and run.summary else None)
                for run in row.runs
            ),
            ("" if row.change is None else f"{row.change:.3f}", row.change),
        ]
        for row in compare(records)
    ]
    return Table("Medians of the same runs, in order of time", head, rows, left=1)


def parts(run: Run) -> Table:
    """Where the time of a run goes, section by section; nothing where it is unknown.

    What is attainable is left out where the times themselves are doubtful.
    """
    found, sure = run.breakdown, doubt(run) is None
    charges = [] if found is None else [
        c for c in found.charges if c.kind != "block" and c.seconds
    ]  # fmt: skip
    whole = 0.0 if found is None else found.operator_sum
    head = ("part", "what", "time", "share", "MACs", "of the attainable")
    rows: list[list[Cell]] = [
        [
            (charge.path, None),
            (charge.label or "", None),
            time(charge.seconds),
            (share(charge.seconds, whole), charge.seconds),
            size(charge.macs),
            (share(charge.attainable, charge.seconds), charge.attainable)
            if sure and charge.attainable
            else ("", None),
        ]
        for charge in charges
    ]
    return Table("Where the time goes", head, rows, left=2)


def notes(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Of which run, and what was seen beside its figures: errors, what explains one."""
    for record, title in zip(records, titles(records), strict=True):
        for run in record.runs:
            if told := seen(run):
                whose = f"{title} · " if len(records) > 1 else ""
                yield f"{whose}{label(run)}", told


def settings(run: Run) -> list[tuple[str, str]]:
    """What a run was set to, how its samples came, and the machine around them."""
    rows = flat(run.settings)
    rows += flat(run.warm_up, "warm-up.")
    if run.stopped is not None:
        rows.append(("stopped", run.stopped))
    if run.overhead is not None:
        rows.append(("overhead of sampling", f"{100 * run.overhead:.2g} %"))
    if run.summary is not None:
        drift = f"{run.summary.drift:.4f} (p = {run.summary.drift_p:.2g})"
        rows.append(("second half / first", drift))
    rows += flat(run.machine, "machine.")
    return [(f"{label(run)}: {name}", value) for name, value in rows]
