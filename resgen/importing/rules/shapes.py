"""Changes of shape: what undoes another, shuffles, pools over a whole map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Final

from resgen.importing.calls import COPIES
from resgen.importing.rules.net import Net, Part
from resgen.importing.unspoken import Spread, Take
from resgen.importing.views import between
from resgen.ops.add import Add
from resgen.ops.base import Op, ShapeError, per_axis, plain_axes
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.concat import Concat
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.matmul import MatMul
from resgen.ops.norm import Norm
from resgen.ops.pixel_unshuffle import PixelUnshuffle
from resgen.ops.reduce_max import ReduceMax
from resgen.ops.reduce_mean import ReduceMean
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize, neighbours
from resgen.ops.scale import Scale
from resgen.ops.shift import Shift
from resgen.ops.slice import Slice
from resgen.ops.transpose import Transpose
from resgen.ops.types import TensorType
from resgen.ops.unflatten import Unflatten
from resgen.ops.unwindows import Unwindows
from resgen.ops.window_mask import WindowMask
from resgen.ops.windowing import Windowed
from resgen.ops.windows import Windows

Rule = Callable[[Net, Part], bool]
#: Operators that give elements in order another shape.
_SHAPED: Final = (Reshape, Flatten, Unflatten)
_MOVED: Final = (*_SHAPED, Transpose)


def shaped_twice(net: Net, part: Part) -> bool:
    """Shapes between two others are of no account."""
    inner = net.parts.get(part.inputs[0])
    if inner is None or not isinstance(inner.op, _SHAPED):
        return False
    (x,) = inner.inputs
    if net.typed(x) == part.type:
        net.bypass(part, x)
    else:
        net.become(part, between(net.typed(x).shape, part.type.shape), [x])
    return True


def spread_after(net: Net, part: Part) -> bool:
    """Last axes that are repeated, and that keep their places, are so afterwards."""
    spread = net.made(part.inputs[0], Spread)
    if spread is None:
        return False
    (x,) = spread[0].inputs
    now, wide, target = net.typed(x).shape, spread[1].to, part.type.shape
    kept = 0
    while kept < min(len(wide), len(target)) and wide[-1 - kept] == target[-1 - kept]:
        kept += 1
    if not kept or now[-kept:] == wide[-kept:]:
        return False
    before = (*wide[:-kept], *now[-kept:])
    if before != now:
        x = net.insert(Spread(to=before), [x], part)
    once_each = (*target[:-kept], *now[-kept:])
    if once_each != before:
        x = net.insert(between(before, once_each), [x], part)
    net.become(part, Spread(to=target), [x])
    return True


def once(net: Net, part: Part) -> bool:
    """What makes the same of one value as another does is that one."""
    for value in net.readers[part.inputs[0]]:
        if value == part.value:
            return False  # the first of them stays
        other = net.parts[value]
        if other.op == part.op and other.inputs == part.inputs:
            net.bypass(part, value)
            return True
    return False


def between_rows(net: Net, part: Part) -> bool:
    """A linear map of positions in a row, which then lie as before, is of the map.

    So slimmed files write those that torch has over the last of several axes.
    """
    linear = net.made(part.inputs[0], Linear)
    shaped = net.parts.get(linear[0].inputs[0]) if linear else None
    if linear is None or shaped is None or not isinstance(shaped.op, _SHAPED):
        return False
    before, (x,) = linear[0], shaped.inputs
    shape = net.typed(x).shape
    rows = net.typed(before.inputs[0]).channels == shape[0]
    if part.type.shape != (before.type.channels, *shape[1:]) or not rows:
        return False
    net.apply(before, part, [x])
    return True


def scaled_before(net: Net, part: Part) -> bool:
    """A fixed factor goes behind a change of shape, where a product may have it."""
    scale = net.made(part.inputs[0], Scale)
    readers = (net.parts[value].op for value in net.readers[part.value])
    if scale is None or not all(isinstance(op, (MatMul, *_MOVED)) for op in readers):
        return False
    net.become(part, scale[1], [net.insert(part.op, scale[0].inputs, part)])
    return True


def turned_apart(net: Net, part: Part) -> bool:
    """A shuffle whose channels are then split and turned leaves them as they were."""
    turned, split = net.made(part.value, Transpose), net.made(part.inputs[0], Unflatten)
    mixed = net.made(split[0].inputs[0], ChannelShuffle) if split else None
    if turned is None or split is None or mixed is None or split[1].axis != 0:
        return False
    rank, groups = part.type.rank, mixed[1].groups
    if _order(turned[1], rank) != (1, 0, *range(2, rank)):
        return False
    if split[1].sizes != (mixed[0].type.channels // groups, groups):
        return False
    net.become(part, Unflatten(sizes=split[1].sizes[::-1]), mixed[0].inputs)
    return True


def turned_around(net: Net, part: Part) -> bool:
    """An order of axes is before a split, and one with that before a change of shape.

    Where axes that are merged or split with each other stay side by side.
    """
    turned, shaped = net.made(part.value, Transpose), net.parts.get(part.inputs[0])
    if turned is None or shaped is None or not isinstance(shaped.op, _SHAPED):
        return False
    (x,) = shaped.inputs
    groups = list(regrouped(net.typed(x).shape, shaped.type.shape))
    splits = all(len(own) == 1 for own, _ in groups)
    if not splits and net.made(x, Transpose) is None:
        return False
    left, order = _order(turned[1], part.type.rank), list[int]()
    while left:
        own, made = next(group for group in groups if left[0] in group[1])
        if left[: len(made)] != made:
            return False
        left = left[len(made) :]
        order += own
    turn = net.insert(Transpose(axes=tuple(order)), [x], part)
    net.become(part, between(net.typed(turn).shape, part.type.shape), [turn])
    return True


def turned_through(net: Net, part: Part) -> bool:
    """An order of axes, a split of some and another order are a split and an order."""
    turned, split = net.made(part.value, Transpose), net.parts.get(part.inputs[0])
    if turned is None or split is None or not isinstance(split.op, _SHAPED):
        return False
    first = net.made(split.inputs[0], Transpose)
    groups = list(regrouped(net.typed(split.inputs[0]).shape, split.type.shape))
    if first is None or any(len(own) != 1 for own, _ in groups):
        return False
    (x,) = first[0].inputs
    source = _order(first[1], first[0].type.rank)
    made = dict(zip(source, (made for _, made in groups), strict=True))
    before = [axis for own in range(len(source)) for axis in made[own]]
    shape = tuple(split.type.shape[axis] for axis in before)
    order = tuple(before.index(a) for a in _order(turned[1], part.type.rank))
    y = net.insert(between(net.typed(x).shape, shape), [x], part)
    net.become(part, Transpose(axes=order), [y])
    return True


def turned_bare(net: Net, part: Part) -> bool:
    """An order of axes of which those of size 1 then go is of what has none."""
    turned = net.made(part.inputs[0], Transpose)
    if turned is None or not isinstance(part.op, _SHAPED):
        return False
    (x,) = turned[0].inputs
    shape, order = net.typed(x).shape, _order(turned[1], turned[0].type.rank)
    long = [axis for axis in order if shape[axis] > 1]
    if len(long) == len(shape) or part.type.shape != tuple(shape[a] for a in long):
        return False
    kept = sorted(long)
    bare = net.insert(between(shape, tuple(shape[a] for a in kept)), [x], part)
    net.become(part, Transpose(axes=tuple(kept.index(a) for a in long)), [bare])
    return True


def regrouped(
    now: tuple[int, ...], target: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Neighbours among the axes of two shapes that hold as many elements, the fewest.

    Axes of size 1 belong to what is before them.

    >>> list(regrouped((2, 3, 16), (6, 4, 4)))
    [((0, 1), (0,)), ((2,), (1, 2))]
    """
    a = b = 0
    while a < len(now):
        first, begin = a, b
        a, b = a + 1, b + 1
        while (left := prod(now[first:a])) != (right := prod(target[begin:b])):
            a, b = a + (left < right), b + (left > right)
        while a < len(now) and now[a] == 1:
            a += 1
        while b < len(target) and target[b] == 1:
            b += 1
        yield (*range(first, a),), (*range(begin, b),)


