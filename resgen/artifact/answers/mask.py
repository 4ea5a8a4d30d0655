"""A map of scores: the class of every place of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from resgen.artifact.answers.base import Found, Question
from resgen.pictures.draw import captioned, colours, overlaid
from resgen.pictures.preprocess import Box
from resgen.runtime.base import Array

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Area(Found):
    """A class with its share of what the network sees of the picture."""

    share: float

    @property
    def part(self) -> float:
        return self.share


@dataclass(frozen=True, slots=True)
class Mask:
    """The classes that are present, the largest first.

    ``mask`` holds the class of every place of the picture, (height, width) in its own
    pixels; -1 where the network does not see it.
    """

    KEY: ClassVar[str] = "classes"
    found: tuple[Area, ...]
    mask: Array

    @classmethod
    def read(cls, outputs: Mapping[str, Array], asked: Question) -> Mask:
        """The class of the largest score at each place; of equals the first."""
        scores = outputs[asked.output]
        mask = laid(scores.argmax(0), asked.size, asked.seen)
        counts = np.bincount(mask[mask >= 0], minlength=len(scores))
        order = np.argsort(-counts, kind="stable")[: asked.top].tolist()
        present = [i for i in order if counts[i]]
        shares = counts / counts.sum()
        classes = len(scores)
        return cls(
            tuple(Area(i, asked.label(i, classes), float(shares[i])) for i in present),
            mask,
        )

    def drawn(self, picture: Image) -> Image:
        """The picture under the classes that are told, and which colour is which."""
        shown = colours(each.index for each in self.found)
        legend = [(each.caption, shown[each.index]) for each in self.found]
        return captioned(overlaid(picture, self.mask, shown), legend)


def tells_mask(
    shape: Sequence[int], given: Sequence[int], labels: Sequence[str] | None
) -> bool:
    """Whether an output is a map of two classes or more over the input.

    It has the input's height and width. A coarser one may be features as well, so it
    has to have as many channels as there are ``labels``.
    """
    if not is_map(shape, given) or shape[0] < 2:
        return False
    return shape[1:] == given[1:] or (labels is not None and len(labels) == shape[0])


def is_map(shape: Sequence[int], given: Sequence[int]) -> bool:
    """Whether both axes of a map are the same whole part of the input's."""
    if not len(shape) == len(given) == 3:
        return False
    (height, width), (down, across) = given[1:], shape[1:]
    return height % down == 0 and height * across == width * down


def laid(cells: Array, size: tuple[int, int], seen: Box) -> Array:
    """The cell of an input's map at each pixel of the picture, by the nearest centre.

    ``size`` is (width, height) of the picture; what lies outside of ``seen`` is -1.
    """
    at = []
    for axis in (0, 1):  # across, down
        count, n = size[axis], cells.shape[1 - axis]
        middle = (np.arange(count) + 0.5) / count
        share = (middle - seen[axis]) / (seen[axis + 2] - seen[axis])
        at.append(np.floor(share * n).astype(np.int64))
    across, down = at
    inside = ((down >= 0) & (down < cells.shape[0]))[:, None] & (
        (across >= 0) & (across < cells.shape[1])
    )
    small = cells.astype(np.int32)  # of a large picture the cells are many
    picked = small.take(down, 0, mode="clip").take(across, 1, mode="clip")
    return np.where(inside, picked, np.int32(-1))
