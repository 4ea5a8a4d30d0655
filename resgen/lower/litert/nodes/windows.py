"""Convolutions and pools, over windows that lie as PyTorch lays them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from resgen.lower.channels_last import Array, Places, last, shares, sizes_of
from resgen.lower.emitted import Constant, Unwritable, constant
from resgen.lower.litert.nodes.axes import padded_by, selected
from resgen.lower.litert.nodes.elementwise import MUL, Write, tensor
from resgen.lower.litert.nodes.maps import mapped
from resgen.lower.litert.nodes.positions import depth_to_space, narrowed, widened
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer


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
    to: Writer,
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
    return padded_by(to, x, sides, value), kinds.VALID


def _conv(
    to: Writer,
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
    given, weight = tensor(x), constant(w, "weight")
    count = len(given.shape) - 2
    bias = None if b is None else constant(b, "bias")
    plain = set(weight.shape[2:]) <= {1} and not any(pads or ()) and group == 1
    if plain and set(strides or (1,)) == {1} and count != 2:
        # A map of channels alone, whatever the axes of positions are.
        return mapped(to, given, weight.reshaped(weight.shape[:2]), bias)
    out_channels = weight.shape[0]
    multiple = out_channels // given.shape[1]
    deep = group == given.shape[1] and group > 1
    if 1 in given.places and group > 1 and not (deep and multiple == 1):
        given = to.plain(given, 1)
    if count == 3:
        return _deep(to, given, weight, bias, strides, pads, dilations, group)
    flat = widened(to, given)
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
    return narrowed(to, y, count + 2)


def _deep(
    to: Writer,
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
    to: Writer,
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
    given, weight = tensor(x), constant(w, "weight")
    count = len(given.shape) - 2
    flat = widened(to, given)
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
        source = padded_by(to, flat, ((0, 0), (0, 0), *sides), 0.0)
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
        y = depth_to_space(to, y, blocksize=wide)
    for axis, (p, n) in enumerate(zip(begin, size, strict=True), start=2):
        y = selected(to, y, axis, range(p, p + n))
    return narrowed(to, y, count + 2)


def _version(deep: bool, group: int, spread: Sequence[int]) -> int:
    if deep:
        return 2 if set(spread) != {1} else 1
    return 6 if group > 1 else 1


def _pool(code: str) -> Write:
    def write(
        to: Writer,
        x: Value,
        *,
        kernel_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        dilations: Sequence[int] | None = None,
        count_include_pad: int = 0,
    ) -> Tensor:
        given = tensor(x)
        count = len(given.shape) - 2
        if set(dilations or (1,)) != {1}:
            raise Unwritable("LiteRT's pools have no dilation")
        flat = widened(to, given)
        kernel, stride = _two(kernel_shape, count, 1), _two(strides, count, 1)
        sides = tuple(pads) if pads is not None else (0,) * (2 * count)
        begin, end = _two(sides[:count], count, 0), _two(sides[count:], count, 0)
        out = sizes_of(flat.shape[2:], kernel, stride, begin, end)
        mean = code == "AVERAGE_POOL_2D"
        scale: Array | None = None
        if mean and count_include_pad and any((*begin, *end)):
            # SAME would leave the padding out of the mean.
            both = tuple(zip(begin, end, strict=True))
            source = padded_by(to, flat, ((0, 0), (0, 0), *both), 0.0)
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
            y = replace(tensor(MUL(to, y, Constant.of(scale))), positive=y.positive)
        return narrowed(to, y, count + 2)

    return write


NODES: Final[Mapping[str, Write]] = {
    "Conv": _conv, "ConvTranspose": _transposed,
    "MaxPool": _pool("MAX_POOL_2D"), "AveragePool": _pool("AVERAGE_POOL_2D"),
}  # fmt: skip
