"""What a Keras model has of each node that operators state themselves in.

A function takes the walk, the node's inputs (None is one left out) and its attributes,
as the ONNX operator of its name defines them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np

from resgen.lower import emitted
from resgen.lower.channels_last import Array, last, reshaped, shares, sizes_of
from resgen.lower.emitted import (
    Constant,
    Unwritable,
    constant,
    integers,
    left,
    number,
    sliced,
    transposed,
)
from resgen.lower.keras.values import Held, Tensor, Value
from resgen.lower.keras.walk import Walk
from resgen.lower.scopes import home

Make = Callable[..., Value]


def _bound(value: Value | None) -> float | None:
    return None if value is None else float(constant(value, "bound").numbers)


# --- element by element ---------------------------------------------------------------


def _alone(name: str, *, positive: bool = False) -> Make:
    """One operation of one tensor that takes no account of axes."""

    def make(to: Walk, x: Value, **settings: Any) -> Tensor:
        given = to.tensor(x)
        function = getattr(to.keras.ops, name)
        return to.add(function, given, like=given, positive=positive, **settings)

    return make


def _clip(
    to: Walk, x: Value, low: Value | None = None, high: Value | None = None
) -> Tensor:
    y = to.tensor(x)
    least, most = _bound(low), _bound(high)
    if least is not None:
        positive = least >= 0
        y = to.add(to.keras.ops.maximum, y, least, like=y, positive=positive)
    if most is not None:
        y = to.add(to.keras.ops.minimum, y, most, like=y, positive=y.positive)
    return y


def _pair(name: str, function: Callable[..., Array]) -> Make:
    """An operation of two tensors, of which either may be spread over the other."""

    def make(to: Walk, a: Value, b: Value) -> Value:
        if isinstance(a, Constant) and isinstance(b, Constant):
            return a.with_(b, function)
        a, b = (to.tensor(x) if isinstance(x, Held) else x for x in (a, b))
        shape = np.broadcast_shapes(a.shape, b.shape)
        flows = [x for x in (a, b) if isinstance(x, Tensor)]
        first = max(flows, key=lambda x: (not x.free, prod(x.shape)))
        if len(first.shape) < len(shape):
            raise Unwritable("an axis is added to what flows")
        told = [x.places for x in flows if not x.free]
        if any(places != told[0] for places in told):
            flows = [to.plain(x) for x in flows]
            a, b = (to.plain(x) if isinstance(x, Tensor) else x for x in (a, b))
            first = max(flows, key=lambda x: (not x.free, prod(x.shape)))
        sides = [_side(to, side, first) for side in (a, b)]
        positive = name in ("add", "multiply", "divide", "maximum") and all(
            isinstance(x, Tensor) and x.positive for x in (a, b)
        )
        held = getattr(to.keras.ops, name)
        return to.add(held, *sides, like=first, shape=shape, positive=positive)

    return make


def _side(to: Walk, side: Tensor | Constant, beside: Tensor) -> Any:
    """One of two as it lies beside the other."""
    missing = len(beside.shape) - len(side.shape)
    if isinstance(side, Constant):
        if prod(side.shape) == 1:
            return float(side.numbers.reshape(()))
        array = side.numbers.reshape((1,) * missing + side.shape)
        for axis, told in beside.places.items():
            if array.shape[axis] > 1:
                array = array.take(told, axis)
        return array.transpose(beside.order)
    if not side.free or beside.free:
        if missing:
            raise Unwritable("an axis is added to what flows")
        return to.ordered(side, beside.order)
    if prod(side.shape) == 1:
        return to.laid(side, (), (), {})
    side = to.laid(
        side, (1,) * missing + side.shape, tuple(range(len(beside.shape))), {}
    )
    for axis, told in beside.places.items():
        if side.shape[axis] > 1:
            take = to.keras.ops.take
            side = to.add(take, side, np.asarray(told), like=side, axis=axis)
    return to.ordered(side, beside.order)


_ADD: Final = _pair("add", np.add)
_SUB: Final = _pair("subtract", np.subtract)
_MUL: Final = _pair("multiply", np.multiply)
_DIV: Final = _pair("divide", np.divide)


def _hardsigmoid(to: Walk, x: Value, *, alpha: float, beta: float) -> Value:
    line = _ADD(to, _MUL(to, x, number(alpha)), number(beta))
    return _clip(to, line, number(0.0), number(1.0))


# --- windows --------------------------------------------------------------------------


def _sides(pads: Sequence[int] | None, count: int) -> tuple[tuple[int, int], ...]:
    given = tuple(pads) if pads else (0,) * (2 * count)
    return tuple(zip(given[:count], given[count:], strict=True))


def _mapped(x: Tensor, to: Walk) -> Tensor:
    return to.ordered(to.plain(x), last(len(x.shape)))


def _padded(
    to: Walk, x: Tensor, sides: Sequence[tuple[int, int]], value: float = 0.0
) -> Tensor:
    """``x``, channels last, with more positions; -inf beside no less than 0 is 0."""
    if not any(map(any, sides)):
        return x
    shape = (*x.shape[:2], *(n + a + b for n, (a, b) in zip(x.shape[2:], sides,
                                                            strict=True)))  # fmt: skip
    if value == float("-inf") and x.positive:
        value = 0.0
    if value == 0.0:
        padding = sides[0] if len(sides) == 1 else tuple(sides)
        held = to.layer(f"ZeroPadding{len(sides)}D", x, "pad", padding=padding)
        return Tensor(held, shape, x.order, positive=x.positive)
    full = ((0, 0), *sides, (0, 0))
    return to.add(to.keras.ops.pad, x, full, like=x, shape=shape, constant_values=value)


def _conv(
    to: Walk,
    x: Value,
    w: Value,
    b: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
) -> Tensor:
    given = _mapped(to.tensor(x), to)
    count = len(given.shape) - 2
    dilations = dilations or (1,) * count
    sides = _sides(pads, count)
    extent = [d * (k - 1) + 1 for k, d in zip(kernel_shape, dilations, strict=True)]
    out = sizes_of(given.shape[2:], extent, strides, *zip(*sides, strict=True))
    # SAME pads as much at both ends where nothing is stepped over, and only there.
    same = set(strides) == {1} and all(
        a == z == (e - 1) // 2 and e % 2
        for (a, z), e in zip(sides, extent, strict=True)
    )
    padding = "same" if same and any(map(any, sides)) else "valid"
    if not same:
        given = _padded(to, given, sides)
    steps = tuple(strides)
    if max(dilations) > 1 and max(strides) > 1:
        steps = (1,) * count  # Keras has no convolution of both
    channels, outputs = given.shape[1], to.node.type.channels
    weight, bias = to.ref("weight"), to.ref("bias")
    said: dict[str, Any] = {
        "strides": steps, "padding": padding, "dilation_rate": tuple(dilations),
    }  # fmt: skip
    if weight is None:
        functions = to.keras.ops
        if isinstance(w, Constant):  # one filter for each channel, which nothing trains
            kernel = w.numbers.transpose(*range(2, count + 2), 0, 1)
            y = to.add(functions.depthwise_conv, given, kernel, like=given,
                       data_format="channels_last", **said)  # fmt: skip
        else:
            flows, order = to.tensor(w), (*range(2, count + 2), 1, 0)
            turned = to.add(functions.transpose, flows, like=flows, axes=order)
            if group > 1:
                from resgen.lower.keras.own import GroupedConv

                y = to.add(GroupedConv(**said), given, turned, like=given)
            else:
                y = to.add(functions.conv, given, turned, like=given,
                           data_format="channels_last", **said)  # fmt: skip
        if b is not None:
            y = to.add(functions.add, y, to.tensor(b), like=y)
        held = y.held
    else:
        said |= {
            "kernel_size": tuple(kernel_shape), "use_bias": bias is not None,
            "bias_initializer": to.initial(bias) if bias else "zeros",
        }  # fmt: skip
        start = to.initial(weight)
        if group == channels > 1 and count < 3 and len(set(steps)) == 1:
            kind = f"DepthwiseConv{count}D"
            said |= {"depth_multiplier": outputs // channels}
            said |= {"depthwise_initializer": start}
        else:
            kind = f"Conv{count}D"
            said |= {"filters": outputs, "groups": group, "kernel_initializer": start}
        held = to.layer(kind, given, path=home(to.node), **said)
    whole = tuple(
        (n - 1) * s // t + 1 if t != s else n
        for n, s, t in zip(out, strides, steps, strict=True)
    )
    y = Tensor(held, (1, outputs, *whole), given.order)
    if steps != tuple(strides):
        cut = (slice(None), *(slice(None, None, s) for s in strides), slice(None))
        y = to.add(lambda held: held[cut], y, like=y, shape=(1, outputs, *out))
    return y


def _conv_transpose(
    to: Walk,
    x: Value,
    w: Value,
    b: Value | None = None,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    output_padding: Sequence[int],
    dilations: Sequence[int] = (1,),
    group: int = 1,
) -> Tensor:
    """Keras's own without padding, of which the padding is then cut off."""
    if group > 1 or set(dilations) != {1}:
        raise Unwritable("Keras has no transposed convolution in groups, or dilated")
    given = _mapped(to.tensor(x), to)
    count = len(given.shape) - 2
    weight, bias = to.ref("weight"), to.ref("bias")
    if weight is None:
        raise Unwritable("its weight is computed")
    rows = list(zip(given.shape[2:], kernel_shape, strides, strict=True))
    whole = [n * s + max(k - s, 0) for n, k, s in rows]
    wanted = to.node.type.shape[1:]
    cut = [(p, size - p - n) for p, size, n in zip(pads, whole, wanted, strict=False)]
    if any(after < 0 for _, after in cut):
        raise Unwritable("Keras has no transposed convolution that yields so much")
    held = to.layer(
        f"Conv{count}DTranspose", given, path=home(to.node),
        filters=to.node.type.channels, kernel_size=tuple(kernel_shape),
        strides=tuple(strides), padding="valid", use_bias=bias is not None,
        kernel_initializer=to.initial(weight),
        bias_initializer=to.initial(bias) if bias else "zeros",
    )  # fmt: skip
    y = Tensor(held, (1, *to.node.type.shape), given.order)
    if any(map(any, cut)):
        cropping = cut[0] if count == 1 else tuple(cut)
        held = to.layer(f"Cropping{count}D", y, "crop", cropping=cropping)
    return replace(y, held=held)


