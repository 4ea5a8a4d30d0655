"""What training came to: means over seeds with intervals, and whether it learns."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Final, Literal, TypeAlias

from resgen.errors import MissingComponent
from resgen.proof.accuracy import wilson
from resgen.records.diagnosis import Evaluation, Run

LEVEL: Final = 0.95


def accuracy(
    evaluations: Sequence[Evaluation],
) -> tuple[float, tuple[float, float]] | None:
    """The mean share told right over the seeds, an evaluation each, and its interval.

    With several seeds it is their t-interval (Student 1908), cut at 0 and 1; with one
    seed the Wilson interval of its count (Wilson 1927), which knows nothing of other
    seeds. None without a seed.
    """
    if not evaluations:
        return None
    shares = [one.correct / one.count for one in evaluations]
    n, mean = len(shares), fmean(shares)
    if n == 1:
        return mean, wilson(evaluations[0].correct, evaluations[0].count)
    half = _quantile(n - 1) * stdev(shares) / sqrt(n)
    return mean, (max(mean - half, 0.0), min(mean + half, 1.0))


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


Outcome: TypeAlias = Literal["learns", "stalls", "diverges"]

#: Share of the way from chance to perfection that counts as having learned: 40 % of
#: ten classes.
LEARNED: Final = 1 / 3


def learns(runs: Sequence[Run], classes: int) -> Outcome:
    """What became of a network, over its seeds.

    It ``diverges`` if the loss of more than half of the seeds left the finite numbers.
    It ``learns`` if the last accuracies on held-back data are on average as far above
    chance, 1 / classes, as 40 % is with ten classes; a diverged run counts as chance.
    Otherwise it ``stalls``. This is a convention of ours: short training ends long
    before the final accuracy, and what it shows is whether there is a signal to follow.
    """
    lost = [run for run in runs if run.left is not None]
    if 2 * len(lost) > len(runs):
        return "diverges"
    chance = 1 / classes
    reached = fmean(_reached(run, chance) for run in runs)
    # Four of ten is not quite 0.4 in binary.
    return "learns" if reached >= chance + LEARNED * (1 - chance) - 1e-9 else "stalls"


def _reached(run: Run, chance: float) -> float:
    if run.left is not None or not run.evaluations:
        return chance
    last = run.evaluations[-1]
    return last.correct / last.count
