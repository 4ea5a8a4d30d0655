"""Which candidates are looked at: by number, by chance, or bred from good ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import inf
from random import Random
from typing import Final, Protocol

from resgen.errors import MissingComponent
from resgen.searching.space import Genes, Space

#: Candidates that are drawn first and live at a time, and those of which the best one
#: breeds. Real et al. 2019 have a hundred and a quarter of them, for 20,000 trials;
#: here several searches share fewer.
POPULATION: Final = 20
TOURNAMENT: Final = 5
#: Trials that Optuna is told of: what it learns from takes time that grows with them.
TOLD: Final = 256
NAMES: Final = ("evolution", "random", "grid", "optuna")


class Sampler(Protocol):
    """Is asked for candidates, and told what each is worth."""

    def ask(self) -> Genes:
        """The next candidate."""

    def tell(self, genes: Genes, score: float | None) -> None:
        """The score of a candidate that was asked for; None: it is none."""


class RandomSampler:
    """Each candidate is as likely as another: what any other sampler has to beat."""

    def __init__(self, space: Space, random: Random) -> None:
        self._space, self._random = space, random

    def ask(self) -> Genes:
        """One of all."""
        return self._space.draw(self._random)

    def tell(self, genes: Genes, score: float | None) -> None:
        """It learns nothing."""


class GridSampler:
    """One candidate after the other, from a number on."""

    def __init__(self, space: Space, first: int) -> None:
        self._space, self._next = space, first

    def ask(self) -> Genes:
        """The next one; the rules of the space may not hold of it."""
        self._next += 1
        return self._space.at(self._next - 1)

    def tell(self, genes: Genes, score: float | None) -> None:
        """It learns nothing."""


class EvolutionSampler:
    """Regularised evolution: a good one of the young has a child, and the oldest dies.

    Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search. A
    child differs in one gene or in two: near a bound, what grows in one place has to
    shrink in another. What breaks a bound is never born, so the first ones may be few.
    """

    def __init__(
        self,
        space: Space,
        random: Random,
        first: int,
        known: Iterable[tuple[Genes, float]],
    ) -> None:
        self._space, self._random, self._asked = space, random, first
        self._living = deque(known, maxlen=POPULATION)

    def ask(self) -> Genes:
        """One by chance at the beginning, then a child of the best of a few."""
        self._asked += 1
        if self._asked <= POPULATION or not self._living:
            return self._space.draw(self._random)
        few = self._random.sample(self._living, min(TOURNAMENT, len(self._living)))
        child, _ = max(few, key=lambda each: each[1])
        for _ in range(self._random.randint(1, 2)):
            child = self._space.changed(child, self._random)
        return child

    def tell(self, genes: Genes, score: float | None) -> None:
        """It lives, if it is a candidate."""
        if score is not None:
            self._living.append((genes, score))


class OptunaSampler:
    """The tree-structured Parzen estimator of Optuna (Bergstra et al. 2011)."""

    def __init__(
        self, space: Space, seed: int, known: Iterable[tuple[Genes, float]]
    ) -> None:
        try:
            import optuna
        except ImportError:
            why = "it cannot choose candidates"
            raise MissingComponent("Optuna", why, "pip install optuna") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._free = {
            f"{at:04}": optuna.distributions.IntDistribution(0, len(c.values) - 1)
            for at, c in enumerate(space.choices)
        }
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        for genes, score in list(known)[-TOLD:]:
            params = dict(zip(self._free, genes, strict=True))
            self._study.add_trial(
                optuna.trial.create_trial(
                    params=params, distributions=self._free, value=score
                )
            )

    def ask(self) -> Genes:
        """What is likely to be good, by what is known."""
        self._trial = self._study.ask(self._free)
        return tuple(self._trial.params[name] for name in self._free)

    def tell(self, genes: Genes, score: float | None) -> None:
        """It learns of all; what is none is worse than any."""
        self._study.tell(self._trial, -inf if score is None else score)


def sampler(
    name: str,
    space: Space,
    seed: str,
    first: int,
    known: Iterable[tuple[Genes, float]],
) -> Sampler:
    """The sampler of a name, for a batch that begins at the candidate ``first``.

    ``known`` are genes and scores of those that were looked at, the oldest first.
    """
    if name == "grid":
        return GridSampler(space, first)
    random = Random(seed)
    if name == "random":
        return RandomSampler(space, random)
    if name == "evolution":
        return EvolutionSampler(space, random, first, known)
    return OptunaSampler(space, random.randrange(2**31), known)
