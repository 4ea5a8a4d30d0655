"""Quantisation of activations, one scale for the whole tensor."""

from __future__ import annotations

from typing import ClassVar, Final

from resgen.ops.base import OnnxWriter, Op, attribute, operator
from resgen.ops.cast import CODES
from resgen.ops.types import (
    Constant,
    DType,
    Function,
    ParameterSpec,
    TensorType,
    Value,
)

#: Where no calibration has said better: the scale at which int8 reaches 6.35, since
#: what a norm yields is mostly within six standard deviations.
SCALE: Final = 0.05


def quantizer_parameters(
    dtype: DType, *, zero_point: bool
) -> tuple[ParameterSpec, ...]:
    """The scale (trainable) and the zero point of a quantised tensor."""
    scale = ParameterSpec("scale", (), Constant(SCALE))
    if not zero_point:
        return (scale,)
    point = ParameterSpec("zero_point", (), Constant(0.0), trainable=False, dtype=dtype)
    return scale, point


@operator("quantize")
class Quantize(Op):
    """``q = clip(round(x / scale) + zero_point)``, halves rounded to even.

    In torch the quantised numbers stand in a tensor of x's own type, and gradients go
    straight through the rounding (Bengio et al. 2013); that of the scale is LSQ's
    (Esser et al. 2020). Without ``zero_point`` it is 0.
    """

    placed: ClassVar[bool] = True

    to: DType = attribute(
        "enum", "the type", choices=("int8", "uint8", "float8_e4m3fn")
    )
    zero_point: bool = attribute("boolean", "0 is not always 0", default=False)

    def element(self, *inputs: TensorType) -> DType:
        return self.to

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        return quantizer_parameters(self.to, zero_point=self.zero_point)

    def torch(self, x: TensorType) -> Function:
        parameters = tuple((p.role, p.shape) for p in self.parameters(x))
        target = "resgen.lower.torch_numbers.quantize"
        return Function(target, kwargs={"to": self.to}, parameters=parameters)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        given = [x.name, to.operand("scale") or ""]
        if self.to.startswith("float8"):
            # With a zero point to tell the type, ONNX Runtime (1.32) drops a ReLU that
            # stands before it, as if numbers below 0 could not be held.
            return to.emit("QuantizeLinear", given, output_dtype=CODES[self.to])
        point = to.operand("zero_point") or to.zero(self.to)
        return to.emit("QuantizeLinear", [*given, point])
