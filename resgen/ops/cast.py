"""Change of the element type."""

from __future__ import annotations

from typing import ClassVar, Final

from resgen.ops.base import OnnxWriter, Op, attribute, operator
from resgen.ops.types import DType, Function, TensorType, Value

#: ``onnx.TensorProto.DataType`` (https://onnx.ai/onnx/intro/concepts.html), so that
#: onnx is not imported for the sake of a number.
CODES: Final[dict[DType, int]] = {
    "float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "float16": 10,
    "bfloat16": 16, "float8_e4m3fn": 17,
}  # fmt: skip


@operator("cast")
class Cast(Op):
    """The same values in another floating-point type, rounded to the nearest."""

    placed: ClassVar[bool] = True

    to: DType = attribute("enum", "the type", choices=tuple(CODES))

    def element(self, *inputs: TensorType) -> DType:
        return self.to

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.torch_numbers.cast", (self.to,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("Cast", [x.name], to=CODES[self.to])