def _pool(kind: str) -> Make:
    def make(
        to: Walk,
        x: Value,
        *,
        kernel_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        count_include_pad: int = 0,
    ) -> Value:
        given = _mapped(to.tensor(x), to)
        count = len(given.shape) - 2
        step, sides = tuple(strides or (1,) * count), _sides(pads, count)
        spread = tuple(dilations or (1,) * count)
        extent = [d * (k - 1) + 1 for k, d in zip(kernel_shape, spread, strict=True)]
        begin, end = zip(*sides, strict=True)
        out = sizes_of(given.shape[2:], extent, step, begin, end)
        mean = kind == "AveragePooling"
        source = _padded(to, given, sides, 0.0 if mean else float("-inf"))
        if set(spread) != {1}:
            return _spread_pool(to, source, kernel_shape, step, spread, out)
        held = to.layer(f"{kind}{count}D", source, pool_size=tuple(kernel_shape),
                        strides=step, padding="valid")  # fmt: skip
        y = Tensor(held, (1, given.shape[1], *out), given.order,
                   positive=given.positive)  # fmt: skip
        if mean and not count_include_pad and any(map(any, sides)):
            there = shares(given.shape[2:], out, kernel_shape, step, begin)
            return _MUL(to, y, Constant.of(there))
        return y

    return make


