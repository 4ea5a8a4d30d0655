"""What a network is calibrated and judged on: pictures or arrays, a batch at a time.

Nothing is kept: each pass prepares the pictures anew, so memory does not grow with
their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resgen.errors import ResgenError
from resgen.files.arrays import read_arrays
from resgen.graph.ir import Graph
from resgen.pictures.find import photographs, pictures_of
from resgen.pictures.preprocess import prepare, read
from resgen.pictures.words import takes_pictures
from resgen.runtime.base import Array, describe
from resgen.spec.model import Preprocess

#: Inputs of noise where a network takes no pictures and none are given.
NOISE = 16


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs of one network, ``count`` of them, ``shape`` without the batch.

    ``origin`` says in words where they are from, and ``real`` whether somebody chose
    them for this network.
    """

    count: int
    origin: str
    real: bool
    take: Callable[[int], Array]

    def batches(self, size: int) -> Iterator[Array]:
        """All of them in order, ``size`` at a time (fewer in the last batch)."""
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            yield np.stack([self.take(i) for i in range(start, stop)])


def gather(
    source: Path | None, graph: Graph, preprocess: Preprocess, *, seed: int = 0
) -> Samples:
    """Samples from a folder of pictures or an ``.npz`` file; without one, stand-ins.

    An ``.npz`` holds one array of inputs, prepared already: float32, (N, *input). The
    stand-ins are the photographs that scikit-image ships, or noise. What does not fit
    the network, or cannot be read, is a :class:`~resgen.errors.ResgenError`.
    """
    (given,) = graph.inputs
    shape = given.type.shape
    if source is not None and source.suffix == ".npz":
        return _arrays(source, shape)
    takes = takes_pictures(preprocess, shape)
    if source is not None and not takes:
        raise ResgenError(
            f"the input of {graph.name} is no picture, so a folder of them cannot "
            "calibrate it",
            hint="an .npz file with an array of inputs can",
        )
    paths = photographs() if source is None else pictures_of(source)
    if takes and paths:
        origin = f"{len(paths)} photographs that scikit-image ships"
        if source is not None:
            origin = f"{len(paths)} images of {source.name}"
        return Samples(
            len(paths),
            origin,
            source is not None,
            lambda i: prepare(read(paths[i]), preprocess, shape),
        )

    def noise(i: int) -> Array:
        return np.random.default_rng((seed, i)).standard_normal(shape, np.float32)

    return Samples(NOISE, f"{NOISE} inputs of noise", False, noise)


def _arrays(path: Path, shape: tuple[int, ...]) -> Samples:
    arrays = read_arrays(path)
    if "" in arrays:
        raise ResgenError(
            f"{path} cannot be read as an .npz file: it is a lone array",
            hint="numpy.savez writes one",
        )
    fitting = [
        a for a in arrays.values() if a.shape[1:] == shape and a.dtype.kind in "fiu"
    ]
    if len(fitting) != 1 or not len(fitting[0]):
        found = ", ".join(
            f"{n}: {a.dtype}, {describe(a.shape)}" for n, a in arrays.items()
        )
        raise ResgenError(
            f"{path} holds {found or 'nothing'}; wanted is one array of numbers, "
            f"N x {describe(shape)}",
        )
    with np.errstate(over="ignore"):  # it is told below
        array = fitting[0].astype(np.float32)
    if not np.isfinite(array).all():
        raise ResgenError(f"{path} holds numbers that are not finite")
    return Samples(len(array), f"{len(array)} inputs of {path.name}", True,
                   lambda i: array[i])  # fmt: skip
