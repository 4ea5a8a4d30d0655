"""What belongs to a convolution, a linear map or a pool: biases and paddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from math import comb
from typing import Final

import numpy as np

from resgen.importing.calls import COPIES
from resgen.importing.rules.net import Net, Part
from resgen.importing.rules.norms import owner
from resgen.importing.signs import never_negative
from resgen.importing.unspoken import Padded
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Axes, Op, ShapeError, per_axis, plain_axes
from resgen.ops.blur_pool import MODES, BlurPool
from resgen.ops.concat import Concat
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.linear import Linear
from resgen.ops.max_pool import MaxPool
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame
from resgen.ops.slice import Slice

Rule = Callable[[Net, Part], bool]


def bias(net: Net, part: Part) -> bool:
    """A shift by channel after a map is its bias."""
    (x,) = part.inputs
    found: tuple[Part, Conv | Linear | ConvTranspose] | None = (
        net.made(x, Conv) or net.made(x, Linear) or net.made(x, ConvTranspose)
    )
    if found is None or not net.alone(x):
        return False
    before, op = found
    numbers, of = part.arrays[""], part.sources[""]
    if (net.named and part.path in of) or getattr(op, "own_path", False):
        return False
    if op.bias and bool(of) != bool(before.sources["bias"]):
        return False  # the learned one is to load as it is
    if op.bias:
        numbers = before.arrays["bias"] + numbers
        of = (*before.sources["bias"], *of)
    net.become(
        part,
        replace(op, bias=True),
        before.inputs,
        arrays={**before.arrays, "bias": numbers},
        sources={**before.sources, "bias": of},
        path=before.path or owner(part.path),
    )
    return True


def padded_conv(net: Net, part: Part) -> bool:
    """Zeros on both sides are the convolution's own; some are TensorFlow's "same"."""
    conv, pad = net.made(part.value, Conv), net.made(part.inputs[0], Pad)
    if conv is None or pad is None:
        return False
    op, x = conv[1], net.typed(part.inputs[0])
    begin, end = per_axis(pad[1].begin, x, "begin"), per_axis(pad[1].end, x, "end")
    kernel = per_axis(op.kernel, x, "kernel")
    dilation = per_axis(op.dilation, x, "dilation")
    usual = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    own = usual if op.padding is None else per_axis(op.padding, x, "padding")
    if begin == end:
        padding = tuple(a + b for a, b in zip(own, begin, strict=True))
        said = None if padding == usual else plain_axes(padding)
        net.become(
            part,
            replace(op, padding=said),
            pad[0].inputs,
            arrays=part.arrays,
            sources=part.sources,
            path=part.path,
        )
        return True
    same = PadSame(kernel=op.kernel, stride=op.stride, dilation=op.dilation)
    return not any(own) and _same(net, pad[0], begin, end, same)


def _same(
    net: Net, pad: Part, begin: tuple[int, ...], end: tuple[int, ...], same: PadSame
) -> bool:
    """Make a pad "same" where that comes to its numbers, and one operator reads it."""
    x = net.typed(pad.inputs[0])
    upper = all(e - b in (0, 1) for b, e in zip(begin, end, strict=True))
    if not upper or same.infer(x) != pad.type or not net.alone(pad.value):
        return False
    net.become(pad, same, pad.inputs)
    return True


def padded_pool(net: Net, part: Part) -> bool:
    """Zeros on both sides are the pool's own, where it counts them."""
    pool, pad = net.made(part.value, AvgPool), net.made(part.inputs[0], Pad)
    if pool is None or pad is None:
        return False
    op, x = pool[1], net.typed(part.inputs[0])
    begin, end = per_axis(pad[1].begin, x, "begin"), per_axis(pad[1].end, x, "end")
    if any(per_axis(op.padding, x, "padding")):
        return False
    kernel = per_axis(op.kernel, x, "kernel")
    if begin == end and all(2 * b <= k for b, k in zip(begin, kernel, strict=True)):
        net.become(part, replace(op, padding=plain_axes(begin)), pad[0].inputs)
        return True
    stride: Axes = op.kernel if op.stride is None else op.stride
    return _same(net, pad[0], begin, end, PadSame(kernel=op.kernel, stride=stride))


