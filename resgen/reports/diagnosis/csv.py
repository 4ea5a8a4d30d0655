"""Tables of a diagnosis: every part at every step looked at, steps, or findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from resgen.records.diagnosis import Arm, Diagnosis, Finding
from resgen.reports.csv import Sheet
from resgen.reports.diagnosis.arms import NAMES, titled


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


def _sheet(
    header: Sequence[str], of: Callable[[Arm], Iterator[dict[str, Any]]]
) -> Sheet:
    """One that has rows of every network."""

    def rows(diagnoses: Sequence[Diagnosis]) -> Iterator[dict[str, Any]]:
        for one in titled(diagnoses):
            yield from ({"network": one.title, **row} for row in of(one.arm))

    return Sheet(("network", *header), rows)


#: The first one is written unless another is named.
SHEETS: Final[Mapping[str, Sheet]] = {
    "parts": _sheet(
        (
            "seed", "step", "index", "part", "kind", "label", "pointer", *NAMES,
            "nonfinite",
        ),
        _parts,
    ),
    "steps": _sheet(
        ("seed", "step", "loss", "held_back_loss", "correct", "count"), _steps
    ),
    "findings": _sheet([field.name for field in fields(Finding)], _findings),
}  # fmt: skip
