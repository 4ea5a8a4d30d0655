"""Weights by parameter name, and the numbers that operands come to.

Operands are computed in float64 and rounded once to the type that they are of, so that
a folded weight is the number nearest to what its expression says. Arithmetic runs in
ufuncs that widen their inputs piecewise: no float64 copy of a large weight is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.ops.types import (
    GREATEST_BIAS,
    LEAST_SCALES,
    RANGES,
    Apply,
    DType,
    Operand,
    Ref,
    references,
)

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


def _diagonal(vector: Array, columns: int, rank: int) -> Array:
    rows = np.arange(len(vector))
    made = np.zeros((len(vector), columns))
    made[rows, rows % columns] = vector
    return made.reshape(_on_diagonal(vector.shape, columns, rank))


def _on_diagonal(shape: Shape, columns: int, rank: int) -> Shape:
    return (*shape, columns, *(1,) * (rank - 2))


def _enlarge(weight: Array, *zeros: int) -> Array:
    axes = zip(zeros[: len(zeros) // 2], zeros[len(zeros) // 2 :], strict=True)
    return np.pad(weight, ((0, 0), (0, 0), *axes))


def _enlarged(shape: Shape, *zeros: int) -> Shape:
    axes = zip(
        shape[2:], zeros[: len(zeros) // 2], zeros[len(zeros) // 2 :], strict=True
    )
    return (*shape[:2], *(sum(axis) for axis in axes))


def _standardize(
    weight: Array, eps: float, gain: Array | None = None, factor: float = 1.0
) -> Array:
    """Each output's weights at mean 0, variance 1; Qiao et al. 2019, as timm does it.

    The variance is the biased one, and ``eps`` is added to it. With a gain by output
    they are scaled by ``gain * factor`` over the root of how many they are; Brock et
    al. 2021.
    """
    axes = tuple(range(1, weight.ndim))
    centred: Array = weight - weight.mean(axis=axes, dtype=np.float64, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    centred /= np.sqrt(variance + eps)
    if gain is not None:
        centred *= gain * (factor / sqrt(prod(weight.shape[1:])))
    return centred


def _cast(x: Array, dtype: str) -> Array:
    """Rounded to a type; a finite number that it cannot hold is not passed over."""
    with np.errstate(over="ignore"):  # it is told by name below
        found: Array = np.asarray(x).astype(np_dtype(dtype))
    if np.isfinite(x).all() and not np.isfinite(found.astype(np.float32)).all():
        reach = float(np.abs(x).max())
        raise OutOfRange(f"{dtype} cannot hold {reach:.3g}")
    return found


def _scale_of(weight: Array, greatest: float) -> Array:
    """By output; one whose weights are all zero gets 1, since 0 divides nothing."""
    rows = weight.reshape(len(weight), -1)
    # Without the magnitudes of all, which are as large as the weight.
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float64)
    return np.where(largest > 0, largest, greatest) / greatest


def _as_scale(x: Array, dtype: str) -> Array:
    """A scale in a type, never below what the type holds as a normal number.

    What is 0 or subnormal there divides by nothing, or by another number where a
    processor takes subnormal numbers for 0.
    """
    return _cast(np.maximum(x, LEAST_SCALES[dtype]), dtype)


def _fit_bias(scale: Array, step: Array, bias: Array) -> Array:
    """A weight's scale, raised until the bias fits 32 bits at ``scale * step``.

    ``step`` is the input's scale. The bias gets 31 bits, its sign included, since the
    products are added to it in 32; the scale of the bias is a normal float32 as well.
    """
    fits = np.abs(bias).astype(np.float64) / GREATEST_BIAS
    wide: Array = np.maximum(fits, LEAST_SCALES["float32"]) / np.float64(step)
    return np.maximum(scale, wide)


def _quantize(x: Array, scale: Array, dtype: str) -> Array:
    """By rows, a few at a time: what stays in a cache takes a third of the time."""
    least, greatest = RANGES[dtype]
    steps = np.broadcast_to(_wide(scale, x.ndim), x.shape)
    made = np.empty(x.shape, np_dtype(dtype))
    size = max(1, BLOCK * len(x) // max(x.size, 1))
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        y = x[rows] / steps[rows]
        if dtype == "float8_e4m3fn":
            made[rows] = y.clip(least, greatest).astype(np.float32)
        else:
            made[rows] = np.clip(np.rint(y, out=y), least, greatest, out=y)
    return made


def _dequantize(q: Array, scale: Array) -> Array:
    return q * _wide(scale, q.ndim)


def _wide(scale: Array, rank: int) -> Array:
    """A scale in float64, one by output as it broadcasts to a weight of this rank."""
    wide: Array = np.asarray(scale, np.float64)
    return wide.reshape(_per_output(wide.shape, rank)) if wide.ndim else wide


#: Functions of numpy's that are computed element by element.
_UFUNCS: Final[Mapping[str, np.ufunc]] = {
    name: getattr(np, name)
    for name in ("add", "subtract", "multiply", "divide", "sqrt")
}

#: Every function that an operand may apply; see :class:`resgen.ops.types.Apply`.
FUNCTIONS: Final[Mapping[str, Function]] = {
    **{
        name: Function(partial(ufunc, dtype=np.float64), _broadcast)
        for name, ufunc in _UFUNCS.items()
    },
    "zeros_like": Function(lambda x: np.zeros(x.shape), _same),
    "per_output": Function(
        lambda x, rank: x.reshape(_per_output(x.shape, rank)), _per_output
    ),
    "standardize": Function(_standardize, _same),
    "diagonal": Function(_diagonal, _on_diagonal),
    "enlarge": Function(_enlarge, _enlarged),
    "reshape": Function(lambda x, *shape: x.reshape(shape), _reshape),
    "cast": Function(_cast, _same),
    "scale_of": Function(_scale_of, lambda shape, _: shape[:1]),
    "as_scale": Function(_as_scale, _same),
    "fit_bias": Function(_fit_bias, _same),
    "quantize": Function(_quantize, _same),
    "dequantize": Function(_dequantize, _same),
}


#: About how many numbers of a weight are quantised at once.
BLOCK: Final = 1 << 15
#: Of more numbers than this none are remembered, unless they are quantised.
SMALL: Final = 1 << 14
#: Functions whose last argument is the type of what they come to.
TYPED: Final = ("cast", "as_scale", "quantize")


class OutOfRange(Exception):
    """A number is too large for the type that it is to have."""


@dataclass(frozen=True)
class Remembering(Mapping[str, Array]):
    """Weights, and what is small of all that was computed of them.

    In a quantised file a weight, its scale, its bias and the scale of that all ask for
    the same scales and factors of norms; and a second file of the network, in another
    form, for the same whole numbers, which take a quarter of what the weights do.
    """

    weights: Weights
    known: dict[Apply, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, weights: Weights) -> Remembering:
        """Those that remember already, or others that begin to."""
        return weights if isinstance(weights, cls) else cls(weights)

    def __getitem__(self, name: str) -> Array:
        return self.weights[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def np_dtype(name: str) -> np.dtype[Any]:
    """The type of this name, those included that NumPy does not have by itself."""
    import ml_dtypes  # registers bfloat16 and float8_e4m3fn

    return np.dtype(getattr(ml_dtypes, name, name))


def dtype_of(operand: Operand, graph: Graph) -> DType:
    """The type of what an operand comes to."""
    if isinstance(operand, Ref):
        return graph.parameter[operand.name].dtype
    if operand.function in TYPED:
        found: DType = operand.args[-1]  # type: ignore[assignment]
        return found
    return "float32"


def evaluate(operand: Operand, weights: Weights) -> Array:
    """The array that an operand comes to.

    Computed in float64 and rounded once, to float32 unless it is a cast or quantised;
    a plain reference is the array itself. A number too large for its type is a
    :class:`~resgen.errors.ResgenError`.
    """
    if isinstance(operand, Ref):
        return weights[operand.name]
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            if operand.function in _UFUNCS:
                return _rounded(operand, weights)
            exact: Array = _compute(operand, weights)
            return exact if operand.function in TYPED else exact.astype(np.float32)
    except OutOfRange as error:
        name = next(references(operand))
        owner = name.rpartition(".")[0] or name
        raise ResgenError(
            f"{name}: {error}", hint=f"keep {owner}: it leaves that operator in float32"
        ) from error
    except FloatingPointError as error:
        names = ", ".join(dict.fromkeys(references(operand)))
        raise ResgenError(
            f"what is computed from {names} is beyond float32 ({error})",
            hint="look for a variance or a scale among them that is no usual number",
        ) from error


def _rounded(operand: Apply, weights: Weights) -> Array:
    """As computed in float64 and rounded, but in pieces: half the time and memory."""
    args = [_compute(arg, weights) for arg in operand.args]
    made = np.empty(np.broadcast_shapes(*map(np.shape, args)), np.float32)
    ufunc = _UFUNCS[operand.function]
    ufunc(*args, out=made, dtype=np.float64, casting="same_kind")
    return made


def _compute(operand: Operand | float | str, weights: Weights) -> Any:
    if isinstance(operand, Ref):
        return weights[operand.name]
    if not isinstance(operand, Apply):
        return operand
    known = weights.known if isinstance(weights, Remembering) else {}
    if operand in known:
        return known[operand]
    args = (_compute(arg, weights) for arg in operand.args)
    found = FUNCTIONS[operand.function].compute(*args)
    if np.size(found) <= SMALL or operand.function == "quantize":
        known[operand] = found
    return found


def shape_of(operand: Operand, graph: Graph) -> Shape:
    """The shape of what an operand comes to, known without weights."""
    if isinstance(operand, Ref):
        return graph.parameter[operand.name].shape
    args = (
        shape_of(arg, graph) if isinstance(arg, Ref | Apply) else arg
        for arg in operand.args
    )
    return FUNCTIONS[operand.function].shape(*args)