def split_after(net: Net, part: Part) -> bool:
    """A linear map is of positions as they were before they were split."""
    split = net.made(part.inputs[0], Unflatten)
    readers = (net.parts[value].op for value in net.readers[part.value])
    if (
        split is None
        or split[1].axis == 0
        or any(isinstance(r, Shift) for r in readers)
    ):
        return False  # what may be its bias is taken in before
    y = net.insert(
        part.op,
        split[0].inputs,
        part,
        arrays=part.arrays,
        sources=part.sources,
    )
    net.become(part, split[1], [y], path=split[0].path)
    return True


def turned_alone(net: Net, part: Part) -> bool:
    """Axes of size 1 that change places change no order of elements."""
    turned, shape = net.made(part.value, Transpose), net.typed(part.inputs[0]).shape
    order = _order(turned[1], len(shape)) if turned else ()
    long = [axis for axis in order if shape[axis] > 1]
    if not order or long != sorted(long) or part.type.shape == shape:
        return False
    net.become(part, between(shape, part.type.shape), part.inputs)
    return True


def turned_twice(net: Net, part: Part) -> bool:
    """Two orders of axes are one, or none."""
    outer, inner = net.made(part.value, Transpose), net.made(part.inputs[0], Transpose)
    rank = part.type.rank
    if outer and _order(outer[1], rank) == tuple(range(rank)):
        net.bypass(part, part.inputs[0])
        return True
    if outer is None or inner is None:
        return False
    first, second = (_order(p.op, part.type.rank) for p in (inner[0], outer[0]))
    order = tuple(first[axis] for axis in second)
    (x,) = inner[0].inputs
    if order == tuple(range(len(order))):
        net.bypass(part, x)
    else:
        net.become(part, Transpose(axes=order), [x])
    return True


