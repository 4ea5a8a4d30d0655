"""A fixed summand."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("offset")
class Offset(Op):
    """``y = x + by`` with a fixed number; ``shift`` learns one for each channel."""

    by: float = attribute("number", "the summand")

    @property
    def vanishes(self) -> bool:
        return self.by == 0

    def torch(self, x: TensorType) -> Function:
        return Function("torch.add", (float(self.by),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Add", [x.name, to.floats([float(self.by)], ())])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (Case(cls(by=-0.5), ((4, 5, 6),)),)
