"""What the operators share that put one value in the place of an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value


@dataclass(frozen=True)
class Reduce(Op):
    """An operator whose axis is gone afterwards."""

    #: The torch function, the ONNX operator, and since when that takes its axes as an
    #: input instead of an attribute.
    spelled: ClassVar[tuple[str, str, int]]

    axis: int = attribute("integer", "which axis", default=0, minimum=0)

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 2:
            raise ShapeError(
                f"reducing the only axis of an input of {x} leaves nothing",
                code="RG111",
            )
        check_axis(self.axis, x)
        return TensorType(x.shape[: self.axis] + x.shape[self.axis + 1 :])

    def torch(self, x: TensorType) -> Function:
        return Function(self.spelled[0], (self.axis + 1,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        _, op_type, since = self.spelled
        axes = [self.axis + 1]
        if to.opset >= since:
            return to.emit(op_type, [x.name, to.integers(axes)], keepdims=0)
        return to.emit(op_type, [x.name], axes=axes, keepdims=0)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((2, 3, 4, 5),)), Case(cls(axis=2), ((4, 5, 6),))
