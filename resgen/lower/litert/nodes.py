"""What a LiteRT file has of each node that operators state themselves in.

A function takes the walk, the node's inputs (None is one left out) and its attributes,
as the ONNX operator of its name defines them. Versions are those in which LiteRT's
schema brought what is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Final

import numpy as np

from resgen.lower import emitted
from resgen.lower.channels_last import (
    Array,
    Places,
    last,
    reshaped,
    shares,
    sizes_of,
)
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
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.walk import Walk
from resgen.ops.channel_shuffle import ChannelShuffle

Write = Callable[..., Value]
#: Of more pieces than this a tensor is gathered, and not cut and put together.
MANY: Final = 16


def _tensor(value: Value | None) -> Tensor:
    if not isinstance(value, Tensor):
        raise Unwritable("LiteRT computes nothing of constants alone here")
    return value


# --- element by element ---------------------------------------------------------------


def _alone(code: str, options: str = "", *, positive: bool = False) -> Write:
    """One operator of one tensor that takes no account of axes."""

    def write(to: Walk, x: Value, **settings: Any) -> Tensor:
        given = _tensor(x)
        return to.add(
            code, [given], given.shape, given.order,
            options=options, places=given.places, positive=positive, **settings,
        )  # fmt: skip

    return write


def _rectified(activation: str) -> Write:
    def write(to: Walk, x: Value) -> Value:
        given = _tensor(x)
        if to.fuse(given, activation):
            return replace(given, positive=activation != "RELU_N1_TO_1")
        return _alone(activation, positive=activation != "RELU_N1_TO_1")(to, given)

    return write


def _clip(
    to: Walk, x: Value, low: Value | None = None, high: Value | None = None
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
            y = _pair(code, "MaximumMinimum", np.maximum)(to, y, number(bound))
    return y


def _pair(code: str, options: str, function: Callable[..., Array]) -> Write:
    """An operator of two tensors, of which either may be spread over the other."""

    def write(to: Walk, a: Value, b: Value) -> Value:
        if isinstance(a, Constant) and isinstance(b, Constant):
            return a.with_(b, function)
        shape = np.broadcast_shapes(a.shape, b.shape)
        first = _tensor(a if isinstance(a, Tensor) else b)
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


def _plain(to: Walk, value: Value) -> Value:
    return to.plain(value) if isinstance(value, Tensor) else value


def _side(
    to: Walk,
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


_ADD: Final = _pair("ADD", "Add", np.add)
_SUB: Final = _pair("SUB", "Sub", np.subtract)
_MUL: Final = _pair("MUL", "Mul", np.multiply)
_DIV: Final = _pair("DIV", "Div", np.divide)


def _hardsigmoid(to: Walk, x: Value, *, alpha: float, beta: float) -> Value:
    """``clip(alpha x + beta, 0, 1)``; where it can be, of relu6, which is fused."""
    if abs(alpha * 6 - 1) < 1e-12 and beta == 0.5:
        lifted = _ADD(to, x, number(3.0))
        bent = _fused(to, lifted, "RELU6")
        return replace(_tensor(_MUL(to, bent, number(1 / 6))), positive=True)
    line = _ADD(to, _MUL(to, x, number(alpha)), number(beta))
    return _clip(to, line, number(0.0), number(1.0))


def _fused(to: Walk, x: Value, activation: str) -> Tensor:
    """An activation of what nothing else reads, by what was written last."""
    kind = getattr(to.schema.ActivationFunctionType, activation)
    to.operations[-1].settings["fusedActivationFunction"] = kind
    return replace(_tensor(x), positive=True)


def _leaky(to: Walk, x: Value, *, alpha: float = 0.01) -> Value:
    return _alone("LEAKY_RELU", "LeakyRelu")(to, x, alpha=float(alpha))


def _prelu(to: Walk, x: Value, slope: Value) -> Tensor:
    given, slopes = _tensor(x), constant(slope, "slope")
    rank = len(given.shape)
    kept = to.plain(given)
    held = slopes.reshaped((1,) * (rank - 1 - len(slopes.shape)) + slopes.shape)
    return to.add(
        "PRELU", [kept, to.constant(held)], kept.shape, kept.order
    )  # fmt: skip


def _elu(to: Walk, x: Value, *, alpha: float = 1.0) -> Value:
    return _bent(to, x, alpha, 1.0)


def _selu(to: Walk, x: Value) -> Value:
    """The constants are those of Klambauer et al. 2017."""
    return _bent(to, x, 1.6732632423543772, 1.0507009873554805)


def _bent(to: Walk, x: Value, alpha: float, gamma: float) -> Value:
    """``gamma (max(x, 0) + alpha (exp(min(x, 0)) - 1))``.

    The reference kernels have no ELU. Near 0 the difference would lose all its digits,
    and ``tanh(m / 2) (exp(m) + 1)`` is the same without one.
    """
    low = _pair("MINIMUM", "MaximumMinimum", np.minimum)(to, x, number(0.0))
    lifted = _ADD(to, _alone("EXP", "Exp")(to, low), number(1.0))
    half = _alone("TANH")(to, _MUL(to, low, number(0.5)))
    down = _MUL(to, half, lifted)
    if alpha * gamma != 1.0:
        down = _MUL(to, down, number(alpha * gamma))
    up = _alone("RELU")(to, x)
    return _ADD(to, up if gamma == 1.0 else _MUL(to, up, number(gamma)), down)


def _softplus(to: Walk, x: Value) -> Value:
    """``max(x, 0) + log(1 + exp(-|x|))``, which overflows nowhere."""
    size = _alone("NEG", "Neg")(to, _alone("ABS", "Abs")(to, x))
    more = _alone("LOG")(to, _ADD(to, _alone("EXP", "Exp")(to, size), number(1.0)))
    return _ADD(to, _alone("RELU")(to, x), more)


def _mish(to: Walk, x: Value) -> Value:
    return _MUL(to, x, _alone("TANH")(to, _softplus(to, x)))


def _gelu(to: Walk, x: Value, *, approximate: str = "none") -> Value:
    return _alone("GELU", "Gelu")(to, x, approximate=approximate == "tanh")


def _reciprocal(to: Walk, x: Value) -> Value:
    return _DIV(to, number(1.0), x)


# --- windows --------------------------------------------------------------------------


def _flat(to: Walk, x: Tensor) -> Tensor:
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


def _narrow(to: Walk, y: Tensor, rank: int) -> Tensor:
    """Without the axis that :func:`_flat` added."""
    if rank == 4:
        return y
    return to.laid(y, (*y.shape[:2], y.shape[3]), last(3), y.places)


def _two(values: Sequence[int] | None, count: int, fill: int) -> tuple[int, int]:
    """One number for each of two axes."""
    given = tuple(values) if values is not None else (fill,) * count
    return (fill, *given)[-2:]  # type: ignore[return-value]


def _same(
    sizes: Sequence[int],
    out: Sequence[int],
    extent: Sequence[int],
    stride: Sequence[int],
    begin: Sequence[int],
) -> bool:
    """Whether SAME pads as much before, and yields as many positions."""
    rows = zip(sizes, out, extent, stride, begin, strict=True)
    return all(
        y == -(-n // s) and max(0, (y - 1) * s + k - n) // 2 == b
        for n, y, k, s, b in rows
    )


def _padded(
    to: Walk,
    x: Tensor,
    out: Sequence[int],
    extent: Sequence[int],
    stride: Sequence[int],
    begin: Sequence[int],
    value: float = 0.0,
) -> tuple[Tensor, int]:
    """The input and the padding that together yield ``out``."""
    kinds = to.schema.Padding
    sizes = x.shape[2:]
    if _same(sizes, out, extent, stride, begin):
        return x, kinds.SAME
    rows = zip(sizes, out, extent, stride, begin, strict=True)
    end = [max(0, (y - 1) * s + k - n - b) for n, y, k, s, b in rows]
    if not any((*begin, *end)):
        return x, kinds.VALID
    sides = ((0, 0), (0, 0), *zip(begin, end, strict=True))
    return _pad_by(to, x, sides, value), kinds.VALID


def _pad_by(
    to: Walk, x: Tensor, sides: Sequence[tuple[int, int]], value: float
) -> Tensor:
    """Padded by axis; -inf beside what is never below zero is as well a zero."""
    if value == float("-inf") and x.positive:
        value = 0.0
    moved = [axis for axis, side in enumerate(sides) if any(side)]
    x = to.plain(x, *moved)
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, sides, strict=True))
    rows = np.asarray([sides[axis] for axis in x.order], np.int32)
    inputs: list[Tensor | int] = [x, to.constant(Constant.of(rows))]
    positive = x.positive and value >= 0
    if x.steps is not None and value == float("-inf"):
        inputs.append(to.low(-128, x))
        return to.add("PADV2", inputs, shape, x.order, options="PadV2", places=x.places)
    if value == 0.0:
        return to.add("PAD", inputs, shape, x.order, options="Pad",
                      places=x.places, positive=positive)  # fmt: skip
    inputs.append(to.constant(number(value).reshaped((1,))))
    return to.add("PADV2", inputs, shape, x.order, options="PadV2",
                  places=x.places, positive=positive)  # fmt: skip


def _pad(to: Walk, x: Value, pads: Value, value: Value | None = None, *,
         mode: str = "constant") -> Tensor:  # fmt: skip
    given, numbers = _tensor(x), integers(pads)
    count = len(numbers) // 2
    sides = tuple(zip(numbers[:count], numbers[count:], strict=True))
    if min(numbers) < 0:
        raise Unwritable("it pads by less than nothing")
    if mode != "constant":
        for axis, (before, after) in enumerate(sides):
            if before or after:
                own = np.arange(given.shape[axis])
                told = np.pad(own, (before, after), mode=mode)  # type: ignore[call-overload]
                given = _by_runs(to, to.plain(given, axis), axis, told.tolist())
        return given
    filled = 0.0 if value is None else float(constant(value, "padding").numbers)
    return _pad_by(to, given, sides, filled)


def _conv(
    to: Walk,
    x: Value,
    w: Value,
    b: Value | None = None,
    *,
    strides: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Sequence[int] | None = None,
) -> Tensor:
    given, weight = _tensor(x), constant(w, "weight")
    count = len(given.shape) - 2
    bias = None if b is None else constant(b, "bias")
    plain = set(weight.shape[2:]) <= {1} and not any(pads or ()) and group == 1
    if plain and set(strides or (1,)) == {1} and count != 2:
        # A map of channels alone, whatever the axes of positions are.
        return _mapped(to, given, weight.reshaped(weight.shape[:2]), bias)
    out_channels = weight.shape[0]
    multiple = out_channels // given.shape[1]
    deep = group == given.shape[1] and group > 1
    if 1 in given.places and group > 1 and not (deep and multiple == 1):
        given = to.plain(given, 1)
    if count == 3:
        return _deep(to, given, weight, bias, strides, pads, dilations, group)
    flat = _flat(to, given)
    weight = weight.reshaped(
        (*weight.shape[:2], *(1,) * (2 - count), *weight.shape[2:])
    )
    stride, spread = _two(strides, count, 1), _two(dilations, count, 1)
    sides = tuple(pads) if pads is not None else (0,) * (2 * count)
    begin, end = _two(sides[:count], count, 0), _two(sides[count:], count, 0)
    extent = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], spread, strict=True)]
    out = sizes_of(flat.shape[2:], extent, stride, begin, end)
    source, padding = _padded(to, flat, out, extent, stride, begin)
    places: dict[int, Places] = {}
    told = source.places.get(1)
    if deep:
        weight = weight.taken(told, 0)
        bias = None if bias is None else bias.taken(told, 0)
        places = {1: told} if told is not None else {}
        held = weight.transposed((1, 2, 3, 0))
    else:
        held = weight.taken(told, 1).transposed((0, 2, 3, 1))
    settings: dict[str, Any] = {
        "padding": padding, "strideH": stride[0], "strideW": stride[1],
        "dilationHFactor": spread[0], "dilationWFactor": spread[1],
    }  # fmt: skip
    if deep:
        settings["depthMultiplier"] = multiple
    y = to.add(
        "DEPTHWISE_CONV_2D" if deep else "CONV_2D",
        [source, *to.weights(source, held, bias, axis=3 if deep else 0)],
        (flat.shape[0], out_channels, *out),
        last(4),
        version=_version(deep, group, spread),
        options="DepthwiseConv2D" if deep else "Conv2D",
        places=places,
        **settings,
    )
    return _narrow(to, y, count + 2)


def _deep(
    to: Walk,
    x: Tensor,
    weight: Constant,
    bias: Constant | None,
    strides: Sequence[int] | None,
    pads: Sequence[int] | None,
    dilations: Sequence[int] | None,
    group: int,
) -> Tensor:
    """A convolution over three axes of positions, which LiteRT has without groups."""
    if group > 1:
        raise Unwritable("LiteRT has no convolution of groups over three axes")
    source = to.ordered(x, last(5))
    stride, spread = strides or (1,) * 3, dilations or (1,) * 3
    sides = pads or (0,) * 6
    extent = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], spread, strict=True)]
    out = sizes_of(source.shape[2:], extent, stride, sides[:3], sides[3:])
    source, padding = _padded(to, source, out, extent, stride, sides[:3])
    held = weight.taken(source.places.get(1), 1).transposed((2, 3, 4, 1, 0))
    names = ("D", "H", "W")
    settings: dict[str, Any] = {"padding": padding}
    settings |= {f"stride{a}": n for a, n in zip(names, stride, strict=True)}
    settings |= {f"dilation{a}Factor": n for a, n in zip(names, spread, strict=True)}
    return to.add(
        "CONV_3D",
        [source, *to.weights(source, held, bias, axis=4)],
        (x.shape[0], weight.shape[0], *out),
        last(5),
        options="Conv3D",
        **settings,
    )


def _transposed(
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
    """A convolution that yields each square of the result, which is then put in place.

    LiteRT's own takes the size of the result, the batch included, so its batch could
    not be open. With stride s the result at ``q s + r`` sums the input at ``q - t`` by
    the weight at ``r + t s`` (Shi et al. 2016).
    """
    if group > 1 or set(dilations) != {1}:
        raise Unwritable("LiteRT has no transposed convolution in groups, or dilated")
    given, weight = _tensor(x), constant(w, "weight")
    count = len(given.shape) - 2
    flat = _flat(to, given)
    inputs, outputs, *_ = weight.shape
    kernel, stride = _two(kernel_shape, count, 1), _two(strides, count, 1)
    begin, more = _two(pads[:count], count, 0), _two(output_padding, count, 0)
    high, wide = stride
    if high not in (1, wide):
        raise Unwritable("LiteRT has no transposed convolution of these strides")
    taps = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]
    zeros = [t * s - k for t, s, k in zip(taps, stride, kernel, strict=True)]

    def squares(array: Array) -> Array:
        whole = array.reshape(inputs, outputs, *kernel)
        whole = np.pad(whole, ((0, 0), (0, 0), (0, zeros[0]), (0, zeros[1])))
        split = whole.reshape(inputs, outputs, taps[0], high, taps[1], wide)
        turned = split[:, :, ::-1, :, ::-1].transpose(3, 5, 1, 2, 4, 0)
        return turned.reshape(-1, taps[0], taps[1], inputs)

    size = [
        (n - 1) * s - 2 * p + k + m
        for n, s, p, k, m in zip(
            flat.shape[2:], stride, begin, kernel, more, strict=True
        )
    ]
    ends = [
        t - 1 + max(0, -(-(p + y) // s) - (n + t - 1))
        for t, p, y, s, n in zip(taps, begin, size, stride, flat.shape[2:], strict=True)
    ]
    sides = [(t - 1, end) for t, end in zip(taps, ends, strict=True)]
    source = flat
    if any(map(any, sides)):
        source = _pad_by(to, flat, ((0, 0), (0, 0), *sides), 0.0)
    held = weight.taken(source.places.get(1), 0).then(("squares", stride), squares)
    bias = None if b is None else constant(b, "bias")
    if bias is not None:
        bias = bias.then(("tile", high * wide), lambda a: np.tile(a, high * wide))
    out = [n - t + 1 for n, t in zip(source.shape[2:], taps, strict=True)]
    y = to.add(
        "CONV_2D", [source, *to.weights(source, held, bias)],
        (flat.shape[0], outputs * high * wide, *out), last(4),
        options="Conv2D", padding=to.schema.Padding.VALID, strideH=1, strideW=1,
    )  # fmt: skip
    if high == 1:  # side by side they lie in place
        y = to.laid(y, (y.shape[0], outputs, out[0], out[1] * wide), last(4), {})
    else:
        y = _spaces(to, y, blocksize=wide)
    for axis, (p, n) in enumerate(zip(begin, size, strict=True), start=2):
        y = _chosen(to, y, axis, range(p, p + n))
    return _narrow(to, y, count + 2)


def _version(deep: bool, group: int, spread: Sequence[int]) -> int:
    if deep:
        return 2 if set(spread) != {1} else 1
    return 6 if group > 1 else 1


def _mapped(to: Walk, x: Tensor, weight: Constant, bias: Constant | None,
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


def _from_left(to: Walk, x: Tensor, weight: Constant, bias: Constant | None,
               axis: int) -> Tensor:  # fmt: skip
    """The same along the last axis but one, which a matrix from the left maps."""
    rows = weight.taken(x.places.get(axis), 1)
    shape = tuple(weight.shape[0] if a == axis else n for a, n in enumerate(x.shape))
    y = to.add(
        "BATCH_MATMUL", [to.constant(rows.reshaped((1, *rows.shape))), x],
        shape, x.order, options="BatchMatMul",
        places={a: p for a, p in x.places.items() if a != axis},
    )  # fmt: skip
    return y if bias is None else _tensor(_scaled(to, y, axis, None, bias))


def _gemm(to: Walk, x: Value, w: Value, b: Value | None = None, *, transB: int = 0
          ) -> Tensor:  # fmt: skip
    weight = constant(w, "weight")
    weight = weight if transB else weight.transposed((1, 0))
    bias = None if b is None else constant(b, "bias")
    return _mapped(to, _tensor(x), weight, bias)


def _matmul(to: Walk, a: Value, b: Value) -> Tensor:
    x = _tensor(a)
    rank = len(x.shape)
    if isinstance(b, Constant) and len(b.shape) == 2:
        return _mapped(to, x, b.transposed((1, 0)), None, axis=rank - 1)
    y = _tensor(b)
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


def _pool(code: str) -> Write:
    def write(
        to: Walk,
        x: Value,
        *,
        kernel_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        count_include_pad: int = 0,
    ) -> Tensor:
        given = _tensor(x)
        count = len(given.shape) - 2
        if set(dilations or (1,)) != {1}:
            raise Unwritable("LiteRT's pools have no dilation")
        flat = _flat(to, given)
        kernel, stride = _two(kernel_shape, count, 1), _two(strides, count, 1)
        sides = tuple(pads) if pads is not None else (0,) * (2 * count)
        begin, end = _two(sides[:count], count, 0), _two(sides[count:], count, 0)
        out = sizes_of(flat.shape[2:], kernel, stride, begin, end)
        mean = code == "AVERAGE_POOL_2D"
        scale: Array | None = None
        if mean and count_include_pad and any((*begin, *end)):
            # SAME would leave the padding out of the mean.
            both = tuple(zip(begin, end, strict=True))
            source = _pad_by(to, flat, ((0, 0), (0, 0), *both), 0.0)
            padding = to.schema.Padding.VALID
        else:
            fill = 0.0 if mean else float("-inf")
            source, padding = _padded(to, flat, out, kernel, stride, begin, fill)
            if mean and source.index != flat.index:
                scale = shares(flat.shape[2:], out, kernel, stride, begin)
        if max(*kernel, *stride) == 1 and source.index == flat.index:
            return given
        y = to.add(
            code, [source], (*flat.shape[:2], *out), last(4),
            options="Pool2D", places=flat.places, positive=flat.positive,
            padding=padding, strideH=stride[0], strideW=stride[1],
            filterHeight=kernel[0], filterWidth=kernel[1],
        )  # fmt: skip
        if scale is not None:
            y = replace(_tensor(_MUL(to, y, Constant.of(scale))), positive=y.positive)
        return _narrow(to, y, count + 2)

    return write


def _global(reduce: str) -> Write:
    def write(to: Walk, x: Value) -> Value:
        given = _tensor(x)
        axes = range(2, len(given.shape))
        return _reduced(to, given, axes, keep=True, code=reduce)

    return write


def _reduced(to: Walk, x: Tensor, axes: Sequence[int], *, keep: bool, code: str
             ) -> Tensor:  # fmt: skip
    stored = sorted(x.at(axis) for axis in axes)
    shape, order, places = left(x, axes, keep=keep)
    return to.add(code, [x, to.integer(*stored)], shape, order, options="Reducer",
                  keepDims=keep, places=places, positive=x.positive)  # fmt: skip


def _reduce(code: str) -> Write:
    def write(
        to: Walk,
        x: Value,
        axes: Value | Sequence[int] | None = None,
        *,
        keepdims: int = 1,
        **more: Any,
    ) -> Tensor:
        found = more.get("axes", axes)
        if found is None:
            raise Unwritable("it reduces the batch")
        listed = integers(found) if isinstance(found, Constant) else list(found)
        return _reduced(to, _tensor(x), listed, keep=bool(keepdims), code=code)

    return write


def _length(to: Walk, x: Value, axes: Value, *, keepdims: int = 1) -> Value:
    square = _tensor(_MUL(to, x, x))
    total = _reduced(to, square, integers(axes), keep=bool(keepdims), code="SUM")
    return _alone("SQRT", positive=True)(to, total)


# --- norms and softmax ----------------------------------------------------------------


def _scaled(to: Walk, x: Value, axis: int, *vectors: Value | None) -> Value:
    """``x`` times a vector along an axis plus another, so far as there are any."""
    given = _tensor(x)
    wide = tuple(-1 if a == axis else 1 for a in range(len(given.shape)))
    y: Value = given
    for write, vector in zip((_MUL, _ADD), vectors, strict=False):
        if vector is not None:
            held = constant(vector, "scale")
            y = write(to, y, held.reshaped(wide))
    return y


def _normed(to: Walk, x: Tensor, axes: Sequence[int], epsilon: float) -> Value:
    """With mean 0 and variance 1 over these axes."""
    mean = _reduced(to, x, axes, keep=True, code="MEAN")
    centred = _tensor(_SUB(to, x, mean))
    square = _tensor(_MUL(to, centred, centred))
    variance = _reduced(to, square, axes, keep=True, code="MEAN")
    root = _alone("RSQRT")(to, _ADD(to, variance, number(epsilon)))
    return _MUL(to, centred, root)


def _layer(to: Walk, x: Value, scale: Value | None = None, shift: Value | None = None,
           *, axis: int = -1, epsilon: float = 1e-5) -> Value:  # fmt: skip
    given = _tensor(x)
    at = axis % len(given.shape)
    if at != len(given.shape) - 1:
        raise Unwritable("a layer norm over several axes")
    return _scaled(to, _normed(to, given, [at], epsilon), at, scale, shift)


def _instance(to: Walk, x: Value, scale: Value, shift: Value, *, epsilon: float = 1e-5
              ) -> Value:  # fmt: skip
    given = _tensor(x)
    axes = range(2, len(given.shape))
    return _scaled(to, _normed(to, given, axes, epsilon), 1, scale, shift)


def _batch_norm(to: Walk, x: Value, *vectors: Value, epsilon: float = 1e-5) -> Value:
    scale, shift, mean, variance = (constant(v, "statistic") for v in vectors)
    root = variance.with_(number(epsilon), _root)
    gain = scale.with_(root, np.divide)
    return _scaled(to, x, 1, gain, shift.with_(mean.with_(gain, np.multiply),
                                               np.subtract))  # fmt: skip


def _root(variance: Array, epsilon: Array) -> Array:
    return np.sqrt(np.asarray(variance, np.float64) + epsilon).astype(np.float32)


def _group(to: Walk, x: Value, scale: Value, shift: Value, *, num_groups: int,
           epsilon: float = 1e-5) -> Value:  # fmt: skip
    given = _tensor(x)
    rank, channels = len(given.shape), given.shape[1]
    if num_groups == 1:
        return _scaled(to, _normed(to, given, range(1, rank), epsilon), 1, scale, shift)
    split = (given.shape[0], num_groups, channels // num_groups, *given.shape[2:])
    parts = reshaped(to, given, split)
    normed = _tensor(_normed(to, parts, range(2, rank + 1), epsilon))
    return _scaled(to, reshaped(to, normed, given.shape), 1, scale, shift)


def _local_response(to: Walk, x: Value, *, size: int, alpha: float, beta: float,
                    bias: float) -> Value:  # fmt: skip
    """By sums over windows of channels, Krizhevsky et al. 2012, in float32's digits.

    LiteRT's own operator is further off than rounding explains.
    """
    given = to.plain(_tensor(x), 1)
    square = _tensor(_MUL(to, given, given))
    sides = [(0, 0)] * len(given.shape)
    sides[1] = ((size - 1) // 2, size // 2)
    padded = _pad_by(to, square, sides, 0.0)
    total: Value = to.cut(padded, 1, range(given.shape[1]))
    for first in range(1, size):
        total = _ADD(to, total, to.cut(padded, 1, range(first, first + given.shape[1])))
    scale = _ADD(to, _MUL(to, total, number(alpha / size)), number(bias))
    power = _pair("POW", "Pow", np.power)(to, scale, number(-beta))
    return _MUL(to, given, power)


def _softmax(to: Walk, x: Value, *, axis: int = -1) -> Value:
    given = _tensor(x)
    at = axis % len(given.shape)
    if given.at(at) != len(given.shape) - 1:
        # SOFTMAX is along what lies last, and moving the axis would cost more.
        _, power, total = _powers(to, given, at)
        return _DIV(to, power, total)
    return _alone("SOFTMAX", "Softmax", positive=True)(to, given, beta=1.0)


def _log_softmax(to: Walk, x: Value, *, axis: int = -1) -> Value:
    given = _tensor(x)
    less, _, total = _powers(to, given, axis % len(given.shape))
    return _SUB(to, less, _alone("LOG")(to, total))


def _powers(to: Walk, x: Tensor, axis: int) -> tuple[Value, Tensor, Tensor]:
    """``x`` less its largest along an axis, the powers of e of that, and their sum."""
    less = _SUB(to, x, _reduced(to, x, [axis], keep=True, code="REDUCE_MAX"))
    power = _tensor(_alone("EXP", "Exp", positive=True)(to, less))
    return less, power, _reduced(to, power, [axis], keep=True, code="SUM")


# --- axes -----------------------------------------------------------------------------


def _concat(to: Walk, *parts: Value, axis: int) -> Value:
    if all(isinstance(part, Constant) for part in parts):
        return Constant.joined([constant(part, "part") for part in parts], axis)
    given = [part for part in parts if isinstance(part, Tensor)]
    sides = [_spread(to, part, given[0]) for part in parts]
    sides = [to.requantized(side) for side in sides]
    first = max(sides, key=lambda side: prod(side.shape))
    at = axis % len(first.shape)
    others = {a: p for a, p in first.places.items() if a != at}
    if any({a: p for a, p in s.places.items() if a != at} != others for s in sides):
        sides, others = [to.plain(side) for side in sides], {}
    places = dict(others)
    if any(at in side.places for side in sides):
        start, told = 0, []
        for side in sides:
            each = side.places.get(at, range(side.shape[at]))
            told += [start + place for place in each]
            start += side.shape[at]
        places[at] = tuple(told)
    return to.joined([to.ordered(side, first.order) for side in sides], at, places)


def _expand(to: Walk, x: Value, sizes: Value) -> Value:
    """A constant stands for all of the batch: who reads it spreads it."""
    given = constant(x, "part")
    more = constant(sizes, "size").shape[0] - len(given.shape)
    return given.reshaped((1,) * more + given.shape)


def _spread(to: Walk, part: Value, beside: Tensor) -> Tensor:
    """A constant once for each of the batch, which only a tensor tells the size of.

    BROADCAST_TO would take that size as the network runs, and XNNPACK then takes
    nothing of what follows.
    """
    if isinstance(part, Tensor):
        return part
    one = beside
    for axis in range(1, len(beside.shape)):
        one = _chosen(to, to.plain(one, axis), axis, range(1))
    nothing = _MUL(to, one, number(0.0))
    return _tensor(_ADD(to, nothing, part))


def _squares(to: Walk, x: Value, *, blocksize: int) -> Tensor:
    """Rows of the squares are moved, since XNNPACK has no SPACE_TO_DEPTH."""
    given = to.plain(_flat(to, _tensor(x)), 1)
    batch, channels, *sizes = given.shape
    high, wide = (n // blocksize for n in sizes)
    split = (batch * high, blocksize, wide, blocksize * channels)
    rows = to.ordered(to.laid(given, split, range(4), {}), (0, 2, 1, 3))
    return to.laid(rows, (batch, channels * blocksize**2, high, wide), last(4), {})


def _spaces(to: Walk, x: Value, *, blocksize: int, mode: str = "DCR") -> Tensor:
    """LiteRT has the places of a square first, and the channels of each after them."""
    given = _flat(to, _tensor(x))
    batch, channels, *sizes = given.shape
    area = blocksize**2
    wanted = np.arange(channels)
    if mode == "CRD":
        wanted = wanted.reshape(-1, area).T.ravel()
    told = tuple(map(int, wanted))
    if given.places.get(1, tuple(range(channels))) != told:
        given = _gathered(to, to.plain(given, 1), 1, told)
    shape = (batch, channels // area, *(n * blocksize for n in sizes))
    return to.add("DEPTH_TO_SPACE", [given], shape, last(4), options="DepthToSpace",
                  blockSize=blocksize, positive=given.positive)  # fmt: skip


def _chosen(to: Walk, x: Tensor, axis: int, chosen: range) -> Tensor:
    """Some elements along an axis; of shuffled ones those that lie together at once."""
    told = x.places.get(axis)
    if told is None:
        return (_gathered if chosen.step < 0 else Walk.cut)(to, x, axis, chosen)
    new = {place: i for i, place in enumerate(chosen)}
    kept = [i for i, place in enumerate(told) if place in new]
    rest = {a: p for a, p in x.places.items() if a != axis}
    source = replace(x, places=rest)
    y = _by_runs(to, source, axis, kept)
    left = tuple(new[told[i]] for i in kept)
    plain = left == tuple(range(len(left)))
    return replace(y, places=rest if plain else {**rest, axis: left})


def _by_runs(to: Walk, x: Tensor, axis: int, places: Sequence[int]) -> Tensor:
    """Elements along an axis, of which those that lie together are taken at once."""
    runs: list[range] = []
    for i in places:
        if runs and runs[-1].stop == i:
            runs[-1] = range(runs[-1].start, i + 1)
        else:
            runs.append(range(i, i + 1))
    if len(runs) > MANY:
        return _gathered(to, x, axis, places)
    parts = [x if len(run) == x.shape[axis] else to.cut(x, axis, run) for run in runs]
    return parts[0] if len(parts) == 1 else _tensor(_concat(to, *parts, axis=axis))


def _gathered(to: Walk, x: Tensor, axis: int, places: Sequence[int]) -> Tensor:
    found = Constant.of(np.asarray(places, np.int32))
    return to.add(
        "GATHER", [x, to.constant(found)],
        tuple(len(places) if a == axis else n for a, n in enumerate(x.shape)), x.order,
        options="Gather", axis=x.at(axis), places=x.places, positive=x.positive,
    )  # fmt: skip


def _gather(to: Walk, x: Value, places: Value, *, axis: int = 0) -> Value:
    at = constant(places, "index")
    if isinstance(x, Constant):
        return x.then(("gather", at.key, axis), lambda a: a.take(at.numbers, axis))
    axis %= len(x.shape)
    x = to.plain(x, axis)
    if len(at.shape) == 1:
        return _gathered(to, x, axis, integers(at))
    flat = _gathered(to, x, axis, integers(at))
    shape = (*x.shape[:axis], *at.shape, *x.shape[axis + 1 :])
    return reshaped(to, flat, shape)


def _resize(to: Walk, x: Value, *rest: Value | None, mode: str = "nearest",
            coordinate_transformation_mode: str = "half_pixel", **more: Any
            ) -> Tensor:  # fmt: skip
    given = _flat(to, _tensor(x))
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


def _cast(walk: Walk, value: Value, *, to: int) -> Tensor:
    """A camera's bytes as float32; nothing else is cast in a graph that is written."""
    x = _tensor(value)
    if walk.tensors[x.index].dtype != "uint8":
        raise Unwritable(f"it casts to the type {to}")
    kinds = walk.schema.TensorType
    return walk.add(
        "CAST", [x], x.shape, x.order, options="Cast", positive=True,
        inDataType=kinds.UINT8, outDataType=kinds.FLOAT32,
    )  # fmt: skip


