"""Biases of attention for where positions lie, found by where their numbers come from.

Sources gather them of a table, for all pairs of positions, and add what windows hide;
that is folded where it is read, since no input changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Final

import numpy as np

from resgen.importing.views import Const, Seen, View, Views
from resgen.ops.base import ShapeError
from resgen.ops.relative_lookup import RelativeLookup, counts, rows
from resgen.ops.relative_position import RelativePosition
from resgen.ops.types import TensorType
from resgen.ops.window_mask import WindowMask
from resgen.ops.windowing import HIDDEN
from resgen.weights.evaluate import Array

#: Strides of queries or keys that are tried.
STRIDES: Final = 8


def of_table(r: Views, places: Array, table: Const, beside: View) -> View | None:
    """Numbers of a table for all pairs of positions, if they are that.

    ``places`` are where each stands in the table. That is ``ways x heads``, which the
    operator owns, or ``heads x ways`` with the ways by axis or not.
    """
    thin = places.squeeze()
    if thin.ndim != 3 or table.array.ndim < 2:
        return None
    for axis, heads in enumerate(thin.shape):
        first = np.take(thin, [0], axis)
        head = np.arange(heads).reshape([-1 if a == axis else 1 for a in range(3)])
        ways, rest = divmod(table.array.size, heads)
        if rest:
            continue
        if table.array.shape == (ways, heads) and np.array_equal(first + head, thin):
            op = lookup(first.squeeze(axis) // heads, ways)
            if op is not None and not (first % heads).any():
                own = RelativePosition(heads=heads, **vars(op[0]))
                made = r.emit(own, [beside.value], {"": table}, path=table.path)
                return _placed(made, axis, op[1], places.shape)
        if len(table.array) == heads and np.array_equal(first + ways * head, thin):
            op = lookup(first.squeeze(axis), ways)
            if op is not None:
                flat = r.reshape(r.value(table, beside), (heads, ways))
                return _placed(_looked_up(r, op[0], flat, 1), axis, op[1], places.shape)
    return None


def of_ways(r: Views, x: Seen, axis: int, places: Array) -> View | None:
    """Positions of an axis for all pairs of others, if they are that.

    ``places`` are a matrix of them, or one row after the other.
    """
    if not isinstance(x, View) or len(x.axes) != 2 or places.size < 4:
        return None
    sides = places.shape
    if len(sides) == 1:
        sides = (round(places.size**0.5),) * 2
    if len(sides) != 2 or prod(sides) != places.size:
        return None
    found = lookup(places.reshape(sides), r.shape(x)[axis])
    if found is None:
        return None
    op, turned = found
    made = _placed(_looked_up(r, op, x, axis), 0, turned, (0, 2, 2))
    heads, *pair = made.axes
    pairs = (*pair,) if places.ndim == 2 else ((*pair[0], *pair[1]),)
    return r.settled(View(made.value, (heads, *pairs) if axis else (*pairs, heads)))


def _looked_up(r: Views, op: RelativeLookup, table: Seen, axis: int) -> str:
    """The value of a lookup in ``table``, whose ways are along an axis of two."""
    if not isinstance(table, View):
        raise TypeError(table)
    return r.emit(op, [r.physical(table, [table.axes[1 - axis], table.axes[axis]])])


def _placed(value: str, heads: int, turned: bool, shape: tuple[int, ...]) -> View:
    """Heads, queries and keys as the axes that are not of size 1 of a tensor.

    Heads are the one of this number, keys come before queries where it is ``turned``.
    """
    pair: list[tuple[int, ...]] = [(2,), (1,)] if turned else [(1,), (2,)]
    pair.insert(heads, (0,))
    return View(value, tuple(pair.pop(0) if n != 1 else () for n in shape))


def lookup(places: Array, ways: int) -> tuple[RelativeLookup, bool] | None:
    """The operator that picks these, ``queries x keys`` of so many ways, if any does.

    And whether it does the other way round, as ``keys x queries``.
    """
    for turned, wanted in ((False, places), (True, places.T)):
        for op in _candidates(wanted.shape, ways):
            if np.array_equal(np.reshape(rows(op), wanted.shape), wanted):
                return op, turned
    return None


def _candidates(shape: tuple[int, ...], ways: int) -> Iterator[RelativeLookup]:
    """Operators of as many queries and keys, and of as many ways."""
    strides = [(1, 1)] if shape[0] == shape[1] else []
    for stride in range(2, STRIDES + 1):
        strides += [(stride, 1)] if shape[0] < shape[1] else [(1, stride)]
    for token in (False, True):
        positions = max(shape) - token
        for size in _factored(positions, 3):
            for absolute in (False, True):
                for query, key in strides:
                    op = RelativeLookup(
                        size=size,
                        absolute=absolute,
                        query_stride=query,
                        key_stride=key,
                        token=token,
                    )
                    if op.ways == ways and counts(op) == shape:
                        yield op


def _factored(count: int, axes: int) -> Iterator[tuple[int, ...]]:
    """Sizes of maps of so many positions, of at most so many axes."""
    yield (count,)
    for n in range(2, count if axes > 1 else 0):
        if count % n == 0:
            yield from ((n, *rest) for rest in _factored(count // n, axes - 1))


def window_mask(r: Views, x: Const, bias: View) -> View | None:
    """A bias of windows on a map together with what their shift hides, if that is it.

    ``x`` is ``... x windows x 1 x positions x positions``.
    """
    shape = x.array.shape
    if len(shape) < 4 or shape[-3] != 1 or prod(shape) != prod(shape[-4:]):
        return None
    count, _, positions, _ = shape[-4:]
    side = round(positions**0.5)
    mask = x.array.reshape(count, positions, positions)
    if side * side != positions or set(np.unique(mask)) != {0, HIDDEN}:
        return None
    op = WindowMask(size=side, shift=side // 2, like="")
    for like, of in reversed(r.to.types.items()):
        if of.rank != 3 or prod(of.spatial) != count * positions:
            continue
        try:
            regions = op.windows(TensorType(of.shape)).regions()
        except ShapeError:
            continue
        hidden = [[[a != b for b in places] for a in places] for places in regions]
        if np.array_equal(np.asarray(hidden), mask != 0):
            made = r.emit(
                WindowMask(size=side, shift=side // 2, like=like), [bias.value, like]
            )
            return View(made, (*((),) * (len(shape) - 4), (0,), (1,), (2,), (3,)))
    return None
