"""Paddings of any axes, as both sources write them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from resgen.importing.calls import Calls
from resgen.importing.unspoken import Padded
from resgen.importing.views import BATCH, Const, Seen, Unread, View, between, broadcast
from resgen.ops.base import plain_axes
from resgen.ops.pad import Pad
from resgen.ops.pad_channels import PadChannels

#: Positions before and after an axis of a tensor, by the axis.
Sides = Mapping[int, tuple[int, int]]


def trimmed(r: Calls, x: Seen, sides: Sides) -> tuple[Seen, Sides]:
    """The tensor without what is less than nothing around it, and the rest of that."""
    for axis, (begin, end) in sides.items():
        if begin < 0 or end < 0:
            start, stop = max(-begin, 0), r.shape(x)[axis] + min(end, 0)
            x = r.slice(x, axis, start, stop - start)
    grown = {axis: (max(b, 0), max(e, 0)) for axis, (b, e) in sides.items()}
    return x, {axis: around for axis, around in grown.items() if any(around)}


def surrounded(r: Calls, x: Seen, grown: Sides, number: float) -> Seen:
    """A number around axes of a tensor, which stands beside it as constants do."""
    if isinstance(x, Const):
        widths = [grown.get(axis, (0, 0)) for axis in range(x.array.ndim)]
        return broadcast(lambda a: np.pad(a, widths, constant_values=number), x)
    if not number:
        return padded(r, x, grown)
    for axis, sides in grown.items():
        parts: list[Seen] = [x]
        for at, count in enumerate(sides):
            if count:
                shape = list(r.shape(x))
                shape[0], shape[axis] = 1, count
                filled = Const(np.full(shape, number, np.float32))
                parts.insert(at * len(parts), filled)
        x = r.concat(parts, axis)
    return x


def edged(r: Calls, x: Seen, grown: Sides, mode: str, number: float = 0.0) -> View:
    """What lies at the edges around axes of a tensor, as ONNX calls the ``mode``."""
    if isinstance(x, Const):
        raise Unread(f"it pads by {mode} what no input changes")
    if 0 in grown:
        raise Unread("padding of the batch")
    sides = [grown.get(axis, (0, 0)) for axis in range(1, len(x.axes))]
    begin, end = zip(*sides, strict=True)
    op = Padded(begin=begin, end=end, mode=mode, value=number)
    return r.seen(r.emit(op, [r.standard(x)]))


def wrapped(r: Calls, x: Seen, grown: Sides) -> Seen:
    """The other end of each axis before and after it, as on a ring."""
    for axis, (begin, end) in grown.items():
        size = r.shape(x)[axis]
        sides = [r.slice(x, axis, size - begin, begin)] if begin else []
        sides += [x, r.slice(x, axis, 0, end)] if end else [x]
        x = r.concat(sides, axis)
    return x


def padded(r: Calls, x: View, grown: Sides) -> View:
    """Zeros around axes of a tensor, by axis."""
    own: dict[int, tuple[int, int]] = {}
    for axis in grown:
        if BATCH in x.axes[axis]:
            raise Unread("padding of the batch")
        x, _ = r.single(x, axis)
    for axis, sides in grown.items():
        own[x.axes[axis][0]] = sides
    made = x.value
    rank = r.to.types[made].rank
    if 0 in own:
        before, after = own.pop(0)
        channels = r.to.types[made].channels
        made = r.emit(PadChannels.around(channels, before, after), [made])
    if own:
        shape = r.to.types[made].shape
        # What lies between is one axis where there are more than paddings take.
        groups = [[0]]
        for axis in range(1, rank):
            if rank < 5 or {axis, axis - 1} & own.keys():
                groups.append([axis])
            else:
                groups[-1].append(axis)
        merged = tuple(prod(shape[a] for a in group) for group in groups)
        begin, end = (
            [own.get(group[0], (0, 0))[i] for group in groups[1:]] for i in (0, 1)
        )
        if merged != shape:
            made = r.emit(between(shape, merged), [made])
        made = r.emit(Pad(begin=plain_axes(begin), end=plain_axes(end)), [made])
        wide = tuple(n + sum(own.get(axis, (0, 0))) for axis, n in enumerate(shape))
        if merged != shape:
            made = r.emit(between(r.to.types[made].shape, wide), [made])
    return View(made, x.axes)