def _order(op: Op, rank: int) -> tuple[int, ...]:
    axes = op.axes if isinstance(op, Transpose) else ()
    return (*axes, *range(len(axes), rank))


def shuffle(net: Net, part: Part) -> bool:
    """Channels split into groups, turned and merged again are shuffled."""
    merged = net.made(part.value, Flatten)
    turned = net.made(part.inputs[0], Transpose) if merged else None
    split = net.made(turned[0].inputs[0], Unflatten) if turned else None
    if merged is None or turned is None or split is None:
        return False
    rank = turned[0].type.rank
    if merged[1].axes != (0, 1) or _order(turned[1], rank) != (1, 0, *range(2, rank)):
        return False
    if split[1].axis != 0 or len(split[1].sizes) != 2 or part.type.rank < 2:
        return False
    net.become(part, ChannelShuffle(groups=split[1].sizes[0]), split[0].inputs)
    return True


def squares(net: Net, part: Part) -> bool:
    """Positions split into squares that go before them are channels."""
    turned = net.made(part.inputs[0], Transpose)
    split = net.parts.get(turned[0].inputs[0]) if turned else None
    if turned is None or split is None or not isinstance(split.op, _SHAPED):
        return False
    (x,) = split.inputs
    shape = net.typed(x).shape
    if len(shape) != 3 or split.type.rank != 5 or part.type.rank != 3:
        return False
    channels, high, factor, wide, other = split.type.shape
    wanted = (channels, high * factor, wide * other) == shape and factor == other
    if not wanted or _order(turned[1], 5) != (0, 2, 4, 1, 3):
        return False
    if part.type.shape != (channels * factor**2, high, wide):
        return False
    net.become(part, PixelUnshuffle(factor=factor), [x])
    return True


def unshuffled(net: Net, part: Part) -> bool:
    """A shuffle that undoes another leaves nothing."""
    outer = net.made(part.value, ChannelShuffle)
    inner = net.made(part.inputs[0], ChannelShuffle)
    if outer is None or inner is None:
        return False
    if outer[1].groups * inner[1].groups != part.type.channels:
        return False
    net.bypass(part, inner[0].inputs[0])
    return True