def _spread_pool(
    to: Walk,
    x: Tensor,
    kernel: Sequence[int],
    step: Sequence[int],
    spread: Sequence[int],
    out: Sequence[int],
) -> Tensor:
    """The greatest of a spaced window, of which Keras has no layer."""
    y: Tensor | None = None
    shape = (*x.shape[:2], *out)
    for at in product(*map(range, kernel)):
        rows = zip(at, spread, step, out, strict=True)
        cut = [slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, s, n in rows]
        index = (slice(None), *cut, slice(None))
        part = to.add(lambda held, i=index: held[i], x, like=x, shape=shape)
        y = part if y is None else to.add(to.keras.ops.maximum, y, part, like=part)
    if y is None:
        raise Unwritable("a window of nothing")
    return replace(y, positive=x.positive)


def _global(name: str) -> Make:
    def make(to: Walk, x: Value) -> Tensor:
        given = to.tensor(x)
        rank = len(given.shape)
        if rank > 5 or given.free:
            return _reduced(to, given, range(2, rank), True, name)
        given = to.ordered(given, last(rank))
        kind = "GlobalAveragePooling" if name == "mean" else "GlobalMaxPooling"
        held = to.layer(f"{kind}{rank - 2}D", given, keepdims=True)
        return Tensor(held, (*given.shape[:2], *(1,) * (rank - 2)), given.order,
                      given.places, given.positive)  # fmt: skip

    return make


