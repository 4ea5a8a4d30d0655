"""Successive halving: many networks train a little, and the best of them go on.

Jamieson and Talwalkar 2016 (Non-stochastic Best Arm Identification and Hyperparameter
Optimization); a rung's sizes are those of a bracket of Hyperband (Li et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Final

from resgen.proof.accuracy import wilson

#: One of so many goes on from a rung, to train so many times as long: Li et al. 2018
#: take 3 or 4.
FACTOR: Final = 3
#: What two trials that are said to differ may be wrong by.
DOUBT: Final = 0.05


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
    this mean ``loss``, None where it is not finite. ``right`` tells which these are: a
    bit for each example, the first in the highest bit of the first byte, in hexadecimal
    digits. ``left`` is the first step whose
    loss left the finite numbers. Of a trial of the last rung ``unseen`` counts those
    told right, and all, of examples that chose nothing. ``seconds`` are those of this
    rung's training alone.
    """

    trial: str
    steps: int
    correct: int
    count: int
    loss: float | None
    right: str
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


def same(one: Reached, other: Reached) -> float:
    """How likely two that learned equally well differ as much on the same examples.

    McNemar's test (1947), exact and two-sided: of the examples that one of them alone
    tells right, each has a half of them.
    """
    first, second = (int(each.right or "0", 16) for each in (one, other))
    ahead, behind = (first & ~second).bit_count(), (second & ~first).bit_count()
    apart = ahead + behind
    ways, as_far = 1, 0
    for less in range(min(ahead, behind) + 1):
        as_far += ways
        ways = ways * (apart - less) // (less + 1)
    return min(1.0, float(Fraction(2 * as_far, 2**apart)))


@dataclass(frozen=True, slots=True)
class Climbed:
    """A rung that all of its trials have reached, best first, and who went on."""

    rung: Rung
    reached: tuple[Reached, ...]
    promoted: tuple[str, ...]

    @property
    def undecided(self) -> tuple[str, ...]:
        """Trials left behind that may be as good as the last one that went on.

        The same examples do not tell them apart at 5 %: more of them, or a longer rung,
        might have told.
        """
        ahead = [one for one in self.reached if one.trial in self.promoted]
        return tuple(
            one.trial
            for one in self.reached[len(ahead) :]
            if ahead and one.left is None and same(ahead[-1], one) > DOUBT
        )


def climbed(rung: Rung, reached: Sequence[Reached], further: int) -> Climbed:
    """The rung with those best of its trials promoted; none whose loss was lost."""
    ranked = tuple(sorted(reached, key=lambda one: one.rank))
    ahead = tuple(one.trial for one in ranked[:further] if one.left is None)
    return Climbed(rung, ranked, ahead)