def shuffled(to: Walk, op: ChannelShuffle, x: Tensor) -> Tensor:
    """A shuffle of channels, which is another way to read them and moves none."""
    channels = x.shape[1]
    new = np.arange(channels).reshape(-1, op.groups).T.ravel()
    told = x.places.get(1, tuple(range(channels)))
    return replace(x, places={**x.places, 1: tuple(int(new[i]) for i in told)})


#: What is written of each ONNX operator.
NODES: Final[Mapping[str, Write]] = {
    **emitted.NODES,
    "Add": _ADD, "Sub": _SUB, "Mul": _MUL, "Div": _DIV,
    "Max": _pair("MAXIMUM", "MaximumMinimum", np.maximum),
    "Min": _pair("MINIMUM", "MaximumMinimum", np.minimum),
    "Pow": _pair("POW", "Pow", np.power),
    "Relu": _rectified("RELU"), "Clip": _clip,
    "Sigmoid": _alone("LOGISTIC", positive=True), "Tanh": _alone("TANH"),
    "Exp": _alone("EXP", "Exp", positive=True), "Neg": _alone("NEG", "Neg"),
    "Sqrt": _alone("SQRT", positive=True), "Floor": _alone("FLOOR"),
    "HardSwish": _alone("HARD_SWISH", "HardSwish"), "HardSigmoid": _hardsigmoid,
    "LeakyRelu": _leaky, "PRelu": _prelu, "Elu": _elu, "Selu": _selu,
    "Softplus": _softplus, "Mish": _mish, "Gelu": _gelu, "Reciprocal": _reciprocal,
    "Conv": _conv, "ConvTranspose": _transposed, "Gemm": _gemm, "MatMul": _matmul,
    "MaxPool": _pool("MAX_POOL_2D"), "AveragePool": _pool("AVERAGE_POOL_2D"),
    "GlobalAveragePool": _global("MEAN"), "GlobalMaxPool": _global("REDUCE_MAX"),
    "ReduceMean": _reduce("MEAN"), "ReduceSum": _reduce("SUM"),
    "ReduceMax": _reduce("REDUCE_MAX"),
    "ReduceL2": _length, "LRN": _local_response, "GroupNormalization": _group,
    "SpaceToDepth": _squares, "DepthToSpace": _spaces, "Expand": _expand,
    "LayerNormalization": _layer, "InstanceNormalization": _instance,
    "BatchNormalization": _batch_norm, "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "Transpose": transposed, "Concat": _concat, "Slice": sliced(_chosen),
    "Gather": _gather, "Pad": _pad, "Resize": _resize, "Cast": _cast,
}  # fmt: skip
