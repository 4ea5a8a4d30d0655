"""A learned factor for each channel."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.initial import Init, initializer
from resgen.ops.types import Constant, Function, ParameterSpec, TensorType, Value


@operator("channel_scale")
class ChannelScale(Op):
    """``y = gamma[c] * x`` with ``gamma: (channels,)``; Touvron et al. 2021.

    LayerScale. The parameter goes by the operator's own path.
    """

    init: Init = attribute("init", "of gamma; 1 unless said", default=())

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (x.channels,)
        start = initializer(self.init, "", shape, Constant(1.0))
        return (ParameterSpec("", shape, start),)

    def torch(self, x: TensorType) -> Function:
        shape = (x.channels, *(1 for _ in x.spatial))
        return Function("torch.mul", parameters=(("", shape),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        gamma = to.operand("") or ""
        if x.type.rank > 1:
            axes = to.integers(range(1, x.type.rank))
            gamma = to.emit("Unsqueeze", [gamma, axes])
        return to.emit("Mul", [x.name, gamma])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(init=(("", 1e-6),)), ((4, 5, 6),)),
            Case(cls(), ((4,),)),
        )
