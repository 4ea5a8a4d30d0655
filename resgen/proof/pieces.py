"""Large maps judged a piece at a time.

Attention by products has maps of a hundred megabytes. What is computed of these in one
step goes through memory that the system hands out and takes back, page by page, which
takes several times as long as the arithmetic. A piece stays in the cache, and so do
all the steps that judge it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Final

import numpy as np

from resgen.graph.ir import Node
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.dequantize import Dequantize
from resgen.ops.multiply import Multiply
from resgen.ops.quantize import Quantize
from resgen.ops.reducing import Reduce
from resgen.ops.scalar_scale import ScalarScale
from resgen.ops.scale import Scale
from resgen.ops.softmax import Softmax
from resgen.runtime.base import Array

#: How many numbers a piece has, if it can be so small: 1 MB of float64.
PIECE: Final = 2**17
#: Operators that make each number of one of every input, with parameters for all.
_POINTWISE: Final = (Act, Add, Dequantize, Multiply, Quantize, ScalarScale, Scale)


def pieces(
    node: Node, inputs: Sequence[Array], found: Array
) -> Iterator[tuple[list[Array], Array]]:
    """What an operator was given and what it yielded, in pieces that belong together.

    That is all of it where it is small, where numbers depend on others in every axis,
    or where the result has a shape of its own, which is a fault.
    """
    free = _independent(node)
    small = max(x.size for x in (*inputs, found)) <= PIECE
    if small or not free or found.shape[1:] != node.type.shape:
        yield list(inputs), found
        return
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    # Cut along the first axes one by one, and along the last of these by several.
    last = next((i for i in range(free) if prod(shape[i + 1 :]) <= PIECE), free - 1)
    step = max(1, PIECE // prod(shape[last + 1 :]))
    for before in np.ndindex(shape[:last]):
        for start in range(0, shape[last], step):
            at = (*(slice(i, i + 1) for i in before), slice(start, start + step))
            yield [_cut(x, at) for x in inputs], found[at]


def _cut(x: Array, at: Sequence[slice]) -> Array:
    """A piece of an input, whose axes of size 1 are repeated."""
    sizes = zip(at, x.shape[: len(at)], strict=True)
    return x[tuple(s if n > 1 else slice(None) for s, n in sizes)]


def _independent(node: Node) -> int:
    """Along how many of the first axes, the batch included, no number needs others."""
    if isinstance(node.op, Reduce):
        return node.op.axes[0] + 1
    if isinstance(node.op, Softmax):
        return node.op.axis + 1
    if isinstance(node.op, Act) and node.operands:
        return 1  # its parameters are those of channels
    return 1 + node.type.rank if isinstance(node.op, _POINTWISE) else 0
