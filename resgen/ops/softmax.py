"""Softmax over one axis."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value


@operator("softmax")
class Softmax(Op):
    """``y = exp(x) / sum of exp(x)`` over one axis."""

    axis: int = attribute("integer", "which axis", default=0, minimum=0)

    def infer(self, x: TensorType) -> TensorType:
        check_axis(self.axis, x)
        return x

    def torch(self, x: TensorType) -> Function:
        return Function("torch.softmax", (self.axis + 1,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Softmax", [x.name], axis=self.axis + 1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((3, 4, 5, 6),)), Case(cls(axis=1), ((4, 5),))
