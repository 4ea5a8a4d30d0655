"""How runs and results of profiles are called, and which lie side by side.

Where every result is of one network, rows are its runs over time. Where they are of
several, a row is one way to run them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resgen.records.profile import Record, Run, Summary
from resgen.words.numbers import seconds, when


def titles(records: Sequence[Record]) -> list[str]:
    """What tells each result from the others: of what, at which precision, or when."""
    facts = [(r.subject.name, precisions(r)) for r in records]
    told = [i for i in (0, 1) if len({fact[i] for fact in facts}) > 1]
    found = [" ".join(fact[i] for i in told) for fact in facts]
    if len({*found}) < len(found):
        dated = zip(found, records, strict=True)
        found = [f"{words} {when(r.created)}".strip() for words, r in dated]
    return [
        f"{words} ({found[: i + 1].count(words)})" if found.count(words) > 1 else words
        for i, words in enumerate(found)
    ]


def rows_of(records: Sequence[Record]) -> Callable[[Run], str]:
    """How a run's row is called where results lie side by side.

    A precision that tells results apart heads their columns; in the names of rows it
    would leave them without a row in common.
    """
    each = [{run.precision for run in record.runs} for record in records]
    apart = len(set().union(*each)) > 1 and all(len(one) == 1 for one in each)
    return _way if apart else label


def precisions(record: Record) -> str:
    """Those of its runs, in a word."""
    return ", ".join(dict.fromkeys(run.precision for run in record.runs))


def _way(run: Run) -> str:
    return f"{run.runtime} {run.device} · batch {run.batch} · {run.mode}"


def engine(run: Run) -> str:
    """On what it ran: ``onnxruntime cpu fp32``."""
    return f"{run.runtime} {run.device} {run.precision}"


def label(run: Run) -> str:
    """What tells a run from its neighbours."""
    return f"{engine(run)} · batch {run.batch} · {run.mode}"


def percentile(summary: Summary, name: str) -> str:
    """``p99`` and its like; empty where the sample is too small for it."""
    value: float | None = getattr(summary, name)
    return "" if value is None else seconds(value)


def seen(run: Run) -> str:
    """What was seen beside the figures, the error first; empty if nothing was."""
    return "; ".join((*((run.error,) if run.error else ()), *run.notes))


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run in each result, None where a result lacks it.

    ``change`` is the last median over the first, None unless there are two.
    """

    name: str
    runs: tuple[Run | None, ...]
    change: float | None


def in_order(records: Sequence[Record]) -> list[Record]:
    """By the time of measuring; given order where it is the same."""
    return sorted(records, key=lambda record: record.created)


def compare(records: Sequence[Record]) -> list[Row]:
    """The rows, in the order in which runs first appear; columns are ``records``."""
    row_of = rows_of(records)
    tables = [{row_of(run): run for run in record.runs} for record in records]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = []
    for name in names:
        runs = tuple(table.get(name) for table in tables)
        medians = [r.summary.median for r in runs if r is not None and r.summary]
        change = medians[-1] / medians[0] if len(medians) > 1 and medians[0] else None
        rows.append(Row(name, runs, change))
    return rows
