"""What the operators that merge several values share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError
from resgen.ops.types import Function, TensorType, Value


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


@dataclass(frozen=True)
class Elementwise(Op):
    """An operator that makes one value of several of the same shape."""

    arity: ClassVar[int | None] = None
    commutative: ClassVar[bool] = True
    #: What it does, as messages say it, and the ONNX operator of two values.
    spelled: ClassVar[tuple[str, str]]

    def infer(self, *inputs: TensorType) -> TensorType:
        return same(self.spelled[0], inputs)

    def torch(self, x: TensorType) -> Function:
        return Function(f"resgen.lower.modules.{self.name}")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        return chain(to, self.spelled[1], inputs)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        image = (4, 5, 6)
        return (
            Case(cls(), (image, image)),
            Case(cls(), (image, image, image)),
            Case(cls(), (image,)),
        )
