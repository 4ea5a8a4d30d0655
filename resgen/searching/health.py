"""The health of a network's gradients before its first step, as one number."""

from __future__ import annotations

from math import isfinite, log
from typing import Final

import numpy as np

from resgen.diagnosis.data.dataset import Dataset, Examples, Images
from resgen.diagnosis.diagnose import at_start, threads
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.verdict.figures import Figures
from resgen.diagnosis.verdict.findings import findings
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.graph.outputs import scores
from resgen.searching.scores import Score
from resgen.spec.model import Spec

#: Inputs of the one pass; half of them are neighbours of the others.
BATCH: Final = 32
#: The learning rate that a first step is judged at, as ``resgen diagnose`` takes it.
RATE: Final = 0.05


#: Inputs of noise that a network is judged by, as many of each class as of another.
INPUTS: Final = 5 * BATCH


def health(spec: Spec, graph: Graph, seed: int) -> Score:
    """How little stands in the way of training, on noise: see :func:`healthy`."""
    graph = graph.inference
    return healthy(graph, _noise(graph), seed=seed)


def healthy(graph: Graph, dataset: Dataset, *, seed: int = 0) -> Score:
    """How little stands in the way of training, by what ``resgen diagnose`` sees.

    One forward and backward pass over a batch, with the weights of ``seed``. ``fold``
    is how many times as far the loss moves by a change of the first block's output as
    by one of the last block's (see
    :attr:`~resgen.diagnosis.verdict.figures.Figures.reach`). The score is
    ``1 / (1 + |log fold|)`` less 1 for each finding: networks with fewer findings come
    first, and among them those whose gradient is nearest to equally strong in all
    blocks. That order is a convention of ours. ``details`` have the codes of the
    ``findings``, and ``fold``, None where it is not finite.

    Raises :class:`~resgen.errors.ResgenError` for a network that does not fit the data
    or has no parameters.
    """
    dataset.require(graph)
    parts = parts_of(graph)
    if not parts:
        raise ResgenError(f"{graph.name} has no parameters, so no gradients to judge")
    classes = dataset.scores.classes
    size = min(BATCH, len(dataset.trained_on))
    with threads(1):  # the processes of a search share the cores
        moment = at_start(graph, parts, dataset, seed=seed, batch=size)
    found = findings(parts, [moment], graph=graph, classes=classes, learning_rate=RATE)
    figures = Figures(graph, parts, moment, classes=classes, rate=RATE)
    rise = figures.rise(figures.reach, back=True)
    fold, even = None, 0.0
    if rise is not None and isfinite(rise.value) and rise.value > 0:
        fold = rise.value
        even = 1 / (1 + abs(log(fold)))
    codes = [one.code for one in found]
    return Score(even - len(codes), {"findings": codes, "fold": fold})


def _noise(graph: Graph) -> Dataset:
    """Inputs of N(0, 1), with classes that say nothing of them."""
    shape, told = graph.inputs[0].type.shape, scores(graph)

    def take(index: int) -> Images:
        return np.random.default_rng(index).standard_normal(shape, np.float32)

    labels = np.arange(INPUTS, dtype=np.int64) % min(told.classes, BATCH)
    return Dataset(Examples(take, labels, "noise", "noise"), shape, told)
