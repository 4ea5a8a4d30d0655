"""A learned factor for everything."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Constant, Function, ParameterSpec, TensorType, Value


@operator("scalar_scale")
class ScalarScale(Op):
    """``y = alpha * x`` with one learned number ``alpha: ()``.

    SkipInit (De and Smith 2020) and ReZero (Bachlechner et al. 2020), which start a
    residual branch at 0. The parameter goes by the operator's own path.
    """

    init: Init = attribute("init", "of alpha; 0 unless said", default=())

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        start = initializer(self.init, "", (), Constant(0.0))
        return (ParameterSpec("", (), start),)

    def torch(self, x: TensorType) -> Function:
        return Function("torch.mul", parameters=(("", ()),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Mul", [x.name, to.operand("") or ""])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6),)), Case(cls(init=(("", 0.2),)), ((4,),))
