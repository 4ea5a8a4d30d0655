"""What is moved along the axes: padded, cut, joined, gathered and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Final

import numpy as np

from resgen.lower.channels_last import reshaped
from resgen.lower.emitted import (
    Constant,
    Unwritable,
    constant,
    integers,
    number,
    sliced,
    transposed,
)
from resgen.lower.litert.nodes.elementwise import ADD, MUL, Write, tensor
from resgen.lower.litert.values import Tensor, Value
from resgen.lower.litert.writer import Writer
from resgen.ops.channel_shuffle import ChannelShuffle

#: Of more pieces than this a tensor is gathered, and not cut and put together.
MANY: Final = 16


def padded_by(
    to: Writer, x: Tensor, sides: Sequence[tuple[int, int]], value: float
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


def _pad(to: Writer, x: Value, pads: Value, value: Value | None = None, *,
         mode: str = "constant") -> Tensor:  # fmt: skip
    given, numbers = tensor(x), integers(pads)
    count = len(numbers) // 2
    sides = tuple(zip(numbers[:count], numbers[count:], strict=True))
    if min(numbers) < 0:
        raise Unwritable("it pads by less than nothing")
    if mode != "constant":
        for axis, (before, after) in enumerate(sides):
            if before or after:
                own = np.arange(given.shape[axis])
                told = np.pad(own, (before, after), mode=mode)  # type: ignore[call-overload]
                given = by_runs(to, to.plain(given, axis), axis, told.tolist())
        return given
    filled = 0.0 if value is None else float(constant(value, "padding").numbers)
    return padded_by(to, given, sides, filled)


def _concat(to: Writer, *parts: Value, axis: int) -> Value:
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


def _expand(to: Writer, x: Value, sizes: Value) -> Value:
    """A constant stands for all of the batch: who reads it spreads it."""
    given = constant(x, "part")
    more = constant(sizes, "size").shape[0] - len(given.shape)
    return given.reshaped((1,) * more + given.shape)


def _spread(to: Writer, part: Value, beside: Tensor) -> Tensor:
    """A constant once for each of the batch, which only a tensor tells the size of.

    BROADCAST_TO would take that size as the network runs, and XNNPACK then takes
    nothing of what follows.
    """
    if isinstance(part, Tensor):
        return part
    one = beside
    for axis in range(1, len(beside.shape)):
        one = selected(to, to.plain(one, axis), axis, range(1))
    nothing = MUL(to, one, number(0.0))
    return tensor(ADD(to, nothing, part))


def selected(to: Writer, x: Tensor, axis: int, chosen: range) -> Tensor:
    """Some elements along an axis; of shuffled ones those that lie together at once."""
    told = x.places.get(axis)
    if told is None:
        return (gathered if chosen.step < 0 else Writer.cut)(to, x, axis, chosen)
    new = {place: i for i, place in enumerate(chosen)}
    kept = [i for i, place in enumerate(told) if place in new]
    rest = {a: p for a, p in x.places.items() if a != axis}
    source = replace(x, places=rest)
    y = by_runs(to, source, axis, kept)
    left = tuple(new[told[i]] for i in kept)
    plain = left == tuple(range(len(left)))
    return replace(y, places=rest if plain else {**rest, axis: left})


def by_runs(to: Writer, x: Tensor, axis: int, places: Sequence[int]) -> Tensor:
    """Elements along an axis, of which those that lie together are taken at once."""
    runs: list[range] = []
    for i in places:
        if runs and runs[-1].stop == i:
            runs[-1] = range(runs[-1].start, i + 1)
        else:
            runs.append(range(i, i + 1))
    if len(runs) > MANY:
        return gathered(to, x, axis, places)
    parts = [x if len(run) == x.shape[axis] else to.cut(x, axis, run) for run in runs]
    return parts[0] if len(parts) == 1 else tensor(_concat(to, *parts, axis=axis))


def gathered(to: Writer, x: Tensor, axis: int, places: Sequence[int]) -> Tensor:
    """The elements at these places along an axis, wherever they lie."""
    found = Constant.of(np.asarray(places, np.int32))
    return to.add(
        "GATHER", [x, to.constant(found)],
        tuple(len(places) if a == axis else n for a, n in enumerate(x.shape)), x.order,
        options="Gather", axis=x.at(axis), places=x.places, positive=x.positive,
    )  # fmt: skip


def _gather(to: Writer, x: Value, places: Value, *, axis: int = 0) -> Value:
    at = constant(places, "index")
    if isinstance(x, Constant):
        return x.then(("gather", at.key, axis), lambda a: a.take(at.numbers, axis))
    axis %= len(x.shape)
    x = to.plain(x, axis)
    if len(at.shape) == 1:
        return gathered(to, x, axis, integers(at))
    flat = gathered(to, x, axis, integers(at))
    shape = (*x.shape[:axis], *at.shape, *x.shape[axis + 1 :])
    return reshaped(to, flat, shape)


def shuffled(to: Writer, op: ChannelShuffle, x: Tensor) -> Tensor:
    """A shuffle of channels, which is another way to read them and moves none."""
    channels = x.shape[1]
    new = np.arange(channels).reshape(-1, op.groups).T.ravel()
    told = x.places.get(1, tuple(range(channels)))
    return replace(x, places={**x.places, 1: tuple(int(new[i]) for i in told)})


NODES: Final[Mapping[str, Write]] = {
    "Transpose": transposed, "Concat": _concat, "Slice": sliced(selected),
    "Gather": _gather, "Pad": _pad, "Expand": _expand,
}  # fmt: skip
