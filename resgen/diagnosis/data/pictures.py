"""From pictures of any size to inputs, and in words what was done to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.pictures.words import takes_pictures
from resgen.runtime.base import describe
from resgen.spec.model import Preprocess

#: Of a resized picture less than this share of its area left after the crop is told.
LEAST: Final = 0.5


def require_pictures(graph: Graph, preprocess: Preprocess, what: str) -> None:
    """Refuse pictures for a network whose input cannot be one."""
    (given,) = graph.inputs
    shape = given.type.shape
    if not takes_pictures(preprocess, shape):
        raise ResgenError(
            f"the input of {graph.name}, {describe(shape)}, is no {preprocess.color} "
            f"picture, so it cannot learn from {what}",
            hint=f"--data FILE.npz gives it an array x of N x {describe(shape)} and an "
            "array y of N labels",
        )


def resizing(
    sizes: Collection[tuple[int, int]], preprocess: Preprocess, shape: tuple[int, ...]
) -> Iterator[str]:
    """Notes on how pictures of these sizes (width, height) become inputs; maybe none.

    The steps are those of :func:`resgen.pictures.preprocess.prepare`.
    """
    height, width = shape[1:]
    straight = preprocess.resize is None and preprocess.crop is None
    if straight and set(sizes) <= {(width, height)}:
        return
    steps = []
    side = preprocess.resize
    if side is not None:
        steps.append(f"the shorter side to {side}")
    crop = (height, width)
    if preprocess.crop is not None:
        crop = (preprocess.crop, preprocess.crop)
    if not straight:
        steps.append(f"the middle {describe(crop)}")
    if crop != (height, width) or straight:
        steps.append(f"to {describe((height, width))}")
    smooth = ", antialiased" if preprocess.antialias else ""
    was = describe(next(iter(sizes))[::-1]) if len(sizes) == 1 else "various sizes"
    yield (
        f"pictures of {was} resized as preprocess says: {', then '.join(steps)} "
        f"({preprocess.interpolation}{smooth})"
    )
    if side is not None and crop[0] * crop[1] < LEAST * side * side:
        yield (
            f"the crop leaves {100 * crop[0] * crop[1] / side**2:.2g} % of a square "
            'picture; "resize": null in preprocess would keep all of it'
        )
