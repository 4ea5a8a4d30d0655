"""A network as initialised: one forward and backward pass over real inputs."""

from __future__ import annotations

from math import isfinite

from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.neighbours import neighbours
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Moment, Part


def at_start(
    graph: Graph, parts: tuple[Part, ...], dataset: Dataset, *, seed: int, batch: int
) -> Moment:
    """What is seen of the parts before the first step, with the weights of ``seed``.

    The batch is the first that training takes, its second half replaced by neighbours
    of the first half, since gradients of neighbours tell whether they shatter.
    """
    from resgen.diagnosis.seen.observer import Observer
    from resgen.diagnosis.training.passes import loss_of, seed_noise
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
