"""Reshape in ONNX, with the batch and maybe the positions unknown."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from resgen.ops.base import OnnxWriter, ShapeError
from resgen.ops.types import TensorType, Value


def check_axis(axis: int, x: TensorType, attribute: str = "axis") -> int:
    """The axis, if ``x`` has it."""
    if not 0 <= axis < x.rank:
        raise ShapeError(
            f"there is no axis {axis}: the input is {x}, whose axes are 0 to "
            f"{x.rank - 1}",
            attribute=attribute,
            code="RG112",
        )
    return axis


def write_reshape(
    to: OnnxWriter, x: Value, first: int, sizes: Sequence[int], last: int
) -> str:
    """Give axes ``first`` to ``last`` of ``x`` these sizes; the others stay.

    One size may be -1. Axes count from 0 without the batch, ``last`` is included.
    """
    # 0 copies the axis of the same index, which axes after the change no longer have.
    before = [0] * (1 + first)
    after = x.type.shape[last + 1 :]
    if not to.dynamic:
        known = prod(x.type.shape[first : last + 1])
        rest = prod(n for n in sizes if n != -1)
        filled = (known // rest if n == -1 else n for n in sizes)
        return to.emit("Reshape", [x.name, to.integers([*before, *filled, *after])])
    shape = to.integers([*before, *sizes])
    if after:
        kept = to.emit("Shape", [x.name], start=last + 2)
        shape = to.emit("Concat", [shape, kept], axis=0)
    return to.emit("Reshape", [x.name, shape])
