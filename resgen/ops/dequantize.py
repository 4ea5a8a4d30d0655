"""Quantised activations as the numbers that they stand for."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import OnnxWriter, Op, attribute, operator
from resgen.ops.quantize import quantizer_parameters
from resgen.ops.types import DType, Function, ParameterSpec, TensorType, Value


@operator("dequantize")
class Dequantize(Op):
    """``y = (q - zero_point) * scale``, with the parameters of the quantiser."""

    placed: ClassVar[bool] = True

    to: DType = attribute(
        "enum", "the type", choices=("float32", "float16", "bfloat16")
    )
    zero_point: bool = attribute("boolean", "0 is not always 0", default=False)

    def element(self, *inputs: TensorType) -> DType:
        return self.to

    def parameters(self, x: TensorType) -> tuple[ParameterSpec, ...]:
        return quantizer_parameters(x.dtype, zero_point=self.zero_point)

    def torch(self, x: TensorType) -> Function:
        parameters = tuple((p.role, p.shape) for p in self.parameters(x))
        return Function("resgen.lower.torch_numbers.dequantize", parameters=parameters)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        point = to.operand("zero_point")
        operands = [x.name, to.operand("scale") or "", *([point] if point else [])]
        return to.emit("DequantizeLinear", operands)
