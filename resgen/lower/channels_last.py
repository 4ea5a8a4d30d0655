"""Tensors with axes and channels in the order in which they lie, channels last.

An operator speaks of axes in PyTorch's order, channels first; LiteRT and Keras keep
channels last. A value is therefore a tensor and the order of its axes: another order of
axes, or a shuffle of channels, is another way to read the same tensor, and moves
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations
from math import prod
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from resgen.graph.ir import Graph
from resgen.graph.parts import homes

Array: TypeAlias = NDArray[Any]
#: Where a value's elements lie along an axis: the place of each that is stored.
Places: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Laid:
    """A tensor, read in PyTorch's order; ``held`` is what the form knows it by.

    ``shape`` holds the batch first. ``order`` are the axes as they are stored;
    ``places`` tells of an axis that is shuffled which element each stored one is.
    ``positive`` says that nothing is below zero.
    """

    held: Any
    shape: tuple[int, ...]
    order: tuple[int, ...]
    places: Mapping[int, Places] = field(default_factory=dict)
    positive: bool = False

    @property
    def stored(self) -> tuple[int, ...]:
        """The sizes as they are stored."""
        return tuple(self.shape[axis] for axis in self.order)

    def at(self, axis: int) -> int:
        """Where an axis is stored; one below zero counts from the last."""
        return self.order.index(axis % len(self.shape))


Value = TypeVar("Value", bound=Laid)


class Arranging(Protocol[Value]):
    """A walk that can arrange what it has made."""

    def plain(self, x: Value, *axes: int) -> Value:
        """With the elements along these axes, or all, in their own order."""

    def ordered(self, x: Value, order: Sequence[int]) -> Value:
        """With the axes stored in this order."""

    def laid(
        self,
        x: Value,
        shape: Sequence[int],
        order: Sequence[int],
        places: Mapping[int, Places],
    ) -> Value:
        """The same numbers one after another, in another shape."""


def refusal(graph: Graph, missing: Mapping[str, str], made: str) -> str:
    """That a graph cannot be ``made``: of each operator why not, and its place."""
    at = homes(graph)
    lines = [f"{graph.name} cannot be {made}:"]
    for name, why in missing.items():
        node = graph.node[name]
        place = node.origin.place
        lines.append(
            f"  {place.file}:{place.line}:{place.column}: {why}, for {node.op.name} in "
            f"{at[name].spoken}"
        )
    return "\n".join(lines)


def last(rank: int) -> tuple[int, ...]:
    """The order of axes that has channels last."""
    return (0, *range(2, rank), *((1,) if rank > 1 else ()))


def sizes_of(
    sizes: Sequence[int],
    extent: Sequence[int],
    stride: Sequence[int],
    begin: Sequence[int],
    end: Sequence[int],
) -> tuple[int, ...]:
    """How many windows there are by axis."""
    rows = zip(sizes, extent, stride, begin, end, strict=True)
    return tuple((n + b + e - k) // s + 1 for n, k, s, b, e in rows)


def shares(
    sizes: Sequence[int],
    out: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    begin: Sequence[int],
) -> Array:
    """What the mean of a whole window is multiplied by to be that of what is there."""
    found = np.ones((), np.float64)
    for n, y, k, s, b in zip(sizes, out, kernel, stride, begin, strict=True):
        start = np.arange(y) * s - b
        here = np.minimum(start + k, n) - np.maximum(start, 0)
        found = np.multiply.outer(found, k / here)
    return found.astype(np.float32)[None, None]


# --- axes that are merged or split ----------------------------------------------------


def reshaped(to: Arranging[Value], x: Value, shape: tuple[int, ...]) -> Value:
    """``x`` in another shape.

    Axes that become several are split where they lie. Those that become one have to lie
    side by side, in any order: how they lie is then how the one is shuffled. What lies
    otherwise is first put in order.
    """
    groups = list(_groups(x.shape, shape))
    turns: dict[int, list[int]] = {}
    for old, new in groups:
        mixed = [axis for axis in old if axis in x.places]
        if len(old) == 1 < len(new) and mixed:
            turn = _turned(x.places[old[0]], [shape[axis] for axis in new])
            if turn is not None:
                turns[old[0]] = [new[at] for at in turn]
                rest = {a: p for a, p in x.places.items() if a != old[0]}
                x = replace(x, places=rest)
                continue
        if mixed and (len(old), len(new)) != (1, 1):
            x = to.plain(x, *mixed)
    whole = [old for old, new in groups if len(new) == 1 and len(old) > 1]
    apart = any(len(old) > 1 and len(new) > 1 for old, new in groups)
    if apart or not all(_together(x, old) for old in whole):
        x = to.ordered(x, _arranged(x, groups))
    order: list[int] = []
    places: dict[int, Places] = {}
    of = {axis: group for group in groups for axis in group[0]}
    for axis in x.order:
        old, new = of[axis]
        if new and new[0] not in order:
            order += turns.get(axis, new)
        if len(new) == 1 and len(old) == 1 and axis in x.places:
            places[new[0]] = x.places[axis]
        if len(new) == 1 and len(old) > 1:
            told = _lying(x, old)
            if told is not None:
                places[new[0]] = told
    # Axes of size 1 that come of nothing are put where what is joined along them lies
    # one after another.
    order[1:1] = [axis for _, new in groups for axis in new if axis not in order]
    return to.laid(x, shape, order, places)


def _arranged(
    x: Laid, groups: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[int]:
    """The axes of each group together, and last the group that has what lies last.

    Those that become one stay in the order that they are in.
    """
    filled = [
        sorted(old, key=x.order.index) if len(new) == 1 else list(old)
        for old, new in groups
        if old
    ]
    filled.sort(key=lambda group: max(x.order.index(axis) for axis in group))
    inner = [axis for group in filled for axis in group if axis]
    return [0, *inner]


def _turned(places: Places, sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The order in which the parts of a shuffled axis lie, if they lie in one."""
    plain = np.arange(prod(sizes)).reshape(sizes)
    for turn in permutations(range(len(sizes))):
        if (plain.transpose(turn).ravel() == places).all():
            return turn
    return None


