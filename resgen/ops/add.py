"""Sum of several values."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, operator
from resgen.ops.merging import chain, same
from resgen.ops.types import Function, TensorType, Value


@operator("add")
class Add(Op):
    """The sum of inputs of one shape, element by element."""

    arity: ClassVar[int | None] = None
    commutative: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return same("add", inputs)

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.add")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        return chain(to, "Add", inputs)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        image = (4, 5, 6)
        return (
            Case(cls(), (image, image)),
            Case(cls(), (image, image, image)),
            Case(cls(), (image,)),
        )
