"""Means over seeds with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Final

from resgen.errors import MissingComponent
from resgen.proof.accuracy import wilson
from resgen.records.diagnosis import Evaluation

LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``count`` seeds; ``interval`` is None where nothing can be said."""

    mean: float
    interval: tuple[float, float] | None
    count: int


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """The mean of the finite values and its t-interval (Student 1908).

    None if there is no finite value; no interval for a single one.
    """
    found = [value for value in values if value is not None]
    if not found:
        return None
    n, mean = len(found), fmean(found)
    if n == 1:
        return Estimate(mean, None, 1)
    half = _quantile(n - 1) * stdev(found) / sqrt(n)
    return Estimate(mean, (mean - half, mean + half), n)


def accuracy(evaluations: Sequence[Evaluation]) -> Estimate | None:
    """The share told right, over one evaluation for each seed.

    With several seeds it is their t-interval, cut at 0 and 1; with one seed the Wilson
    interval of its count (Wilson 1927), which knows nothing of other seeds.
    """
    if len(evaluations) == 1:
        (only,) = evaluations
        share = only.correct / only.count
        return Estimate(share, wilson(only.correct, only.count), 1)
    found = estimate([e.correct / e.count for e in evaluations])
    if found is None or found.interval is None:
        return found
    low, high = found.interval
    return Estimate(found.mean, (max(low, 0.0), min(high, 1.0)), found.count)


def _quantile(freedom: int) -> float:
    """That of Student's t, two-sided."""
    try:
        from scipy import special
    except ImportError as missing:
        raise MissingComponent(
            "scipy",
            "the spread over seeds cannot be judged",
            'pip install "resgen[diagnose]"',
        ) from missing
    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))