def _reduced(to: Walk, x: Tensor, axes: Sequence[int], keep: bool, name: str) -> Tensor:
    shape, order, places = left(x, axes, keep=keep)
    stored = sorted(x.at(axis) for axis in axes)
    return to.add(getattr(to.keras.ops, name), x, like=x, axis=stored, keepdims=keep,
                  shape=shape, order=order, places=places, positive=x.positive
                  )  # fmt: skip


def _reduce(name: str) -> Make:
    def make(to: Walk, x: Value, axes: Value | None = None, *, keepdims: int = 1
             ) -> Tensor:  # fmt: skip
        return _reduced(to, to.tensor(x), integers(axes), bool(keepdims), name)

    return make


def _length(to: Walk, x: Value, axes: Value, *, keepdims: int = 1) -> Value:
    square = to.tensor(_MUL(to, x, x))
    total = _reduced(to, square, integers(axes), bool(keepdims), "sum")
    return _alone("sqrt", positive=True)(to, total)


def _local_response(to: Walk, x: Value, *, size: int, alpha: float, beta: float,
                    bias: float) -> Value:  # fmt: skip
    """By sums over windows of channels, Krizhevsky et al. 2012."""
    given = _mapped(to.tensor(x), to)
    square = to.tensor(_MUL(to, given, given))
    sides = [(0, 0)] * len(given.shape)
    sides[-1] = ((size - 1) // 2, size // 2)
    shape = [n + (size - 1 if axis == 1 else 0) for axis, n in enumerate(given.shape)]
    padded = to.add(to.keras.ops.pad, square, tuple(sides), like=square, shape=shape)
    total: Value | None = None
    for first in range(size):
        part = _cut(to, padded, 1, range(first, first + given.shape[1]))
        total = part if total is None else _ADD(to, total, part)
    if total is None:
        raise Unwritable("a window of nothing")
    scale = _ADD(to, _MUL(to, total, number(alpha / size)), number(bias))
    return _MUL(to, given, _pair("power", np.power)(to, scale, number(-beta)))


def _softmax(to: Walk, x: Value, *, axis: int = -1) -> Tensor:
    given = to.tensor(x)
    return to.add(to.keras.ops.softmax, given, like=given, axis=given.at(axis),
                  positive=True)  # fmt: skip


def _log_softmax(to: Walk, x: Value, *, axis: int = -1) -> Tensor:
    given = to.tensor(x)
    return to.add(to.keras.ops.log_softmax, given, like=given, axis=given.at(axis))


def _matmul(to: Walk, a: Value, b: Value) -> Tensor:
    x, y = to.tensor(a), to.tensor(b)
    if len(x.shape) != len(y.shape):
        raise Unwritable("matrices of unlike rank")
    straight = tuple(range(len(x.shape)))
    x, y = (to.ordered(to.plain(side), straight) for side in (x, y))
    shape = (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
    return to.add(to.keras.ops.matmul, x, y, like=y if x.free else x, shape=shape)


# --- axes -----------------------------------------------------------------------------


def _transpose(to: Walk, x: Value, *, perm: Sequence[int]) -> Value:
    given = x if isinstance(x, Constant) else to.tensor(x)
    if isinstance(given, Tensor) and given.free:
        return to.add(
            to.keras.ops.transpose, given, like=given, axes=list(perm),
            shape=[given.shape[axis] for axis in perm],
        )  # fmt: skip
    found: Value = transposed(to, given, perm=perm)
    return found


def _expand(to: Walk, x: Value, sizes: Value) -> Value:
    """What is made of parameters stands for all of the batch: who reads it spreads."""
    given = to.tensor(x)
    more = constant(sizes, "size").shape[0] - len(given.shape)
    return reshaped(to, given, (1,) * more + given.shape) if more else given


def _concat(to: Walk, *parts: Value, axis: int) -> Value:
    if all(isinstance(part, Constant) for part in parts):
        numbers = [constant(part, "part").numbers for part in parts]
        return Constant.of(np.concatenate(numbers, axis))
    held = [to.tensor(part) for part in parts]
    flows = [part for part in held if not part.free]
    # Of parameters alone the join is made of parameters alone as well.
    sides = [to.plain(to.spread(part, flows[0]) if flows else part) for part in held]
    first = max(sides, key=lambda side: prod(side.shape))
    at = axis % len(first.shape)
    given = [to.ordered(side, first.order).held for side in sides]
    shape = list(first.shape)
    shape[at] = sum(side.shape[at] for side in sides)
    made = to.keras.layers.Concatenate(axis=first.at(at))
    return to.add(made, given, like=first, shape=shape, places={},
                  positive=all(side.positive for side in sides))  # fmt: skip


def _cut(to: Walk, x: Value, axis: int, chosen: range) -> Tensor:
    """Elements along an axis at even steps."""
    x = to.plain(to.tensor(x), axis)
    shape = [len(chosen) if a == axis else n for a, n in enumerate(x.shape)]
    if chosen.step < 0:
        return to.add(to.keras.ops.take, x, np.asarray(chosen), like=x, axis=x.at(axis),
                      shape=shape, positive=x.positive)  # fmt: skip
    index = [slice(None)] * (x.at(axis) + 1)
    index[-1] = slice(chosen.start, chosen.stop, chosen.step)
    return to.add(lambda held: held[tuple(index)], x, like=x, shape=shape,
                  positive=x.positive)  # fmt: skip


def _gather(to: Walk, x: Value, places: Value, *, axis: int = 0) -> Value:
    at = constant(places, "index").numbers
    if isinstance(x, Constant):
        return Constant.of(x.numbers.take(at, axis))
    given = to.tensor(x)
    axis %= len(given.shape)
    given = to.plain(given, axis)
    shape = [at.size if a == axis else n for a, n in enumerate(given.shape)]
    flat = to.add(to.keras.ops.take, given, at.reshape(-1), like=given, shape=shape,
                  axis=given.at(axis), positive=given.positive)  # fmt: skip
    return to.shaped(flat, (*shape[:axis], *at.shape, *shape[axis + 1 :]))


def _pad(to: Walk, x: Value, pads: Value, value: Value | None = None, *,
         mode: str = "constant") -> Value:  # fmt: skip
    given, numbers = to.tensor(x), integers(pads)
    count = len(numbers) // 2
    sides = tuple(zip(numbers[:count], numbers[count:], strict=True))
    if mode != "constant":
        for axis, side in enumerate(sides):
            if any(side):
                own = np.arange(given.shape[axis])
                told = np.pad(own, side, mode=mode)  # type: ignore[call-overload]
                given = to.tensor(_gather(to, given, Constant.of(told), axis=axis))
        return given
    filled = _bound(value) or 0.0
    if not any(map(any, sides[:2])) and 3 <= count <= 5:
        return _padded(to, _mapped(given, to), sides[2:], filled)
    given = to.plain(given)
    shape = [n + a + b for n, (a, b) in zip(given.shape, sides, strict=True)]
    full = tuple(sides[axis] for axis in given.order)
    return to.add(to.keras.ops.pad, given, full, like=given, shape=shape,
                  constant_values=filled,
                  positive=given.positive and filled >= 0)  # fmt: skip


def _resize(to: Walk, x: Value, *rest: Value | None, mode: str = "nearest",
            coordinate_transformation_mode: str = "half_pixel", **more: Any
            ) -> Tensor:  # fmt: skip
    """Along one axis after the other: linear is a product with a matrix."""
    y = to.tensor(x)
    sizes = integers(rest[-1])
    before = y.shape
    factors = {new / old for new, old in zip(sizes[2:], before[2:], strict=True)}
    own = {"nearest": "nearest", "linear": "bilinear"}.get(mode)
    corners = coordinate_transformation_mode == "align_corners"
    whole = all(factor.is_integer() for factor in factors)
    if len(before) == 4 and whole and own and not corners:
        y = _mapped(y, to)
        by = tuple(n // b for n, b in zip(sizes[2:], before[2:], strict=True))
        held = to.layer("UpSampling2D", y, size=by, interpolation=own)
        return Tensor(held, tuple(sizes), y.order, positive=y.positive)
    for axis in range(2, len(before)):
        old, new = before[axis], sizes[axis]
        if old == new:
            continue
        if mode == "nearest":
            told = np.arange(new) * old // new
            y = to.tensor(_gather(to, y, Constant.of(told), axis=axis))
            continue
        if mode != "linear":
            raise Unwritable(f"Keras resizes by nearest and linear, not by {mode}")
        moved = to.ordered(
            to.plain(y, axis), (*(a for a in y.order if a != axis), axis)
        )
        shape = [new if a == axis else n for a, n in enumerate(moved.shape)]
        matrix = _between(old, new, corners)
        y = to.add(to.keras.ops.matmul, moved, matrix, like=moved, shape=shape)
    return y


def _between(old: int, new: int, corners: bool) -> Array:
    """Linear interpolation along an axis as a matrix, old by new."""
    at = np.arange(new, dtype=np.float64)
    if corners:
        at = at * (old - 1) / max(new - 1, 1)
    else:
        at = np.clip((at + 0.5) * old / new - 0.5, 0, old - 1)
    low = np.minimum(np.floor(at).astype(int), max(old - 2, 0))
    share = at - low
    matrix = np.zeros((old, new))
    matrix[low, np.arange(new)] += 1 - share
    matrix[np.minimum(low + 1, old - 1), np.arange(new)] += share
    return matrix.astype(np.float32)


def _squares(to: Walk, x: Value, *, blocksize: int) -> Value:
    """SpaceToDepth: the places of a square before the channels."""
    given, r = to.tensor(x), blocksize
    batch, c, h, w = given.shape
    split = to.shaped(given, (batch, c, h // r, r, w // r, r))
    turned = _transpose(to, split, perm=(0, 3, 5, 1, 2, 4))
    return to.shaped(turned, (batch, c * r * r, h // r, w // r))


def _spaces(to: Walk, x: Value, *, blocksize: int, mode: str = "DCR") -> Value:
    given, r = to.tensor(x), blocksize
    batch, c, h, w = given.shape
    sizes = (r, r, c // r**2) if mode == "DCR" else (c // r**2, r, r)
    split = to.shaped(given, (batch, *sizes, h, w))
    perm = (0, 3, 4, 1, 5, 2) if mode == "DCR" else (0, 1, 4, 2, 5, 3)
    turned = _transpose(to, split, perm=perm)
    return to.shaped(turned, (batch, c // r**2, h * r, w * r))


#: What is made of each ONNX operator.
NODES: Final[Mapping[str, Make]] = {
    **emitted.NODES,
    "Add": _ADD, "Sub": _SUB, "Mul": _MUL, "Div": _DIV,
    "Max": _pair("maximum", np.maximum), "Min": _pair("minimum", np.minimum),
    "Pow": _pair("power", np.power), "Clip": _clip,
    "Relu": _alone("relu", positive=True), "Sigmoid": _alone("sigmoid", positive=True),
    "Tanh": _alone("tanh"), "Exp": _alone("exp", positive=True),
    "Neg": _alone("negative"), "Sqrt": _alone("sqrt", positive=True),
    "Floor": _alone("floor"), "Erf": _alone("erf"), "Softplus": _alone("softplus"),
    "Reciprocal": _alone("reciprocal"), "HardSigmoid": _hardsigmoid,
    "Conv": _conv, "ConvTranspose": _conv_transpose, "MatMul": _matmul,
    "MaxPool": _pool("MaxPooling"), "AveragePool": _pool("AveragePooling"),
    "GlobalAveragePool": _global("mean"), "GlobalMaxPool": _global("max"),
    "ReduceMean": _reduce("mean"), "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("max"), "ReduceL2": _length, "LRN": _local_response,
    "Softmax": _softmax, "LogSoftmax": _log_softmax, "Transpose": _transpose,
    "Expand": _expand,
    "Concat": _concat, "Slice": sliced(_cut), "Gather": _gather, "Pad": _pad,
    "Resize": _resize, "SpaceToDepth": _squares, "DepthToSpace": _spaces,
}  # fmt: skip
