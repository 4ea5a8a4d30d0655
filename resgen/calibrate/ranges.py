"""How far each value of a network reaches, as ONNX Runtime computes it.

The float32 network gives out every value in question, a few inputs at a time. Either
the least and greatest are taken, or those that all but a small share of the numbers
keep within, read off a histogram that a second pass fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.lower.onnx import write
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
    with opened(graph, weights, values) as session:
        size = _batch(graph, values)
        found = dict.fromkeys(values, (np.inf, -np.inf))
        done = 0
        for batch in samples.batches(size):
            reached = {
                value: (float(array.min()), float(array.max()))
                for value, array in session.run(batch).items()  # held by nobody else
            }
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
            found = _percentiles(session, samples, size, found, progress)
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
        path = Path(folder) / "model.onnx"
        # Weights beside the model are mapped, and not read into memory twice.
        write(showing(graph, values), weights, path, limit=0)
        with OnnxRuntimeSession(path, optimize=optimize) as session:
            yield Opened(session, graph.inputs[0].name, values)


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
