"""How sure two answers are together."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.multiply import Multiply
from resgen.ops.types import Function, TensorType, Value


@operator("joint_sigmoid")
class JointSigmoid(Op):
    """The geometric mean of two sigmoids: of the input, and of a kept value.

    Computed as ``((1 + exp(-x)) (1 + exp(-y))) ^ -1/2``: engines compute a sigmoid no
    closer than float32 rounds at 1/2, which near 0 a root would make much of. An axis
    of size 1 is repeated. FCOS scores a class by it (Tian et al. 2019).
    """

    arity: ClassVar[int | None] = 2

    by: str = attribute("value", "the kept value")

    def infer(self, x: TensorType, by: TensorType) -> TensorType:
        return Multiply().infer(x, by)

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.joint_sigmoid")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        one = to.floats([1.0], ())
        each = [
            to.emit("Add", [to.emit("Exp", [to.emit("Neg", [x.name])]), one])
            for x in inputs
        ]
        return to.emit("Reciprocal", [to.emit("Sqrt", [to.emit("Mul", each)])])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(by="y"), ((5, 4), (1, 4))),
            Case(cls(by="y"), ((4, 5, 6), (4, 5, 6))),
        )
