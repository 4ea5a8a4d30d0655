"""Tables of a diagnosis: every part at every step looked at, steps, or findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final, Literal, TypeAlias

from resgen.records.diagnosis import Arm, Diagnosis, Finding
from resgen.reports.csv import written
from resgen.reports.diagnosis.arms import MEASURES, titled

Table: TypeAlias = Literal["parts", "steps", "findings"]

_HEADERS: Final[Mapping[Table, tuple[str, ...]]] = {
    "parts": (
        "network", "seed", "step", "index", "part", "kind", "label", "pointer",
        *MEASURES, "nonfinite",
    ),
    "steps": ("network", "seed", "step", "loss", "held_back_loss", "correct", "count"),
    "findings": ("network", *(field.name for field in fields(Finding))),
}  # fmt: skip


def render(diagnoses: Sequence[Diagnosis], table: Table = "parts") -> str:
    """The table of all networks; what is not known or not finite is empty."""
    rows = (
        {"network": one.title, **row}
        for one in titled(diagnoses)
        for row in _ROWS[table](one.arm)
    )
    return written(_HEADERS[table], rows)


def _parts(arm: Arm) -> Iterator[dict[str, Any]]:
    for run in arm.runs:
        for moment in run.moments:
            pairs = zip(arm.parts, moment.parts, strict=True)
            for index, (part, measures) in enumerate(pairs):
                yield {
                    "seed": run.seed,
                    "step": moment.step,
                    "index": index,
                    "part": part.path,
                    "kind": part.kind,
                    "label": part.label,
                    "pointer": part.pointer,
                    **asdict(measures),
                }


def _steps(arm: Arm) -> Iterator[dict[str, Any]]:
    for run in arm.runs:
        held_back = {seen.step: seen for seen in run.evaluations}
        for step in range(len(run.losses) + 1):
            if step == 0 and 0 not in held_back:
                continue
            seen = held_back.get(step)
            yield {
                "seed": run.seed,
                "step": step,
                "loss": run.losses[step - 1] if step else None,
                "held_back_loss": None if seen is None else seen.loss,
                "correct": None if seen is None else seen.correct,
                "count": None if seen is None else seen.count,
            }


def _findings(arm: Arm) -> Iterator[dict[str, Any]]:
    for finding in arm.findings:
        yield asdict(finding)


_ROWS: Final[Mapping[Table, Callable[[Arm], Iterator[dict[str, Any]]]]] = {
    "parts": _parts,
    "steps": _steps,
    "findings": _findings,
}
