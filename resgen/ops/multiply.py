"""Product of several values."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, operator
from resgen.ops.merging import chain, unequal
from resgen.ops.types import Function, TensorType, Value


@operator("multiply")
class Multiply(Op):
    """The product of inputs, element by element; an axis of size 1 is repeated."""

    arity: ClassVar[int | None] = None
    commutative: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        if len({x.rank for x in inputs}) > 1:
            raise unequal("multiply", inputs, "give them the same number of axes")
        shape = tuple(map(max, zip(*(x.shape for x in inputs), strict=True)))
        for x in inputs:
            if any(n not in (1, size) for n, size in zip(x.shape, shape, strict=True)):
                raise unequal("multiply", inputs, "axes have to be equal, or 1")
        return TensorType(shape)

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.multiply")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        return chain(to, "Mul", inputs)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((4, 5, 6), (4, 1, 1))),
            Case(cls(), ((4, 1, 6), (1, 5, 6), (4, 5, 1))),
            Case(cls(), ((4, 5, 6),)),
        )
