"""The tables of a latency report that stand in its page as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from resgen.records.latency import Record, Run
from resgen.reports.latency.comparison import compare
from resgen.reports.latency.naming import engine, label, precisions, seen, titles
from resgen.reports.latency.summary import fastest
from resgen.reports.tables import Cell, table
from resgen.words.numbers import flat, interval, scaled, seconds


def runs(records: Sequence[Record]) -> str:
    """One row a run: what ran, and its figures."""
    several = ["result"] if len(records) > 1 else []
    head = [
        *several, "engine", "batch", "mode", "median", "95 % interval", "p95", "p99",
        "inputs/s", "samples", "peak memory", "min", "mean", "IQR", "p90", "model",
        "load", "first",
    ]  # fmt: skip
    rows = []
    for record, title in zip(records, titles(records), strict=True):
        who: list[Cell] = [(title, None)] if several else []
        rows += [[*who, *_run(run)] for run in record.runs]
    return table("Every run and its figures", head, rows, text=len(several) + 3)


def _run(run: Run) -> list[Cell]:
    found: list[Cell] = [
        (engine(run), None),
        (f"{run.batch:,}", run.batch),
        (run.mode, None),
    ]
    figures = run.summary
    if figures is None:
        return [*found, ("not measured", None), *[("", None)] * 13]
    mark = "" if run.steady else " ⚠ unsteady"
    return [
        *found,
        (seconds(figures.median) + mark, figures.median),
        (interval(figures.median_interval), figures.median_interval[0]),
        _time(figures.p95),
        _time(figures.p99),
        _size(run.throughput),
        (f"{figures.n:,}", figures.n),
        _size(run.peak_memory, "B"),
        _time(figures.min),
        _time(figures.mean),
        _time(figures.iqr),
        _time(figures.p90),
        _size(run.model_bytes, "B"),
        _time(run.load_seconds),
        _time(run.first_seconds),
    ]


def _time(value: float | None) -> Cell:
    return ("" if value is None else seconds(value), value)


def _size(value: float | None, unit: str = "") -> Cell:
    return ("" if value is None else scaled(value, unit), value)


def networks(records: Sequence[Record]) -> str:
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
            _size(record.subject.params),
            _size(record.subject.macs),
            _size(None if run is None else run.model_bytes, "B"),
        ]
        if run is None or found is None:
            rows.append([*row, ("not measured", None), *[("", None)] * 3])
            continue
        times = found.median / first.median if first and first.median else None
        rows.append([
            *row,
            _time(found.median),
            (interval(found.median_interval), found.median_interval[0]),
            ("" if times is None else f"{times:.3f}", times),
            (f"{engine(run)} · batch {run.batch} · {run.mode}", None),
        ])  # fmt: skip
    return table("What each result is of", head, rows, text=2)


def comparison(records: Sequence[Record]) -> str:
    """The same runs in several results, side by side."""
    head = [
        "run",
        *titles(records),
        "last / first",
    ]
    rows: list[list[Cell]] = []
    for row in compare(records):
        cells: list[Cell] = [(row.name, None)]
        for run in row.runs:
            if run is None or run.summary is None:
                cells.append(("", None))
            else:
                median = run.summary.median
                cells.append(_time(median))
        change = row.change
        cells.append(("" if change is None else f"{change:.3f}", change))
        rows.append(cells)
    return table("Medians of the same runs, in order of time", head, rows, text=1)


def notes(records: Sequence[Record]) -> Iterator[str]:
    """What was seen beside the figures: errors, and what explains a figure."""
    several = len(records) > 1
    lines = [
        f"<li><b>{escape(f'{title} · ' if several else '')}{escape(label(run))}</b>: "
        f"{escape(seen(run))}</li>"
        for record, title in zip(records, titles(records), strict=True)
        for run in record.runs
        if seen(run)
    ]
    if lines:
        yield "<h3>Notes</h3><ul>"
        yield from lines
        yield "</ul>"


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
