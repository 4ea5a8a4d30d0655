"""What keeps a run's times of operators from being taken at their word."""

from __future__ import annotations

from typing import Final

from resgen.records.latency import Breakdown, Run
from resgen.words.numbers import seconds

#: How far the sum of all operators may be from the run's median before it is said:
#: profilers of engines cost some percent.
NEAR: Final = 1.25

#: Why a part may reach more than the ceilings that were measured beside it.
ABOVE: Final = (
    "above 100 % of the attainable: caches held what a large copy has to fetch, the "
    "algorithm (Winograd) multiplies less than is counted, or the machine was busy "
    "while the ceilings were measured"
)


def doubt(run: Run) -> str | None:
    """A sentence where operators add up to more than the run took, else None.

    Less is no reason to doubt: a host that waits, copies or interprets Python takes
    time that no operator has.
    """
    told, found = run.breakdown, run.summary
    if told is None or found is None or run.mode == "throughput":
        return None
    times = told.operator_sum / found.median
    if times <= NEAR:
        return None
    return (
        f"operators add up to {seconds(told.operator_sum)} under the profiler, "
        f"{times:.1f} times the median of {seconds(found.median)}: the machine was "
        "busy, or the profiler costs more than a network as small as this; shares "
        "are rough, and seconds are not the run's"
    )


def above(breakdown: Breakdown) -> bool:
    """Whether a part reached more than the ceilings say can be reached."""
    return any(
        charge.attainable is not None and charge.attainable > charge.seconds > 0
        for charge in breakdown.charges
    )
