"""Tables for a spreadsheet or a data frame: runs and what is in them. SI units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from resgen.records.profile import Record, Run
from resgen.reports.csv import Sheet

_RUN: Final = ("runtime", "device", "precision", "batch", "mode")
_WHOSE: Final = ("network", "created", *_RUN)
_SUMMARY: Final = (
    "n", "min", "median", "mean", "iqr", "p90", "p95", "p99", "drift", "drift_p",
)  # fmt: skip
_ENDS: Final = ("median", "p90", "p95", "p99")
_MORE: Final = (
    "throughput", "load_seconds", "first_seconds", "peak_memory", "model_bytes",
    "steady", "stopped", "error",
)  # fmt: skip
_CHARGE: Final = ("kind", "label", "seconds", "macs", "bytes", "attainable", "pointer")
_OPERATOR: Final = (
    "name", "kind", "seconds", "section", "block", "role", "macs", "bytes",
)  # fmt: skip


def _picked(of: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _runs(run: Run) -> Iterator[dict[str, Any]]:
    row = _picked(run, _MORE)
    if run.summary is not None:
        row |= _picked(run.summary, _SUMMARY)
        for name in _ENDS:
            low, high = getattr(run.summary, f"{name}_interval") or (None, None)
            row |= {f"{name}_low": low, f"{name}_high": high}
    yield {**row, "notes": " ".join(run.notes)}


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
            **_picked(charge, _CHARGE),
            "part": charge.path,
            "section": section,
            "block": block,
            "share": charge.seconds / whole if whole else None,
        }


def _operators(run: Run) -> Iterator[dict[str, Any]]:
    for operator in run.breakdown.operators if run.breakdown is not None else ():
        yield {
            **_picked(operator, _OPERATOR),
            "nodes": " ".join(operator.nodes),
            "across": " ".join(operator.across),
        }


def _samples(run: Run) -> Iterator[dict[str, Any]]:
    if run.samples is not None:
        for at, took in zip(run.samples.at, run.samples.seconds, strict=True):
            yield {"at": at, "seconds": took}


def _sheet(
    header: Sequence[str], of: Callable[[Run], Iterator[dict[str, Any]]]
) -> Sheet:
    """One that has rows of every run."""

    def rows(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
        for record in records:
            for run in record.runs:
                whose = {"network": record.subject.name, "created": record.created}
                whose |= _picked(run, _RUN)
                yield from ({**whose, **row} for row in of(run))

    return Sheet((*_WHOSE, *header), rows)


#: The first one is written unless another is named.
SHEETS: Final[Mapping[str, Sheet]] = {
    "runs": _sheet(
        (
            *_SUMMARY,
            *(f"{name}_{end}" for name in _ENDS for end in ("low", "high")),
            *_MORE,
            "notes",
        ),
        _runs,
    ),
    "parts": _sheet(("part", "section", "block", "share", *_CHARGE), _parts),
    "operators": _sheet((*_OPERATOR, "nodes", "across"), _operators),
    "samples": _sheet(("at", "seconds"), _samples),
}
