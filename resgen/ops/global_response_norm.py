"""Competition among channels."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator, spatial_suffix
from resgen.ops.initial import Init, initializer
from resgen.ops.reducing import write_reduce
from resgen.ops.types import Constant, Module, ParameterSpec, TensorType, Value


@operator("global_response_norm")
class GlobalResponseNorm(Op):
    """``y = x + weight[c] * x * g[c] / (mean of g + eps) + bias[c]``.

    ``g`` is the length of a channel over all positions, and its mean is that of the
    channels: Woo et al. 2023, ConvNeXt V2, whose ``weight: (channels,)`` and ``bias:
    (channels,)`` start at 0. Names and eps are those of timm's ``GlobalResponseNorm``.
    """

    eps: float = attribute("number", "added to the mean", default=1e-6, minimum=0)
    init: Init = attribute(
        "init", "for the roles weight and bias; 0 unless said", default=()
    )

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "a response over positions")
        return x

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        shape = (x.channels,)
        return tuple(
            ParameterSpec(
                role, shape, initializer(self.init, role, shape, Constant(0.0))
            )
            for role in ("weight", "bias")
        )

    def torch(self, x: TensorType) -> Module:
        target = "resgen.lower.modules.GlobalResponseNorm"
        return Module(target, (x.channels, float(self.eps)))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        positions = range(2, x.type.rank + 1)
        length = write_reduce(to, "ReduceL2", x.name, positions, keep=True)
        mean = write_reduce(to, "ReduceMean", length, [1], keep=True)
        least = to.emit("Add", [mean, to.floats([float(self.eps)], ())])
        response = to.emit("Mul", [x.name, to.emit("Div", [length, least])])
        axes = to.integers(range(1, x.type.rank))
        weight, bias = (
            to.emit("Unsqueeze", [to.operand(role) or "", axes])
            for role in ("weight", "bias")
        )
        shifted = to.emit("Add", [bias, to.emit("Mul", [weight, response])])
        return to.emit("Add", [x.name, shifted])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6),)), Case(cls(eps=0.1), ((4, 7),))
