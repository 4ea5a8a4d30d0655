"""How much energy was spent between two snapshots, where a meter exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules by one meter, of all that it feeds: idle parts and other processes too."""

    joules: float
    meter: str


def energy(before: Mapping[str, Any], after: Mapping[str, Any]) -> Energy | None:
    """What the GPU's meter counted, else the processor's; None without a meter."""
    start, end = (s.get("gpu", {}).get("energy_j") for s in (before, after))
    if start is not None and end is not None:
        return Energy(end - start, "the GPU's (NVML)")
    first, last = before.get("energy_j"), after.get("energy_j")
    if not first or not last or first.keys() != last.keys():
        return None
    spent = 0.0
    for name, meter in last.items():
        part = meter["joules"] - first[name]["joules"]
        spent += part if part >= 0 else part + meter["wraps"]
    return Energy(spent, "the processor's packages (RAPL)")
