"""Successive halving: many networks train a little, and the best of them go on.

Jamieson and Talwalkar 2016 (Non-stochastic Best Arm Identification and Hyperparameter
Optimization); a rung's sizes are those of a bracket of Hyperband (Li et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from resgen.proof.accuracy import wilson

#: One of so many goes on from a rung, to train so many times as long: Li et al. 2018
#: take 3 or 4.
FACTOR: Final = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """So many trials train until they have taken so many steps."""

    trials: int
    steps: int


def bracket(
    trials: int, steps: int, *, factor: int = FACTOR, least: int = 1
) -> tuple[Rung, ...]:
    """The rungs of so many trials, of which the last trains for ``steps``.

    There are as many as leave the first at ``least`` steps and the last one trial.

    >>> [(rung.trials, rung.steps) for rung in bracket(81, 81)]
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    """
    cuts = 0
    while trials // factor ** (cuts + 1) and steps // factor ** (cuts + 1) >= least:
        cuts += 1
    return tuple(
        Rung(trials // factor**cut, steps // factor ** (cuts - cut))
        for cut in range(cuts + 1)
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """What a trial had learned after ``steps`` steps of training.

    Of ``count`` examples that it was not trained on it told ``correct`` right, with
    this mean ``loss``, None where it is not finite. ``left`` is the first step whose
    loss left the finite numbers. Of a trial of the last rung ``unseen`` counts those
    told right, and all, of examples that chose nothing. ``seconds`` are those of this
    rung's training alone.
    """

    trial: str
    steps: int
    correct: int
    count: int
    loss: float | None
    left: int | None = None
    unseen: tuple[int, int] | None = None
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """How much was told right."""
        return self.correct / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share (Wilson 1927)."""
        return wilson(self.correct, self.count)

    @property
    def rank(self) -> tuple[float, float, str]:
        """Sorts the best first: by what was told right, then by loss, then by name."""
        if self.left is not None:
            return inf, inf, self.trial
        return -self.share, inf if self.loss is None else self.loss, self.trial


@dataclass(frozen=True, slots=True)
class Climbed:
    """A rung that all of its trials have reached, best first, and who went on."""

    rung: Rung
    reached: tuple[Reached, ...]
    promoted: tuple[str, ...]

    @property
    def undecided(self) -> tuple[str, ...]:
        """Trials left behind that may be as good as the last one that went on.

        Their intervals overlap: more examples, or a longer rung, might have told.
        """
        ahead = [one for one in self.reached if one.trial in self.promoted]
        if not ahead:
            return ()
        low, _ = ahead[-1].interval
        return tuple(
            one.trial
            for one in self.reached[len(ahead) :]
            if one.left is None and one.interval[1] >= low
        )


def climbed(rung: Rung, reached: Sequence[Reached], further: int) -> Climbed:
    """The rung with those best of its trials promoted; none whose loss was lost."""
    ranked = tuple(sorted(reached, key=lambda one: one.rank))
    ahead = tuple(one.trial for one in ranked[:further] if one.left is None)
    return Climbed(rung, ranked, ahead)
