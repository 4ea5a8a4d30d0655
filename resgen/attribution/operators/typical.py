"""One figure of many runs of an operator, whatever else ran on the machine."""

from __future__ import annotations

from collections.abc import Sequence


def typical(seconds: Sequence[float], runs: int) -> float:
    """Seconds that an operator takes of one of ``runs``, from each time that it ran.

    The mean of the middle half (interquartile mean): like a median it does not see the
    quarter that was slowest because something else ran, and unlike one it tells times
    apart that lie between two ticks of a profiler's clock. An operator that runs
    several times in a run counts so often.

    >>> typical([2.0, 3.0, 2.0, 900.0], 4)
    2.5
    """
    ordered = sorted(seconds)
    cut = len(ordered) // 4
    middle = ordered[cut : len(ordered) - cut]
    return sum(middle) / len(middle) * len(ordered) / runs
