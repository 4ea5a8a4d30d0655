"""Which of many networks are worth timing, and which is the best that is fast enough.

Networks are timed in the order in which they could be the answer, until none that was
not timed could be: what a network costs tells about how long it takes, and every one
that was timed tells it better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

#: By what factor a prediction may be off before enough were timed to tell.
UNSURE: Final = 2.5
#: The least factor by which it may be off, and how many spreads of what was seen.
LEAST: Final = 1.2
SPREADS: Final = 2.5
#: Networks that are timed before predictions are fitted to them.
ENOUGH: Final = 5
#: What is assumed before: multiply-adds and bytes a second, and seconds a kernel.
FIRST: Final = np.array([1 / 30e9, 1 / 20e9, 5e-6])


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds that a network takes: the median, and what 95 % of runs are within.

    ``notes`` say what was unsteady while it was timed.
    """

    median: float
    p95: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network at a size, with the best accuracy that was published of it.

    ``costs`` are multiply-adds, bytes that are moved and kernels, of a batch.
    """

    key: str
    top1: float
    costs: tuple[float, float, float]


class Search:
    """The candidates, and what is known of their latency, in seconds.

    ``predict`` tells what is known before any is timed, by key; without it the costs
    do. ``margin`` is the factor by which such a prediction may be off.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        budget: float,
        timed: Mapping[str, Timed],
        *,
        predicted: Mapping[str, float] | None = None,
        margin: float | None = None,
    ) -> None:
        self.candidates = sorted(candidates, key=lambda each: -each.top1)
        self.budget = budget
        self.timed = dict(timed)
        self.margin = margin = UNSURE if margin is None else margin
        costs = np.array([each.costs for each in self.candidates])
        guess = costs @ FIRST
        if predicted is not None:
            guess = np.array([predicted[each.key] for each in self.candidates])
        self._costs, self._first = costs, guess
        self._given, self._sure = predicted is not None, margin
        self.predicted: dict[str, float] = {}
        self._fit()

    def note(self, key: str, timing: Timed) -> None:
        """What timing a candidate gave, from which the others are told better."""
        self.timed[key] = timing
        self._fit()

    def latency(self, candidate: Candidate) -> float:
        """The median where it was timed, else the prediction."""
        timing = self.timed.get(candidate.key)
        return self.predicted[candidate.key] if timing is None else timing.median

    def meets(self, candidate: Candidate) -> bool:
        """Whether it was timed and 95 % of its runs are within the budget."""
        timing = self.timed.get(candidate.key)
        return timing is not None and timing.p95 <= self.budget

    def best(self) -> Candidate | None:
        """The most accurate one that was timed and is fast enough."""
        return next(filter(self.meets, self.candidates), None)

    def next(self) -> Candidate | None:
        """The candidate to time next; None where the answer is sure.

        The most accurate one that is predicted to be fast enough; then, of those that
        would be better than the best, each that may be.
        """
        best = self.best()
        open_ = [
            each
            for each in self.candidates
            if each.key not in self.timed
            and (best is None or each.top1 > best.top1)
            and self.predicted[each.key] / self.margin <= self.budget
        ]
        likely = (e for e in open_ if self.predicted[e.key] <= self.budget)
        fastest = min(open_, key=lambda e: self.predicted[e.key], default=None)
        return next(likely, fastest)

    def nearest(self) -> Candidate:
        """The fastest of all, as far as it is known."""
        return min(self.candidates, key=self.latency)

    def front(self) -> list[Candidate]:
        """Those beside which none is both faster and as accurate, the fastest first."""
        found: list[Candidate] = []
        for each in sorted(self.candidates, key=lambda e: (self.latency(e), -e.top1)):
            if not found or each.top1 > found[-1].top1:
                found.append(each)
        return found

    def _fit(self) -> None:
        """Predict from those that were timed: least squares of relative errors."""
        there = [
            at
            for at, each in enumerate(self.candidates)
            if each.key in self.timed and np.isfinite(self.timed[each.key].median)
        ]
        took = np.array([self.timed[self.candidates[at].key].median for at in there])
        told, self.margin = self._first, self._sure
        if len(there) >= ENOUGH and not self._given:
            scaled = self._costs[there] / took[:, None]
            # Drawn towards the first guess, so that costs that go together stay apart.
            keep = 0.1 * np.diag(1 / FIRST)
            rows = np.vstack([scaled, keep])
            wanted = np.concatenate([np.ones(len(there)), 0.1 * np.ones(3)])
            rates = np.linalg.lstsq(rows, wanted, rcond=None)[0]
            told = self._costs @ np.maximum(rates, FIRST / 100)
        if there:
            off = np.log(took / told[there])
            told = told * np.exp(np.median(off))
            if len(there) >= ENOUGH:
                # A few are fitted closer than the rest: three rates are theirs.
                freedom = len(there) / (len(there) - len(FIRST))
                spread = float(np.std(off)) * freedom
                self.margin = max(LEAST, float(np.exp(SPREADS * spread)))
        self.predicted = {
            each.key: float(seconds)
            for each, seconds in zip(self.candidates, told, strict=True)
        }


def settle(
    search: Search,
    time: Callable[[Candidate], Timed | None],
    *,
    again: Callable[[Candidate], Timed | None],
    enough: Callable[[], bool],
) -> tuple[Candidate | None, bool]:
    """Time candidates until the answer is sure: the best one, and whether it is sure.

    ``time`` gives None for a network that cannot be timed, which is then left out.
    ``again`` times what is named once more, for longer, and what it says holds.
    ``enough`` ends the search before it is sure.
    """
    confirmed: set[str] = set()
    while True:
        candidate = search.next()
        if candidate is None:
            candidate = search.best()
            if candidate is None or candidate.key in confirmed:
                return candidate, True
            confirmed.add(candidate.key)
            timing = again(candidate)
        elif enough():
            return search.best(), False
        else:
            timing = time(candidate)
        search.note(candidate.key, timing or Timed(float("inf"), float("inf")))
