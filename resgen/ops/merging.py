"""What the operators that merge several values share."""

from __future__ import annotations

from collections.abc import Sequence

from resgen.ops.base import OnnxWriter, ShapeError
from resgen.ops.types import TensorType, Value


def unequal(
    doing: str, inputs: Sequence[TensorType], hint: str | None = None
) -> ShapeError:
    """The error for shapes that cannot be merged."""
    shapes = " and ".join(dict.fromkeys(map(str, inputs)))
    return ShapeError(f"cannot {doing} {shapes}", code="RG104", hint=hint)


def same(doing: str, inputs: Sequence[TensorType]) -> TensorType:
    """The one type of all inputs, or :class:`ShapeError`."""
    if any(x != inputs[0] for x in inputs):
        raise unequal(doing, inputs, "project the shortcut, or keep the shape")
    return inputs[0]


def chain(to: OnnxWriter, op_type: str, inputs: Sequence[Value]) -> str:
    """A binary ONNX operator over any number of inputs, from the left."""
    first, *others = (x.name for x in inputs)
    if not others:
        return to.emit("Identity", [first])
    for other in others:
        first = to.emit(op_type, [first, other])
    return first
