"""The largest of several values."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, operator
from resgen.ops.merging import same
from resgen.ops.types import Function, TensorType, Value


@operator("maximum")
class Maximum(Op):
    """The largest of inputs of one shape, element by element."""

    arity: ClassVar[int | None] = None

    def infer(self, *inputs: TensorType) -> TensorType:
        return same("take the largest of", inputs)

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.maximum")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        return to.emit("Max", [x.name for x in inputs])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        image = (4, 5, 6)
        return (
            Case(cls(), (image, image)),
            Case(cls(), (image, image, image)),
            Case(cls(), (image,)),
        )
