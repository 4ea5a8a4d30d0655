"""How runs and results of profiles are called in a report."""

from __future__ import annotations

from collections.abc import Sequence

from resgen.records.latency import Record, Run, Summary
from resgen.words.numbers import seconds, when


def titles(records: Sequence[Record]) -> list[str]:
    """What tells each result from the others: when, and of what unless all agree."""
    one = len({record.subject.name for record in records}) == 1
    return [
        when(r.created) if one else f"{r.subject.name} {when(r.created)}"
        for r in records
    ]


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
