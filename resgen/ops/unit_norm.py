"""Vectors of length 1."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.reducing import write_reduce
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value


@operator("unit_norm")
class UnitNorm(Op):
    """``y = x / max(|x|, eps)``: each vector along one axis, made as long as 1.

    ``|x|`` is the root of the sum of squares, as ``torch.nn.functional.normalize``.
    """

    axis: int = attribute("integer", "which axis", default=0, minimum=0)
    eps: float = attribute("number", "the least length", default=1e-12, minimum=0)

    def infer(self, x: TensorType) -> TensorType:
        check_axis(self.axis, x)
        return x

    def torch(self, x: TensorType) -> Function:
        args = (2.0, self.axis + 1, float(self.eps))
        return Function("torch.nn.functional.normalize", args)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        length = write_reduce(to, "ReduceL2", x.name, [self.axis + 1], keep=True)
        least = to.emit("Clip", [length, to.floats([float(self.eps)], ())])
        return to.emit("Div", [x.name, least])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6),)), Case(cls(axis=1, eps=3), ((4, 5),))
