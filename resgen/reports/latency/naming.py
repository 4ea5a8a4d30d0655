"""How runs and results of profiles are called in a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resgen.records.latency import Record, Run, Summary
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
