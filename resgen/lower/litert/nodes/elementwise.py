"""What is computed of each element by itself, or of two that lie together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np

from resgen.lower.channels_last import Array, Places
from resgen.lower.emitted import Constant, Unwritable, constant, number
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer

Write: TypeAlias = Callable[..., Value]


def tensor(value: Value | None) -> Tensor:
    """The value, of which a constant is refused."""
    if not isinstance(value, Tensor):
        raise Unwritable("LiteRT computes nothing of constants alone here")
    return value


def unary(code: str, options: str = "", *, positive: bool = False) -> Write:
    """One operator of one tensor that takes no account of axes."""

    def write(to: Writer, x: Value, **settings: Any) -> Tensor:
        given = tensor(x)
        return to.add(
            code, [given], given.shape, given.order,
            options=options, places=given.places, positive=positive, **settings,
        )  # fmt: skip

    return write


def _rectified(activation: str) -> Write:
    def write(to: Writer, x: Value) -> Value:
        given = tensor(x)
        if to.fuse(given, activation):
            return replace(given, positive=activation != "RELU_N1_TO_1")
        return unary(activation, positive=activation != "RELU_N1_TO_1")(to, given)

    return write


def _clip(
    to: Writer, x: Value, low: Value | None = None, high: Value | None = None
) -> Value:
    bounds = tuple(
        None if bound is None else float(constant(bound, "bound").numbers)
        for bound in (low, high)
    )
    named = {(0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1", (0.0, None): "RELU"}
    if bounds in named:
        return _rectified(named[bounds])(to, x)
    y = x
    for code, bound in (("MAXIMUM", bounds[0]), ("MINIMUM", bounds[1])):
        if bound is not None:
            y = binary(code, "MaximumMinimum", np.maximum)(to, y, number(bound))
    return y


def binary(code: str, options: str, function: Callable[..., Array]) -> Write:
    """An operator of two tensors, of which either may be spread over the other."""

    def write(to: Writer, a: Value, b: Value) -> Value:
        if isinstance(a, Constant) and isinstance(b, Constant):
            return a.with_(b, function)
        shape = np.broadcast_shapes(a.shape, b.shape)
        first = tensor(a if isinstance(a, Tensor) else b)
        if isinstance(b, Tensor) and prod(b.shape) > prod(first.shape):
            first = b
        order, places = first.order, dict(first.places)
        if len(order) < len(shape):
            raise Unwritable("an axis is added to what flows")
        for other in (a, b):
            if isinstance(other, Tensor):
                for axis, told in other.places.items():
                    at = axis + len(shape) - len(other.shape)
                    if places.setdefault(at, told) != told or any(
                        isinstance(x, Tensor)
                        and x.shape[at] != 1
                        and at not in x.places
                        for x in (a, b)
                    ):
                        return write(to, _plain(to, a), _plain(to, b))
        sides = [_side(to, side, order, places, shape) for side in (a, b)]
        positive = code in ("ADD", "MUL", "DIV") and all(
            isinstance(x, Tensor) and x.positive for x in (a, b)
        )
        return to.add(
            code, sides, shape, order,
            options=options, places=places, positive=positive,
        )  # fmt: skip

    return write


def _plain(to: Writer, value: Value) -> Value:
    return to.plain(value) if isinstance(value, Tensor) else value


def _side(
    to: Writer,
    side: Value,
    order: tuple[int, ...],
    places: Mapping[int, Places],
    shape: tuple[int, ...],
) -> Tensor | int:
    missing = len(shape) - len(side.shape)
    if isinstance(side, Tensor):
        if missing:
            raise Unwritable("an axis is added to what flows")
        return to.ordered(side, order)
    if side.shape and prod(side.shape) > 1:
        side = side.reshaped((1,) * missing + side.shape)
        for axis, told in places.items():
            if side.shape[axis] > 1:
                side = side.taken(told, axis)
        side = side.transposed(order)
    else:
        side = side.reshaped((1,))
    return to.constant(side)


ADD: Final = binary("ADD", "Add", np.add)
SUB: Final = binary("SUB", "Sub", np.subtract)
MUL: Final = binary("MUL", "Mul", np.multiply)
DIV: Final = binary("DIV", "Div", np.divide)


def _hardsigmoid(to: Writer, x: Value, *, alpha: float, beta: float) -> Value:
    """``clip(alpha x + beta, 0, 1)``; where it can be, of relu6, which is fused."""
    if abs(alpha * 6 - 1) < 1e-12 and beta == 0.5:
        lifted = ADD(to, x, number(3.0))
        bent = _fused(to, lifted, "RELU6")
        return replace(tensor(MUL(to, bent, number(1 / 6))), positive=True)
    line = ADD(to, MUL(to, x, number(alpha)), number(beta))
    return _clip(to, line, number(0.0), number(1.0))


def _fused(to: Writer, x: Value, activation: str) -> Tensor:
    """An activation of what nothing else reads, by what was written last."""
    kind = getattr(to.schema.ActivationFunctionType, activation)
    to.operations[-1].settings["fusedActivationFunction"] = kind
    return replace(tensor(x), positive=True)


def _leaky(to: Writer, x: Value, *, alpha: float = 0.01) -> Value:
    return unary("LEAKY_RELU", "LeakyRelu")(to, x, alpha=float(alpha))


def _prelu(to: Writer, x: Value, slope: Value) -> Tensor:
    given, slopes = tensor(x), constant(slope, "slope")
    rank = len(given.shape)
    kept = to.plain(given)
    held = slopes.reshaped((1,) * (rank - 1 - len(slopes.shape)) + slopes.shape)
    return to.add(
        "PRELU", [kept, to.constant(held)], kept.shape, kept.order
    )  # fmt: skip


def _elu(to: Writer, x: Value, *, alpha: float = 1.0) -> Value:
    return _bent(to, x, alpha, 1.0)


def _selu(to: Writer, x: Value) -> Value:
    """The constants are those of Klambauer et al. 2017."""
    return _bent(to, x, 1.6732632423543772, 1.0507009873554805)


def _bent(to: Writer, x: Value, alpha: float, gamma: float) -> Value:
    """``gamma (max(x, 0) + alpha (exp(min(x, 0)) - 1))``.

    The reference kernels have no ELU. Near 0 the difference would lose all its digits,
    and ``tanh(m / 2) (exp(m) + 1)`` is the same without one.
    """
    low = binary("MINIMUM", "MaximumMinimum", np.minimum)(to, x, number(0.0))
    lifted = ADD(to, unary("EXP", "Exp")(to, low), number(1.0))
    half = unary("TANH")(to, MUL(to, low, number(0.5)))
    down = MUL(to, half, lifted)
    if alpha * gamma != 1.0:
        down = MUL(to, down, number(alpha * gamma))
    up = unary("RELU")(to, x)
    return ADD(to, up if gamma == 1.0 else MUL(to, up, number(gamma)), down)


def _softplus(to: Writer, x: Value) -> Value:
    """``max(x, 0) + log(1 + exp(-|x|))``, which overflows nowhere."""
    size = unary("NEG", "Neg")(to, unary("ABS", "Abs")(to, x))
    more = unary("LOG")(to, ADD(to, unary("EXP", "Exp")(to, size), number(1.0)))
    return ADD(to, unary("RELU")(to, x), more)


def _mish(to: Writer, x: Value) -> Value:
    return MUL(to, x, unary("TANH")(to, _softplus(to, x)))


def _gelu(to: Writer, x: Value, *, approximate: str = "none") -> Value:
    return unary("GELU", "Gelu")(to, x, approximate=approximate == "tanh")


def _reciprocal(to: Writer, x: Value) -> Value:
    return DIV(to, number(1.0), x)


def scaled(to: Writer, x: Value, axis: int, *vectors: Value | None) -> Value:
    """``x`` times a vector along an axis plus another, so far as there are any."""
    given = tensor(x)
    wide = tuple(-1 if a == axis else 1 for a in range(len(given.shape)))
    y: Value = given
    for write, vector in zip((MUL, ADD), vectors, strict=False):
        if vector is not None:
            held = constant(vector, "scale")
            y = write(to, y, held.reshaped(wide))
    return y


def _cast(walk: Writer, value: Value, *, to: int) -> Tensor:
    """A camera's bytes as float32; nothing else is cast in a graph that is written."""
    x = tensor(value)
    if walk.tensors[x.index].dtype != "uint8":
        raise Unwritable(f"it casts to the type {to}")
    kinds = walk.schema.TensorType
    return walk.add(
        "CAST", [x], x.shape, x.order, options="Cast", positive=True,
        inDataType=kinds.UINT8, outDataType=kinds.FLOAT32,
    )  # fmt: skip


NODES: Final[Mapping[str, Write]] = {
    "Add": ADD, "Sub": SUB, "Mul": MUL, "Div": DIV,
    "Max": binary("MAXIMUM", "MaximumMinimum", np.maximum),
    "Min": binary("MINIMUM", "MaximumMinimum", np.minimum),
    "Pow": binary("POW", "Pow", np.power),
    "Relu": _rectified("RELU"), "Clip": _clip,
    "Sigmoid": unary("LOGISTIC", positive=True), "Tanh": unary("TANH"),
    "Exp": unary("EXP", "Exp", positive=True), "Neg": unary("NEG", "Neg"),
    "Sqrt": unary("SQRT", positive=True), "Floor": unary("FLOOR"),
    "HardSwish": unary("HARD_SWISH", "HardSwish"), "HardSigmoid": _hardsigmoid,
    "LeakyRelu": _leaky, "PRelu": _prelu, "Elu": _elu, "Selu": _selu,
    "Softplus": _softplus, "Mish": _mish, "Gelu": _gelu, "Reciprocal": _reciprocal,
    "Cast": _cast,
}  # fmt: skip
