"""What a network is verified on: photographs as its spec prepares them, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resgen.graph.ir import Graph
from resgen.graph.sizes import total_stride
from resgen.pictures.preprocess import prepare, read
from resgen.pictures.words import takes_pictures
from resgen.runtime.base import Array
from resgen.spec.model import Preprocess


@dataclass(frozen=True, slots=True)
class Inputs:
    """Batches of inputs; ``pictures`` of them are real, ``random`` are noise.

    ``resized`` is one more, noise of another height and width, for a file that takes
    any.
    """

    name: str
    batches: tuple[Array, ...]
    pictures: int
    random: int
    resized: Array | None = None

    @property
    def feeds(self) -> list[dict[str, Array]]:
        """What a session takes, a batch each."""
        extra = () if self.resized is None else (self.resized,)
        return [{self.name: batch} for batch in (*self.batches, *extra)]

    @property
    def ends(self) -> Array:
        """The first and the last, a picture and noise where there are both."""
        return np.concatenate([self.batches[0][:1], self.batches[-1][-1:]])


def gather(
    graph: Graph,
    preprocess: Preprocess,
    batches: Sequence[int],
    images: Sequence[Path],
    seed: int,
    *,
    resized: bool,
) -> Inputs:
    """Batches of these sizes, of ``images`` as far as they go and one that is noise.

    ``resized`` adds an input that is larger by an odd number.

    Noise is normal with mean 0 and variance 1, as pictures are once they are
    normalised, but without their smoothness. An input that is no picture gets noise
    alone. An image that cannot be read is a :class:`~resgen.errors.ResgenError`.
    """
    (given,) = graph.inputs
    shape = given.type.shape
    total = sum(batches)
    paths = images if takes_pictures(preprocess, shape) else ()
    # The last is noise, unless there is only one and a picture for it.
    pictures = min(len(paths), max(total - 1, 1))
    real = [prepare(read(path), preprocess, shape) for path in paths[:pictures]]
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((total - pictures, *shape), np.float32)
    other = None
    if resized:
        more = total_stride(graph) // 2 + 1
        sizes = (n + more - (axis == 0) for axis, n in enumerate(shape[1:]))
        other = generator.standard_normal((1, shape[0], *sizes), np.float32)
    whole = np.concatenate([*(picture[None] for picture in real), noise])
    ends = np.cumsum(batches)[:-1]
    parts = tuple(np.split(whole, ends))
    count = total - pictures + (other is not None)
    return Inputs(given.name, parts, pictures, count, other)