def padded_max(net: Net, part: Part) -> bool:
    """What can never win is the pool's own padding, its end ``ceil`` maybe.

    Where the pool cannot pad so, zeros do before what is never negative, and edges do.
    """
    pool, pad = net.made(part.value, MaxPool), net.made(part.inputs[0], Padded)
    if pool is None or pad is None or pad[1].mode != "constant":
        return False
    op, x = pool[1], net.typed(pad[0].inputs[0])
    if pad[1].value > -1e30 or pad[1].begin[0] or pad[1].end[0]:
        return False
    if any(per_axis(op.padding, x, "padding")):
        return False
    stride: Axes = op.kernel if op.stride is None else op.stride
    begin, end = pad[1].begin[1:], pad[1].end[1:]
    for ceil in (False, True):
        if any(e < b for b, e in zip(begin, end, strict=True)):
            break
        made = replace(op, padding=plain_axes(begin), ceil=ceil, stride=stride)
        if op.stride is None:
            made = replace(made, stride=None)
        try:
            fits = made.infer(x) == part.type
        except ShapeError:
            continue
        if fits:
            net.become(part, made, pad[0].inputs)
            return True
    if not net.alone(pad[0].value):
        return False
    around: Op = Pad(begin=plain_axes(begin), end=plain_axes(end))
    if not never_negative(pad[0].inputs[0], net.before):
        kernel, dilation = (per_axis(n, x, "") for n in (op.kernel, op.dilation))
        rows = zip(kernel, dilation, begin, end, strict=True)
        if any(d > 1 or b >= k or e >= k for k, d, b, e in rows):
            return False
        # Every window has the edge that it reaches beyond.
        around = replace(pad[1], mode="edge", value=0.0)
    net.become(pad[0], around, pad[0].inputs)
    return True


def blurred(net: Net, part: Part) -> bool:
    """A fixed binomial filter of each channel by itself, with what is padded for it.

    Before it, or by the convolution itself, as slimmed files have zeros.
    """
    conv = net.made(part.value, Conv)
    if conv is None or conv[1].bias:
        return False
    (kernel, *more), op = part.arrays["weight"].shape[2:], conv[1]
    if set(more) - {kernel} or kernel < 2 or op.groups != part.type.channels:
        return False
    usual = (kernel - 1) // 2 if op.padding is None else op.padding
    own = per_axis(usual, net.typed(part.inputs[0]), "padding")
    x, begin, end, mode = part.inputs[0], own, own, "constant"
    if not any(own) and (around := _around(net, x)):
        x, begin, end, mode = around
    row = [comb(kernel - 1, i) / 2 ** (kernel - 1) for i in range(kernel)]
    weight = reduce(np.multiply.outer, [np.array(row)] * (1 + len(more)))
    if not np.allclose(part.arrays["weight"], weight, rtol=1e-5, atol=0):
        return False
    named = next(name for name, (_, onnx) in MODES.items() if onnx == mode)
    made = BlurPool(kernel=kernel, stride=op.stride, padding_mode=named)
    kind = net.typed(x)
    if kind.channels != op.groups or begin != end or begin != made.padding(kind):
        return False
    net.become(part, made, [x])
    return True


def _around(
    net: Net, value: str
) -> tuple[str, tuple[int, ...], tuple[int, ...], str] | None:
    """What a value is a padding of, how many positions go before and after, and how."""
    if zeros := net.made(value, Pad):
        (x,), op = zeros[0].inputs, zeros[1]
        begin, end = (per_axis(n, net.typed(x), "pad") for n in (op.begin, op.end))
        return x, begin, end, "constant"
    edges = net.made(value, Padded)
    if edges is None or edges[1].mode == "constant":  # no zeros
        return None
    return edges[0].inputs[0], edges[1].begin[1:], edges[1].end[1:], edges[1].mode


def edged(net: Net) -> None:
    """Write what repeats or mirrors the edges of a map as parts of it beside it."""
    for part in list(net.parts.values()):
        pad = net.made(part.value, Padded)
        if pad is None or pad[1].mode == "constant":
            continue
        sides = list(zip(pad[1].begin, pad[1].end, strict=True))
        if sum(map(sum, sides)) > COPIES:
            continue
        (x,) = part.inputs
        axes = [axis for axis, around in enumerate(sides) if any(around)]
        for axis in axes:
            begin, end = sides[axis]
            last = net.typed(x).shape[axis] - 1
            mirrored = pad[1].mode == "reflect"
            before = [at * mirrored for at in range(begin, 0, -1)]
            after = [last - at * mirrored for at in range(1, end + 1)]
            edges = {
                at: net.insert(Slice(start=at, size=1, axis=axis), [x], part)
                for at in dict.fromkeys((*before, *after))
            }
            beside = [*(edges[at] for at in before), x, *(edges[at] for at in after)]
            if axis == axes[-1]:
                net.become(part, Concat(axis=axis), beside)
            else:
                x = net.insert(Concat(axis=axis), beside, part)


MAPS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "shift": (bias,),
    "conv": (blurred, padded_conv),
    "avg_pool": (padded_pool,),
    "max_pool": (padded_max,),
}
