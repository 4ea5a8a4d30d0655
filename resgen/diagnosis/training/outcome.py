"""Whether a network learns, by what short training did."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final, Literal, TypeAlias

from resgen.records.diagnosis import Run

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
