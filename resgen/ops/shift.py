"""A learned number added to each channel."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Constant, Function, ParameterSpec, TensorType, Value


@operator("shift")
class Shift(Op):
    """``y = x + bias[c]`` with ``bias: (channels,)``, a bias without a map.

    The parameter goes by the operator's own path.
    """

    init: Init = attribute("init", "of the bias; 0 unless said", default=())

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (x.channels,)
        start = initializer(self.init, "", shape, Constant(0.0))
        return (ParameterSpec("", shape, start),)

    def torch(self, x: TensorType) -> Function:
        shape = (x.channels, *(1 for _ in x.spatial))
        return Function("torch.add", parameters=(("", shape),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        bias = to.operand("") or ""
        if x.type.rank > 1:
            bias = to.emit("Unsqueeze", [bias, to.integers(range(1, x.type.rank))])
        return to.emit("Add", [x.name, bias])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6),)), Case(cls(init=(("", 0.5),)), ((4,),))
