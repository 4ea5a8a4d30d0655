"""A fixed exponent."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("power")
class Power(Op):
    """``y = x ^ exponent`` with a fixed number, element by element.

    Of a negative ``x`` only whole exponents are numbers; ``clip`` keeps others out.
    """

    exponent: float = attribute("number", "the exponent")

    @property
    def vanishes(self) -> bool:
        return self.exponent == 1

    def torch(self, x: TensorType) -> Function:
        return Function("torch.pow", (float(self.exponent),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Pow", [x.name, to.floats([float(self.exponent)], ())])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(exponent=2), ((4, 5, 6),)), Case(cls(exponent=-1), ((4,),))
