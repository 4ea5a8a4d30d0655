"""Examples with their classes, split and put in an order that depends on a seed only.

Whoever learns from them, in whatever turn, sees the same batches: a batch is a function
of its number. Nothing is remembered between batches, so training can be taken up again
at any step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.graph.outputs import Scores
from resgen.records.diagnosis import Data
from resgen.words.numbers import shape as sized

Images: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]
Indices: TypeAlias = NDArray[np.int64]

#: One of this many examples of each class is held back.
HELD_BACK: Final = 5
#: Bytes of prepared images up to which they are kept in memory.
KEPT: Final = 512 << 20


class Batch(NamedTuple):
    """``images`` are float32, N x input; ``labels`` int64, N."""

    images: Images
    labels: Labels


@dataclass(frozen=True, slots=True)
class Examples:
    """What a source holds: ``take`` gives the prepared input of an index.

    ``digest`` tells it from other data; ``notes`` say what had to be done to it.
    """

    take: Callable[[int], Images]
    labels: Labels
    origin: str
    digest: str
    notes: tuple[str, ...] = ()


class Dataset:
    """Examples that fit one network, a fifth of each class held back.

    ``scores`` is the output that is to tell the classes.
    """

    def __init__(
        self,
        examples: Examples,
        shape: tuple[int, ...],
        scores: Scores,
        *,
        seed: int = 0,
    ) -> None:
        self.shape = shape
        self.scores = scores
        self.digest = examples.digest
        self._examples = examples
        self._seed = seed
        self.trained_on, self.held_back = split(examples.labels, seed)
        if not len(self.held_back):
            raise ResgenError(
                f"{examples.origin}: no class has two examples, one to learn from and "
                "one to hold back"
            )
        count = len(examples.labels)
        self._kept: Images | None = None
        if count * prod(shape) * 4 <= KEPT:
            self._kept = np.empty((count, *shape), np.float32)
        self._have = np.zeros(count, np.bool_)
        self._orders = lru_cache(maxsize=2)(self._order)

    @property
    def about(self) -> Data:
        """What a report says of it."""
        examples = self._examples
        return Data(
            origin=examples.origin,
            count=len(examples.labels),
            held_back=len(self.held_back),
            shape=self.shape,
            classes=len(np.unique(examples.labels)),
            notes=examples.notes,
        )

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a training step, which counts from 0.

        An epoch is a random order of what is not held back, cut into whole batches;
        the rest of it is left out, since batch norm and times depend on the size.
        """
        whole = len(self.trained_on) // size
        if not whole:
            raise ResgenError(
                f"{self._examples.origin}: {len(self.trained_on):,} examples to learn "
                f"from are too few for a batch of {size:,}",
                hint="take a smaller batch",
            )
        epoch, place = divmod(step, whole)
        return self._of(self._orders(epoch)[place * size : (place + 1) * size])

    def tested(self, size: int) -> Iterator[Batch]:
        """Everything that was held back, ``size`` at a time."""
        for begin in range(0, len(self.held_back), size):
            yield self._of(self.held_back[begin : begin + size])

    def halves(self) -> tuple[Dataset, Dataset]:
        """The same twice, each with every other of each class that was held back.

        By one a choice is made, by the other what was chosen is judged: the largest of
        many shares is too large for what it was chosen by.
        """
        labels = self._examples.labels[self.held_back]
        by_class = self.held_back[np.argsort(labels, kind="stable")]
        if len(by_class) < 2:
            raise ResgenError(
                f"{self._examples.origin}: one example held back is too few to choose "
                "by some and to judge by others"
            )
        made = copy(self), copy(self)
        for begin, half in enumerate(made):
            half.held_back = np.sort(by_class[begin::2])
        return made

    def require(self, graph: Graph) -> None:
        """Refuse a network that cannot learn from it beside the first."""
        (given,) = graph.inputs
        if given.type.shape != self.shape:
            raise ResgenError(
                f"{graph.name} takes {given.type}, and the first network "
                f"{sized(self.shape)}: side by side they learn from the same inputs"
            )
        values = dict(graph.outputs)
        name, classes = self.scores.name, self.scores.classes
        found = graph.types.get(values.get(name, ""))
        if found is None or found.shape != (classes,):
            what = "has no such output" if found is None else f"gives N x {found}"
            raise ResgenError(
                f'the first network tells N x {classes} classes by "{name}", and '
                f"{graph.name} {what}"
            )

    def _order(self, epoch: int) -> Indices:
        return np.random.default_rng((self._seed, epoch)).permutation(self.trained_on)

    def _of(self, indices: Indices) -> Batch:
        take, labels = self._examples.take, self._examples.labels[indices]
        if self._kept is None:
            return Batch(np.stack([take(int(i)) for i in indices]), labels)
        for i in indices[~self._have[indices]]:
            self._kept[i] = take(int(i))
            self._have[i] = True
        return Batch(self._kept[indices], labels)


def split(labels: Labels, seed: int) -> tuple[Indices, Indices]:
    """Indices to learn from and to hold back, each class in the same proportion.

    A class of two to seven examples gives one, a single example is learned from.
    """
    rng = np.random.default_rng(seed)
    held = []
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        held.append(own[: max(round(len(own) / HELD_BACK), int(len(own) > 1))])
    back = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(labels)), back)
    return rest, back