def pooled(net: Net, part: Part) -> bool:
    """A mean or maximum over all positions of a map is a global pool."""
    found: tuple[Part, ReduceMean | ReduceMax] | None = net.made(
        part.value, ReduceMean
    ) or net.made(part.value, ReduceMax)
    x = net.typed(part.inputs[0])
    if found is None or x.rank < 3 or found[1].axes != tuple(range(1, x.rank)):
        return False
    pool = GlobalPool(type="avg" if isinstance(found[1], ReduceMean) else "max")
    if found[1].keep:
        net.become(part, pool, part.inputs)
    else:
        net.become(part, Flatten(), [net.insert(pool, part.inputs, part)])
    return True


def group(net: Net, part: Part) -> bool:
    """Groups of channels as instances, as older sets of ONNX write a group norm."""
    norm = net.made(part.inputs[0], Norm)
    if norm is None or norm[1].type != "instance" or norm[1].affine:
        return False
    (inner,) = norm[0].inputs
    shaped = net.parts.get(inner)
    if shaped is None or not isinstance(shaped.op, _SHAPED):
        return False
    (x,) = shaped.inputs
    groups, shape = norm[0].type.channels, net.typed(x).shape
    if shape[0] != part.type.channels or part.type.channels % groups:
        return False
    op = Norm(type="group", groups=groups, eps=norm[1].eps, affine=False)
    try:
        op.infer(part.type)
    except ShapeError:
        return False
    if shape != part.type.shape:
        x = net.insert(between(shape, part.type.shape), [x], part)
    net.become(part, op, [x])
    return True


def nested(net: Net, part: Part) -> bool:
    """What begins as another concatenation is that one and the rest.

    So a dense block's growing map is each time the last one and what is new.
    """
    op = part.op
    for value in net.readers.get(part.inputs[0], ()):
        other = net.made(value, Concat)
        if other is None or value == part.value or other[1] != op:
            continue
        count = len(other[0].inputs)
        if 1 < count < len(part.inputs) and part.inputs[:count] == other[0].inputs:
            net.become(part, op, [value, *part.inputs[count:]], path=part.path)
            return True
    return False


def joined(net: Net, part: Part) -> bool:
    """What one other concatenation of the same axis alone reads is part of it."""
    for at, value in enumerate(part.inputs):
        inner = net.made(value, Concat)
        if inner and inner[1] == part.op and net.alone(value):
            inputs = (*part.inputs[:at], *inner[0].inputs, *part.inputs[at + 1 :])
            net.become(part, part.op, inputs, path=part.path)
            return True
    return False


def _rolled(net: Net, value: str) -> tuple[str, tuple[int, ...]] | None:
    """What a map was that was moved round its edges, and its positions at the start.

    By axis, so many of them have gone behind all others.
    """
    moved = [0] * len(net.typed(value).spatial)
    while joined := net.made(value, Concat):
        axis, inputs = joined[1].axis, joined[0].inputs
        rest, first = net.made(inputs[0], Slice), net.made(inputs[-1], Slice)
        if axis == 0 or len(inputs) != 2 or rest is None or first is None:
            break
        at, size = rest[1].start, joined[0].type.shape[axis]
        if (
            moved[axis - 1]
            or first[0].inputs != rest[0].inputs
            or first[1] != Slice(start=0, size=at, axis=axis)
            or rest[1] != Slice(start=at, size=size - at, axis=axis)
        ):
            break
        moved[axis - 1], (value,) = at, rest[0].inputs
    return (value, tuple(moved)) if all(moved) else None


def windows_moved(net: Net, part: Part) -> bool:
    """Windows on a map that was moved round its edges are shifted ones."""
    op, rolled = part.op, _rolled(net, part.inputs[0])
    if not isinstance(op, Windows) or rolled is None or not _shiftable(op, rolled[1]):
        return False
    for value in dict.fromkeys(net.readers[part.inputs[0]]):
        reader = net.parts[value]
        if isinstance(reader.op, Unwindows | WindowMask):  # that ask for its size alone
            sized = replace(reader.op, like="")
            net.become(reader, sized, [reader.inputs[0], rolled[0]], path=reader.path)
    net.become(part, replace(op, shift=plain_axes(rolled[1])), [rolled[0]])
    return True


