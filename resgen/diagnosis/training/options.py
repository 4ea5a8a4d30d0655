"""How networks are trained side by side, and which."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, Final

from resgen.graph.ir import Graph

if TYPE_CHECKING:
    import torch

    from resgen.weights.evaluate import Weights

#: Of stochastic gradient descent; He et al. 2015, section 4.2, use 0.9 and 1e-4. The
#: weight decay is that of Zagoruyko and Komodakis 2016, usual for CIFAR since.
MOMENTUM: Final = 0.9
WEIGHT_DECAY: Final = 5e-4
#: How often held-back data are looked at in a run, the end included.
EVALUATIONS: Final = 8
#: How often gradients are recorded in a run.
MOMENTS: Final = 20


@dataclass(frozen=True, slots=True)
class Trainee:
    """A network that is trained from every seed; ``paths`` are its parts' modules.

    ``name`` tells it from those beside it, in files as well. It begins with ``weights``
    where these are given; a ``teacher``, in inference mode, gives scores that it learns
    beside the classes.
    """

    name: str
    graph: Graph
    paths: tuple[str, ...]
    weights: Weights | None = None
    teacher: torch.nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What is the same for all networks: ``rate`` is the learning rate.

    It is constant, or ``annealed``: it falls to 0 along half a cosine (Loshchilov and
    Hutter 2017).
    ``steps`` are those of training. ``threads`` are those of one operator, which decide
    the order of sums, and so their last digits. ``device`` is where they train
    (``cuda:0``), with ``mixed`` in bfloat16 where that is safe for a sum (autocast):
    weights, their momentum and the loss stay float32, and so does what is evaluated.
    """

    steps: int = 0
    seeds: tuple[int, ...] = (0,)
    batch: int = 64
    rate: float = 0.05
    threads: int = 1
    annealed: bool = False
    device: str = "cpu"
    mixed: bool = False

    def rate_at(self, done: int) -> float:
        """The learning rate of the step after so many."""
        if not self.annealed:
            return self.rate
        return self.rate * (1 + cos(pi * done / self.steps)) / 2

    def evaluated(self, done: int) -> bool:
        """Whether held-back data are looked at after so many steps."""
        return self._falls_on(done, EVALUATIONS)

    def recorded(self, done: int) -> bool:
        """Whether the step after so many is recorded; the first never is.

        The network as initialised is looked at more closely than here.
        """
        return self._falls_on(done, MOMENTS)

    def _falls_on(self, done: int, times: int) -> bool:
        """Whether it is one of ``times`` even parts of the run that ends there."""
        before, now = (n * times // self.steps for n in (max(done - 1, 0), done))
        return now > before