def _together(x: Laid, axes: Sequence[int]) -> bool:
    at = sorted(x.order.index(axis) for axis in axes if x.shape[axis] > 1)
    return all(b == a + 1 for a, b in pairwise(at)) or not [
        axis
        for axis in x.order[at[0] : at[-1] + 1]
        if axis not in axes and x.shape[axis] > 1
    ]


def _lying(x: Laid, axes: Sequence[int]) -> Places | None:
    """How the elements of these axes lie, if not one after another."""
    sizes = [x.shape[axis] for axis in axes]
    stored = [axes.index(axis) for axis in x.order if axis in axes]
    found = np.arange(prod(sizes)).reshape(sizes).transpose(stored).ravel()
    plain = (found == np.arange(len(found))).all()
    return None if plain else tuple(map(int, found))


def _groups(
    old: Sequence[int], new: Sequence[int]
) -> Iterator[tuple[list[int], list[int]]]:
    """The least runs of axes that hold as many elements before and after.

    The batch is a run of its own. An axis of size 1 goes with no other.
    """
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            yield [i], [j]
            i, j = i + 1, j + 1
            continue
        if i < len(old) and old[i] == 1:
            yield [i], []
            i += 1
            continue
        if j < len(new) and new[j] == 1:
            yield [], [j]
            j += 1
            continue
        a, b = [i], [j]
        i, j = i + 1, j + 1
        while (left := prod(old[k] for k in a)) != (right := prod(new[k] for k in b)):
            if left < right:
                a.append(i)
                i += 1
            else:
                b.append(j)
                j += 1
        yield a, b
