"""How far each value of a network reaches, as ONNX Runtime computes it.

The float32 network finds the least and greatest number of every value in question
itself, a few inputs at a time, so that no value is held longer than the network needs
it. Where all but a small share of the numbers are to count, a second pass gives out the
values, and fills a histogram that this is read off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.lower.onnx import write
from resgen.onnxfile.ends import reduce_outputs
from resgen.runtime.base import Array, Session
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import Weights

Method = Literal["minmax", "percentile"]
#: The least and greatest number of each value.
Ranges = Mapping[str, tuple[float, float]]
#: How much of a value's numbers a percentile range covers, as in Wu et al. 2020
#: (arXiv:2004.09602, section 3.1), which found 99.99 or more best for most networks.
COVERED: Final = 0.9999
#: Bins of a histogram between the least and the greatest.
BINS: Final = 4096
#: How many numbers of activations are held at once (32 MB): more takes memory, and in
#: ResNet-50 no less time.
HELD: Final = 8_000_000
#: The most inputs that run at once.
BATCH: Final = 8
#: What a value is reduced to; a sum is no number where any of its numbers is none.
_REDUCED: Final = ("ReduceMin", "ReduceMax", "ReduceSum")

Progress = Callable[[int, int], None]


def observe(
    graph: Graph,
    weights: Weights,
    values: Sequence[str],
    samples: Samples,
    *,
    method: Method = "minmax",
    progress: Progress = lambda done, total: None,
) -> Ranges:
    """The range of each of these values of ``graph`` over the samples.

    ``graph`` computes in float32. ``progress`` is told how many inputs of how many
    have run. A value that is not finite is a :class:`~resgen.errors.ResgenError`.
    """
    passes = 2 if method == "percentile" else 1
    total = passes * samples.count
    size = _batch(graph, values)
    found = dict.fromkeys(values, (np.inf, -np.inf))
    done = 0
    with _reduced(graph, weights, values) as reduced:
        for batch in samples.batches(size):
            reached = reduced.run(batch)
            for value, (least, greatest) in found.items():
                low, high = reached[value]
                if not (np.isfinite(low) and np.isfinite(high)):
                    raise ResgenError(
                        f"{value} of {graph.name} is not finite on these weights and "
                        f"inputs, so nothing can be calibrated",
                        hint="are these the weights of this network?",
                    )
                found[value] = min(least, low), max(greatest, high)
            done = min(done + size, samples.count)
            progress(done, total)
    if method == "percentile":
        with opened(graph, weights, values) as session:
            return _percentiles(session, samples, size, found, progress)
    return found


class Opened:
    """A network that gives out values by name, its input's included."""

    def __init__(self, session: Session, given: str, values: Sequence[str]) -> None:
        self.name = session.name
        self._session = session
        self._given = given
        self._values = values

    def run(self, batch: Array) -> dict[str, Array]:
        """The values for a batch of inputs."""
        found = self._session.run({self._given: batch})
        values = {v: found[_shown(v)] for v in self._values if v != self._given}
        return {**values, self._given: batch}


class Reduced:
    """A network that tells how far its values reach, and gives none of them out."""

    def __init__(self, session: Session, given: str, values: Sequence[str]) -> None:
        self._session = session
        self._given = given
        self._values = values

    def run(self, batch: Array) -> dict[str, tuple[float, float]]:
        """The least and the greatest of each value; not a number where one is none."""
        found = self._session.run({self._given: batch})
        reached = {self._given: (float(batch.min()), float(batch.max()))}
        for value in self._values:
            if value != self._given:
                least, greatest, total = (
                    float(found[f"{_shown(value)}/{kind}"]) for kind in _REDUCED
                )
                # What a comparison makes of one that is no number is not defined.
                ends = (total, total) if np.isnan(total) else (least, greatest)
                reached[value] = ends
        return reached


def showing(graph: Graph, values: Sequence[str]) -> Graph:
    """The graph with these values as its outputs."""
    (given,) = graph.inputs
    shown = tuple((_shown(v), v) for v in values if v != given.name)
    return replace(graph, outputs=shown or graph.outputs)


def _shown(value: str) -> str:
    """The name that a value is given out by: its own may be a parameter's too."""
    return f"{value}/shown"


@contextmanager
def opened(
    graph: Graph, weights: Weights, values: Sequence[str], *, optimize: bool = True
) -> Iterator[Opened]:
    """The graph in ONNX Runtime, giving out these of its values."""
    with temporary_folder() as folder:
        path = folder / "model.onnx"
        # Weights beside the model are mapped, and not read into memory twice.
        write(showing(graph, values), weights, path, limit=0)
        with OnnxRuntimeSession(path, optimize=optimize) as session:
            yield Opened(session, graph.inputs[0].name, values)


@contextmanager
def _reduced(
    graph: Graph, weights: Weights, values: Sequence[str]
) -> Iterator[Reduced]:
    """The graph in ONNX Runtime, telling of these of its values."""
    with temporary_folder() as folder:
        path = folder / "model.onnx"
        write(showing(graph, values), weights, path, limit=0)
        reduce_outputs(path, _REDUCED)
        # Out of blocks of channels every value would have to be put before it is read.
        with OnnxRuntimeSession(path, in_order=True, blocked=False) as session:
            yield Reduced(session, graph.inputs[0].name, values)


def _batch(graph: Graph, values: Sequence[str]) -> int:
    """How many inputs to run at once, so that memory stays bounded."""
    numbers = sum(graph.types[value].size for value in values)
    return max(1, min(BATCH, HELD // max(numbers, 1)))


def _percentiles(
    session: Opened,
    samples: Samples,
    size: int,
    found: Ranges,
    progress: Progress,
) -> dict[str, tuple[float, float]]:
    counts = {value: np.zeros(BINS, np.int64) for value in found}
    done = samples.count
    for batch in samples.batches(size):
        arrays = session.run(batch)
        for value in found:
            counts[value] += np.histogram(arrays[value], BINS, found[value])[0]
        done = min(done + size, 2 * samples.count)
        progress(done, 2 * samples.count)
    return {value: _covering(counts[value], *found[value]) for value in found}


def _covering(count: Array, least: float, greatest: float) -> tuple[float, float]:
    """The range that covers all but the rarest numbers at either end."""
    beyond = (1 - COVERED) / 2 * count.sum()
    edges = np.linspace(least, greatest, BINS + 1)
    below = int(np.searchsorted(np.cumsum(count), beyond, "right"))
    above = int(np.searchsorted(np.cumsum(count[::-1]), beyond, "right"))
    return float(edges[below]), float(edges[BINS - above])
