"""Whether a search does better than chance, told by several of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class AgainstChance:
    """The best scores of searches against those of random searches of equal cost.

    ``more`` is by how much the former are better: the median of all differences, in
    the ``interval`` that holds at ``confidence`` (Hodges and Lehmann 1963; Mann and
    Whitney 1947). ``verdict`` is undecided where 0 lies in it.
    """

    verdict: Literal["better", "worse", "equal", "undecided"]
    searched: tuple[float, ...]
    by_chance: tuple[float, ...]
    more: float
    interval: tuple[float, float]
    confidence: float


def against_chance(
    searched: Sequence[float], by_chance: Sequence[float]
) -> AgainstChance:
    """The verdict on the best scores of independent searches, four of each or more.

    The interval is that of the least and the largest difference, so it is as wide as
    few searches make it.

    >>> against_chance([7, 8, 9, 9], [4, 5, 6, 6]).verdict
    'better'
    >>> against_chance([7, 8, 9, 5], [4, 5, 6, 6]).verdict
    'undecided'
    """
    every = sorted(a - b for a in searched for b in by_chance)
    low, high = every[0], every[-1]
    verdict: Literal["better", "worse", "equal", "undecided"] = "undecided"
    if low > 0 or high < 0:
        verdict = "better" if low > 0 else "worse"
    elif low == high:
        verdict = "equal"
    both = len(searched) + len(by_chance)
    return AgainstChance(
        verdict,
        tuple(searched),
        tuple(by_chance),
        median(every),
        (low, high),
        1 - 2 / comb(both, len(searched)),
    )
