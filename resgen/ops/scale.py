"""A fixed factor."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("scale")
class Scale(Op):
    """``y = by * x`` with a fixed number, as Inception-ResNet scales its branches."""

    by: float = attribute("number", "the factor")

    @property
    def vanishes(self) -> bool:
        return self.by == 1

    def torch(self, x: TensorType) -> Function:
        return Function("torch.mul", (float(self.by),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Mul", [x.name, to.floats([float(self.by)], ())])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (Case(cls(by=0.17), ((4, 5, 6),)),)