def map_moved(net: Net, part: Part) -> bool:
    """A map of windows that is then moved round its edges is one of shifted ones."""
    rolled = _rolled(net, part.value)
    whole = net.made(rolled[0], Unwindows) if rolled else None
    if rolled is None or whole is None or any(per_axis(whole[1].shift, part.type, "")):
        return False
    shift = tuple(n - at for n, at in zip(part.type.spatial, rolled[1], strict=True))
    if not _shiftable(whole[1], shift):
        return False
    net.become(part, replace(whole[1], shift=plain_axes(shift)), whole[0].inputs)
    return True


def _shiftable(op: Windowed, shift: tuple[int, ...]) -> bool:
    size = per_axis(op.size, TensorType((1, *shift)), "size")
    moved = per_axis(op.shift, TensorType((1, *shift)), "shift")
    return not any(moved) and all(n < s for n, s in zip(shift, size, strict=True))


def summed(net: Net, part: Part) -> bool:
    """A sum that one other alone reads is part of it."""
    for at, value in enumerate(part.inputs):
        inner = net.made(value, Add)
        if inner and net.alone(value):
            inputs = (*part.inputs[:at], *inner[0].inputs, *part.inputs[at + 1 :])
            net.become(part, Add(), inputs, path=part.path)
            return True
    return False


def nearest(net: Net, part: Part) -> bool:
    """Positions taken along both axes, as torch takes neighbours."""
    take = net.made(part.value, Take)
    if take is None or take[1].axis == 0 or part.type.rank < 2:
        return False
    inner = net.made(part.inputs[0], Take)
    source = inner[0].inputs[0] if inner else part.inputs[0]
    takes = [take[1], *([inner[1]] if inner else [])]
    before, after = net.typed(source).spatial, part.type.spatial
    rows: dict[int, tuple[int, ...]] = dict.fromkeys(range(len(before)), ())
    rows |= {t.axis - 1: t.places for t in takes}
    for axis, places in rows.items():
        if places and list(places) != neighbours(before[axis], after[axis]):
            return False
    like = net.sized(part, after)
    if like is None:
        return False
    net.become(part, Resize(like=""), [source, like])
    return True


def spread_out(net: Net) -> None:
    """Write what is still repeated to a shape by an operator of the language.

    A map takes the size of what it is read together with. Few positions are written
    side by side, many take the size of any map that has it.
    """
    for part in list(net.parts.values()):
        if not isinstance(part.op, Spread):
            continue
        (x,) = part.inputs
        shape, wide = net.typed(x).shape, part.type.shape
        axes = [a for a, n in enumerate(shape) if n != wide[a]]
        few = all(wide[axis] <= COPIES for axis in axes)
        like = None
        if 1 < len(shape) < 5 and shape[0] == part.type.channels:
            after = net.after(part)
            near = (v for r in net.readers[part.value] for v in net.parts[r].inputs)
            beside = (v for v in near if v not in after and net.typed(v).shape == wide)
            like = next(beside, None)
            if like is None and not few:
                like = net.sized(part, part.type.spatial)
        if like is not None:
            net.become(part, Resize(like=""), [x, like])
        elif few:
            for axis in axes[:-1]:
                x = net.insert(Concat(axis=axis), [x] * wide[axis], part)
            net.become(part, Concat(axis=axes[-1]), [x] * wide[axes[-1]])


SHAPES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "reshape": (
        once, squares, group, shaped_twice, between_rows, spread_after, scaled_before,
        turned_bare,
    ),
    "flatten": (
        once, shuffle, squares, group, shaped_twice, spread_after, scaled_before,
        turned_bare,
    ),
    "unflatten": (
        once, group, shaped_twice, between_rows, spread_after, scaled_before,
    ),
    "transpose": (
        once, scaled_before, turned_twice, turned_alone, turned_apart, turned_around,
        turned_through,
    ),
    "linear": (split_after,),
    "slice": (once,),
    "spread": (once,),
    "channel_shuffle": (once, unshuffled),
    "reduce_mean": (pooled,),
    "reduce_max": (pooled,),
    "concat": (nested, joined, map_moved),
    "max_pool": (once,),
    "avg_pool": (once,),
    "windows": (windows_moved,),
    "add": (summed,),
    "take": (nearest,),
}  # fmt: skip
