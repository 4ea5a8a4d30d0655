"""Tables for a spreadsheet or a data frame: runs and what is in them. SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from resgen.records.latency import Record, Run
from resgen.reports.csv import written

Table: TypeAlias = Literal["runs", "parts", "operators", "samples"]

_RUN: Final = ("runtime", "device", "precision", "batch", "mode")
_SUMMARY: Final = (
    "n", "min", "median", "mean", "iqr", "p90", "p95", "p99", "drift", "drift_p",
)  # fmt: skip
_ENDS: Final = ("median", "p90", "p95", "p99")
_MORE: Final = (
    "throughput", "load_seconds", "first_seconds", "peak_memory", "model_bytes",
    "steady", "stopped", "error",
)  # fmt: skip
_CHARGE: Final = ("kind", "label", "seconds", "macs", "bytes", "attainable", "pointer")
_PART: Final = ("part", "section", "block", "share", *_CHARGE)
_OPERATOR: Final = (
    "name", "kind", "seconds", "section", "block", "role", "macs", "bytes",
)  # fmt: skip


def render(records: Sequence[Record], table: Table = "runs") -> str:
    """The table of all records; what is not known is an empty field."""
    rows = [
        {"network": record.subject.name, "created": record.created, **row}
        for record in records
        for run in record.runs
        for row in _ROWS[table](run)
    ]
    return written(_HEADERS[table], rows)


def _run(run: Run) -> Iterator[dict[str, Any]]:
    row = {name: getattr(run, name) for name in (*_RUN, *_MORE)}
    if run.summary is not None:
        row.update({name: getattr(run.summary, name) for name in _SUMMARY})
        for name in _ENDS:
            low, high = getattr(run.summary, f"{name}_interval") or (None, None)
            row.update({f"{name}_low": low, f"{name}_high": high})
    row["notes"] = " ".join(run.notes)
    yield row


def _parts(run: Run) -> Iterator[dict[str, Any]]:
    """Sections, blocks, and what lies in neither.

    The seconds of a section are those of its blocks and of what it has beside them.
    """
    found = run.breakdown
    for charge in found.charges if found is not None else ():
        section = charge.path if charge.kind == "section" else ""
        block = ""
        if charge.kind == "block":
            section, _, block = charge.path.rpartition(".")
        whole = found.operator_sum if found is not None else 0.0
        yield {
            **{name: getattr(run, name) for name in _RUN},
            **{name: getattr(charge, name) for name in _CHARGE},
            "part": charge.path,
            "section": section,
            "block": block,
            "share": charge.seconds / whole if whole else None,
        }


def _operators(run: Run) -> Iterator[dict[str, Any]]:
    for operator in run.breakdown.operators if run.breakdown is not None else ():
        yield {
            **{name: getattr(run, name) for name in _RUN},
            **{name: getattr(operator, name) for name in _OPERATOR},
            "nodes": " ".join(operator.nodes),
            "across": " ".join(operator.across),
        }


def _samples(run: Run) -> Iterator[dict[str, Any]]:
    if run.samples is not None:
        same = {name: getattr(run, name) for name in _RUN}
        for at, took in zip(run.samples.at, run.samples.seconds, strict=True):
            yield {**same, "at": at, "seconds": took}


_WHOSE: Final = ("network", "created", *_RUN)
_HEADERS: Final[Mapping[Table, tuple[str, ...]]] = {
    "runs": (
        *_WHOSE,
        *_SUMMARY,
        *(f"{name}_{end}" for name in _ENDS for end in ("low", "high")),
        *_MORE,
        "notes",
    ),
    "parts": (*_WHOSE, *_PART),
    "operators": (*_WHOSE, *_OPERATOR, "nodes", "across"),
    "samples": (*_WHOSE, "at", "seconds"),
}
_ROWS: Final[Mapping[Table, Callable[[Run], Iterator[dict[str, Any]]]]] = {
    "runs": _run,
    "parts": _parts,
    "operators": _operators,
    "samples": _samples,
}
