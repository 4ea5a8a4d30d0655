"""Linear maps along an axis, and products of matrices that both flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from resgen.lower.emitted import Constant, Unwritable, constant
from resgen.lower.litert.nodes.elementwise import Write, scaled, tensor
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer


def mapped(to: Writer, x: Tensor, weight: Constant, bias: Constant | None,
            axis: int = 1) -> Tensor:  # fmt: skip
    """A linear map along an axis; ``weight`` is outputs by inputs."""
    if x.at(axis) == len(x.order) - 2 and len(x.order) == 3:
        return _from_left(to, x, weight, bias, axis)
    rest = [a for a in x.order if a != axis]
    x = to.ordered(x, (*rest, axis))
    weight = weight.taken(x.places.get(axis), 1)
    shape = tuple(weight.shape[0] if a == axis else n for a, n in enumerate(x.shape))
    return to.add(
        "FULLY_CONNECTED",
        [x, *to.weights(x, weight, bias)],
        shape,
        x.order,
        version=5 if len(x.shape) > 2 else 1,
        options="FullyConnected",
        keepNumDims=len(x.shape) > 2,
        places={a: p for a, p in x.places.items() if a != axis},
    )


def _from_left(to: Writer, x: Tensor, weight: Constant, bias: Constant | None,
               axis: int) -> Tensor:  # fmt: skip
    """The same along the last axis but one, which a matrix from the left maps."""
    rows = weight.taken(x.places.get(axis), 1)
    shape = tuple(weight.shape[0] if a == axis else n for a, n in enumerate(x.shape))
    y = to.add(
        "BATCH_MATMUL", [to.constant(rows.reshaped((1, *rows.shape))), x],
        shape, x.order, options="BatchMatMul",
        places={a: p for a, p in x.places.items() if a != axis},
    )  # fmt: skip
    return y if bias is None else tensor(scaled(to, y, axis, None, bias))


def _gemm(to: Writer, x: Value, w: Value, b: Value | None = None, *, transB: int = 0
          ) -> Tensor:  # fmt: skip
    weight = constant(w, "weight")
    weight = weight if transB else weight.transposed((1, 0))
    bias = None if b is None else constant(b, "bias")
    return mapped(to, tensor(x), weight, bias)


def _matmul(to: Writer, a: Value, b: Value) -> Tensor:
    x = tensor(a)
    rank = len(x.shape)
    if isinstance(b, Constant) and len(b.shape) == 2:
        return mapped(to, x, b.transposed((1, 0)), None, axis=rank - 1)
    y = tensor(b)
    if len(y.shape) != rank:
        raise Unwritable("matrices of unlike rank")
    x, y = to.plain(x), to.plain(y)
    lead = tuple(range(rank - 2))
    straight = (*lead, rank - 2, rank - 1)
    turned = (*lead, rank - 1, rank - 2)
    sides = []
    for side in (x, y):
        if side.order not in (straight, turned):
            # Heads lie between, and are all that has to be moved.
            forward = side.at(rank - 2) < side.at(rank - 1)
            side = to.ordered(side, straight if forward else turned)
        sides.append(side)
    shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
    flips = [side.order == turned for side in sides]
    order = straight
    if flips[1]:  # the product of both turned is the product turned
        order, sides = turned, sides[::-1]
        flips = [not flip for flip in flips[::-1]]
    return to.add(
        "BATCH_MATMUL", sides, shape, order,
        options="BatchMatMul", adjX=flips[0], adjY=flips[1],
    )  # fmt: skip


NODES: Final[Mapping[str, Write]] = {"Gemm": _gemm, "MatMul": _matmul}
