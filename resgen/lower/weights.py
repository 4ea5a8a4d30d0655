"""Weights by parameter name, and the numbers that operands come to.

Operands are computed in float64 and rounded once to float32, so that a folded weight is
the float32 nearest to what its expression says. Arithmetic runs in ufuncs that widen
their inputs piecewise: no float64 copy of a large weight is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from resgen.graph.ir import Graph
from resgen.ops.types import Apply, Operand, Ref

Array = NDArray[Any]
#: Arrays by parameter name: float32, and int64 for ``num_batches_tracked``.
Weights = Mapping[str, Array]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """What an :class:`Apply` may name.

    ``compute`` takes arrays and scalars; ``shape`` takes the same arguments with every
    array's shape in its place, and says what the result's will be.
    """

    compute: Callable[..., Array]
    shape: Callable[..., Shape]


def _broadcast(*args: Shape | float) -> Shape:
    return np.broadcast_shapes(*(arg for arg in args if isinstance(arg, tuple)))


def _same(shape: Shape, *_: float) -> Shape:
    return shape


def _per_output(shape: Shape, rank: int) -> Shape:
    return (*shape, *(1,) * (rank - 1))


def _reshape(_: Shape, *shape: int) -> Shape:
    return shape


def _standardize(weight: Array, eps: float) -> Array:
    """Each output's weights at mean 0, variance 1; Qiao et al. 2019, as timm does it.

    The variance is the biased one, and ``eps`` is added to it.
    """
    axes = tuple(range(1, weight.ndim))
    centred: Array = weight - weight.mean(axis=axes, dtype=np.float64, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    centred /= np.sqrt(variance + eps)
    return centred


def _in_float64(ufunc: np.ufunc) -> Callable[..., Array]:
    return partial(ufunc, dtype=np.float64)


#: Every function that an operand may apply; see :class:`resgen.ops.types.Apply`.
FUNCTIONS: Final[Mapping[str, Function]] = {
    "add": Function(_in_float64(np.add), _broadcast),
    "subtract": Function(_in_float64(np.subtract), _broadcast),
    "multiply": Function(_in_float64(np.multiply), _broadcast),
    "divide": Function(_in_float64(np.divide), _broadcast),
    "sqrt": Function(_in_float64(np.sqrt), _same),
    "zeros_like": Function(lambda x: np.zeros(x.shape), _same),
    "per_output": Function(
        lambda x, rank: x.reshape(_per_output(x.shape, rank)), _per_output
    ),
    "standardize": Function(_standardize, _same),
    "reshape": Function(lambda x, *shape: x.reshape(shape), _reshape),
}


def evaluate(operand: Operand, weights: Weights) -> Array:
    """The float32 array that an operand comes to.

    Computed in float64 and rounded once; a plain reference is the array itself.
    """
    if isinstance(operand, Ref):
        return weights[operand.name]
    exact: Array = _compute(operand, weights)
    return exact.astype(np.float32)


def _compute(operand: Operand | float, weights: Weights) -> Any:
    if isinstance(operand, Ref):
        return weights[operand.name]
    if isinstance(operand, Apply):
        args = (_compute(arg, weights) for arg in operand.args)
        return FUNCTIONS[operand.function].compute(*args)
    return operand


def shape_of(operand: Operand, graph: Graph) -> Shape:
    """The shape of what an operand comes to, known without weights."""
    if isinstance(operand, Ref):
        return graph.parameter[operand.name].shape
    args = (
        shape_of(arg, graph) if isinstance(arg, Ref | Apply) else arg
        for arg in operand.args
    )
    return FUNCTIONS[operand.function].shape(*args)
