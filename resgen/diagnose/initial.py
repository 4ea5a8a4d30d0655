"""A network as initialised: one forward and backward pass over real inputs."""

from __future__ import annotations

from math import isfinite

from resgen.diagnose.data.dataset import Dataset
from resgen.diagnose.data.neighbours import neighbours
from resgen.diagnose.record import Moment, Part
from resgen.graph.ir import Graph


def at_start(
    graph: Graph, parts: tuple[Part, ...], dataset: Dataset, *, seed: int, batch: int
) -> Moment:
    """What is seen of the parts before the first step, with the weights of ``seed``.

    The batch is the first that training takes, its second half replaced by neighbours
    of the first half, since gradients of neighbours tell whether they shatter.
    """
    from resgen.diagnose.seen.observer import Observer
    from resgen.diagnose.training.passes import loss_of, seed_noise
    from resgen.lower.torch import to_torch

    module = to_torch(graph, seed=seed)
    near = neighbours(dataset.batch(0, batch))
    seed_noise(seed, 0)
    paths = [part.path for part in parts]
    with Observer(module, paths, thorough=True, pairs=True, seed=seed) as seen:
        loss = loss_of(module, near, dataset.scores.name)
        loss.backward()  # type: ignore[no-untyped-call]
    value = float(loss.detach())
    return Moment(0, value if isfinite(value) else None, seen.measures())
