"""Softmax over one axis."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value


@operator("softmax")
class Softmax(Op):
    """``y = exp(x) / sum of exp(x)`` over one axis, or the logarithm of that."""

    axis: int = attribute("integer", "which axis", default=0, minimum=0)
    log: bool = attribute("boolean", "its logarithm", default=False)

    def infer(self, x: TensorType) -> TensorType:
        check_axis(self.axis, x)
        return x

    def torch(self, x: TensorType) -> Function:
        name = "log_softmax" if self.log else "softmax"
        return Function(f"torch.{name}", (self.axis + 1,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        name = "LogSoftmax" if self.log else "Softmax"
        return to.emit(name, [x.name], axis=self.axis + 1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((3, 4, 5, 6),)),
            Case(cls(axis=1), ((4, 5),)),
            Case(cls(axis=1, log=True), ((4, 5, 6),)),
        )
