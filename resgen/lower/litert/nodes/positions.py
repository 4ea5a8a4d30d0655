"""Two axes of positions, which LiteRT computes over, and what changes their size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from resgen.lower.channels_last import last
from resgen.lower.emitted import Unwritable, integers
from resgen.lower.litert.nodes.axes import gathered
from resgen.lower.litert.nodes.elementwise import Write, tensor
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer


def widened(to: Writer, x: Tensor) -> Tensor:
    """With two axes of positions, channels last; one axis gets another of size 1."""
    rank = len(x.shape)
    if rank == 4:
        return to.ordered(x, last(4))
    if rank == 3:
        wide = to.ordered(x, last(3))
        shape = (*wide.shape[:2], 1, wide.shape[2])
        return to.laid(wide, shape, last(4), wide.places)
    raise Unwritable(
        f"LiteRT has it for one or two axes of positions, not for {rank - 2}"
    )


def narrowed(to: Writer, y: Tensor, rank: int) -> Tensor:
    """Without the axis that :func:`widened` added."""
    if rank == 4:
        return y
    return to.laid(y, (*y.shape[:2], y.shape[3]), last(3), y.places)


def _space_to_depth(to: Writer, x: Value, *, blocksize: int) -> Tensor:
    """Rows of the squares are moved, since XNNPACK has no SPACE_TO_DEPTH."""
    given = to.plain(widened(to, tensor(x)), 1)
    batch, channels, *sizes = given.shape
    high, wide = (n // blocksize for n in sizes)
    split = (batch * high, blocksize, wide, blocksize * channels)
    rows = to.ordered(to.laid(given, split, range(4), {}), (0, 2, 1, 3))
    return to.laid(rows, (batch, channels * blocksize**2, high, wide), last(4), {})


def depth_to_space(
    to: Writer, x: Value, *, blocksize: int, mode: str = "DCR"
) -> Tensor:
    """LiteRT has the places of a square first, and the channels of each after them."""
    given = widened(to, tensor(x))
    batch, channels, *sizes = given.shape
    area = blocksize**2
    wanted = np.arange(channels)
    if mode == "CRD":
        wanted = wanted.reshape(-1, area).T.ravel()
    told = tuple(map(int, wanted))
    if given.places.get(1, tuple(range(channels))) != told:
        given = gathered(to, to.plain(given, 1), 1, told)
    shape = (batch, channels // area, *(n * blocksize for n in sizes))
    return to.add("DEPTH_TO_SPACE", [given], shape, last(4), options="DepthToSpace",
                  blockSize=blocksize, positive=given.positive)  # fmt: skip


def _resize(to: Writer, x: Value, *rest: Value | None, mode: str = "nearest",
            coordinate_transformation_mode: str = "half_pixel", **more: Any
            ) -> Tensor:  # fmt: skip
    given = widened(to, tensor(x))
    sizes = integers(rest[-1])
    if len(sizes) != 4:
        raise Unwritable("LiteRT resizes two axes of positions")
    if mode not in ("nearest", "linear"):
        raise Unwritable(f"LiteRT resizes by nearest and linear, not by {mode}")
    code, options = ("RESIZE_BILINEAR", "ResizeBilinear")
    if mode == "nearest":
        code, options = ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighbor")
    kind = coordinate_transformation_mode
    return to.add(
        code, [given, to.integer(*sizes[2:])],
        (*given.shape[:2], *sizes[2:]), last(4),
        version=3, options=options, places=given.places, positive=given.positive,
        alignCorners=kind == "align_corners", halfPixelCenters=kind == "half_pixel",
    )  # fmt: skip


NODES: Final[Mapping[str, Write]] = {
    "SpaceToDepth": _space_to_depth, "DepthToSpace": depth_to_space,
    "Resize": _resize,
}  # fmt: skip
