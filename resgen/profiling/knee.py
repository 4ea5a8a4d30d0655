"""In a sweep of throughput: which batch is the last that is worth its latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from resgen.records.profile import Run

#: The knee is the smallest batch whose throughput is this share of the best.
KNEE: Final = 0.95


def knees(runs: Sequence[Run]) -> Mapping[int, float]:
    """Places of the knees among the runs, and what share of the best each reaches.

    There is one for every engine that was measured at several batches.
    """
    sweeps: dict[tuple[str, ...], list[tuple[int, float, int]]] = {}
    for index, run in enumerate(runs):
        if run.mode == "throughput" and run.throughput:
            sweep = sweeps.setdefault((run.runtime, run.device, run.precision), [])
            sweep.append((run.batch, run.throughput, index))
    found = {}
    for sweep in sweeps.values():
        if len(sweep) > 1:
            best = max(throughput for _, throughput, _ in sweep)
            _, throughput, index = min(s for s in sweep if s[1] >= KNEE * best)
            found[index] = throughput / best
    return found
