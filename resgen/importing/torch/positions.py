"""Biases of attention for where positions lie, found by their numbers.

Sources gather them of a table, for all pairs of positions, and add what windows hide;
that is folded where it is read, since no input changes it.
"""

from __future__ import annotations

from math import prod

import numpy as np

from resgen.importing.views import Const, View, Views
from resgen.ops.base import ShapeError
from resgen.ops.relative_position import RelativePosition, rows
from resgen.ops.types import TensorType
from resgen.ops.window_mask import WindowMask
from resgen.ops.windowing import HIDDEN


def relative_position(r: Views, x: Const, table: Const, beside: View) -> View | None:
    """A bias of ``heads x positions x positions`` whose rows a table has, if it is one.

    Of a map as high as wide, or of one row.
    """
    *before, heads, positions, others = (1, *x.array.shape)[-max(x.array.ndim, 3) :]
    if table.array.ndim != 2 or positions != others or prod(before) != 1:
        return None
    for size in ((round(positions**0.5),) * 2, (positions,)):
        op = RelativePosition(size=size, heads=heads)
        if prod(size) != positions or op.shape != table.array.shape:
            continue
        made = table.array[list(rows(size))].T.reshape(heads, positions, positions)
        if np.array_equal(made, x.array.reshape(made.shape)):
            value = r.emit(op, [beside.value], {"": table}, path=table.path)
            return View(
                value, (*((),) * len(before), (0,), (1,), (2,))[-x.array.ndim :]
            )
    return None


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
