"""Biases of attention for where positions lie, found by where their numbers come from.

Sources gather them of a table, for all pairs of positions, and add what windows hide;
that is folded where it is read, since no input changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from resgen.importing.views import Const, View, Views
from resgen.ops.base import ShapeError
from resgen.ops.relative_lookup import RelativeLookup, counts, rows
from resgen.ops.relative_position import RelativePosition
from resgen.ops.types import TensorType
from resgen.ops.window_mask import WindowMask
from resgen.ops.windowing import HIDDEN
from resgen.weights.evaluate import Array

#: Strides of queries or keys that are tried.
STRIDES = 8


def of_table(r: Views, places: Array, table: Const, beside: View) -> View | None:
    """Numbers of a table for all pairs of positions, if they are that.

    ``places`` are where each stands in the table. That is ``ways x heads``, which the
    operator owns, or ``heads x ways`` with the ways by axis or not.
    """
    thin = places.squeeze()
    if thin.ndim != 3 or table.array.ndim < 2:
        return None
    many = [axis for axis, n in enumerate(places.shape) if n > 1]
    for whole, heads, step, factor in (
        (table.array.ndim == 2, table.array.shape[-1], 1, table.array.shape[-1]),
        (True, table.array.shape[0], prod(table.array.shape[1:]), 1),
    ):
        ways = table.array.size // heads
        for axis in range(3) if whole else ():
            first = np.take(thin, 0, axis)
            along = np.expand_dims(first, axis) + step * np.expand_dims(
                np.arange(thin.shape[axis]), [a for a in range(3) if a != axis]
            )
            if thin.shape[axis] != heads or (along != thin).any() or (first % factor).any():
                continue
            op = lookup(first // factor, ways)
            if op is None:
                continue
            if factor == heads:
                own = RelativePosition(heads=heads, **vars(op))
                value = r.emit(own, [beside.value], {"": table}, path=table.path)
            else:
                value = r.physical(flat_table(r, table, beside), [(0,), (1,)])
                value = r.emit(op, [value])
            pair = iter((1, 2))
            order = {a: (0,) if i == axis else (next(pair),) for i, a in enumerate(many)}
            return View(value, tuple(order.get(a, ()) for a in range(places.ndim)))
    return None


def flat_table(r: Views, table: Const, beside: View) -> View:
    """A table of ``heads x ways`` as a value, its ways in one axis."""
    found = r.reshape(r.value(table, beside), (len(table.array), -1))
    if not isinstance(found, View):
        raise TypeError(found)
    return found


def lookup(places: Array, ways: int) -> RelativeLookup | None:
    """The operator that picks these, ``queries x keys`` of so many ways, if any does."""
    for op in _candidates(places.shape, ways):
        if np.array_equal(np.reshape(rows(op), places.shape), places):
            return op
    return None


def _candidates(shape: tuple[int, ...], ways: int) -> Iterator[RelativeLookup]:
    """Operators of as many queries and keys, and of as many ways."""
    strides = [(1, 1)] if shape[0] == shape[1] else []
    for stride in range(2, STRIDES + 1):
        strides += [(stride, 1)] if shape[0] < shape[1] else [(1, stride)]
    for token in (False, True):
        positions = max(shape) - token
        sizes = [
            (n, positions // n) for n in range(2, positions) if positions % n == 0
        ]
        for size in ((positions,), *sizes):
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
