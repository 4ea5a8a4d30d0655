"""A network as initialised: one forward and backward pass over real inputs."""

from __future__ import annotations

from math import isfinite
from typing import Final

import numpy as np

from resgen.diagnosis.data.dataset import Batch, Dataset
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
    from resgen.diagnosis.training.learner import loss_of, seed_noise
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


#: Noise that makes a neighbour, in standard deviations of the input itself.
DISTANCE: Final = 0.1


def neighbours(batch: Batch, *, seed: int = 0) -> Batch:
    """The first half of a batch, followed by a neighbour of each: x + 0.1 s(x) noise.

    Gradients of neighbours that point elsewhere are shattered: Balduzzi et al. 2017,
    "The Shattered Gradients Problem: If resnets are the answer, then what is the
    question?", who look at grids of inputs. s is the standard deviation over the
    elements of one input, the noise is normal. Labels are those of the originals; an
    odd batch loses its last.
    """
    half = len(batch.labels) // 2
    images, labels = batch.images[:half], batch.labels[:half]
    noise = np.random.default_rng(seed).standard_normal(images.shape, np.float32)
    axes = tuple(range(1, images.ndim))
    scale = np.float32(DISTANCE) * images.std(axis=axes, keepdims=True)
    near = images + scale * noise
    return Batch(np.concatenate([images, near]), np.concatenate([labels, labels]))
