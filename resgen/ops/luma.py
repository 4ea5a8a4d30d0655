"""The grey of a coloured picture."""

from __future__ import annotations

from typing import ClassVar, Final

from resgen.ops.base import OnnxWriter, Op, operator
from resgen.ops.types import Function, TensorType, Value

#: Red, green and blue in units of 2**-16: ITU-R BT.601 as Pillow has it in whole
#: numbers (Convert.c). Sums stay below 2**24, so float32 holds every one.
WEIGHTS: Final = (19595.0, 38470.0, 7471.0)
HALF: Final = 32768.0
UNIT: Final = 2.0**-16


@operator("luma")
class Luma(Op):
    """Red, green and blue from 0 to 255 as one channel, rounded to whole numbers."""

    placed: ClassVar[bool] = True

    def infer(self, x: TensorType) -> TensorType:
        return x.with_channels(1)

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.torch_pictures.luma")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        y = to.emit("Mul", [x.name, to.floats(WEIGHTS, (3, 1, 1))])
        y = to.emit("ReduceSum", [y, to.integers([1])], keepdims=1)
        y = to.emit("Add", [y, to.floats([HALF], ())])
        y = to.emit("Mul", [y, to.floats([UNIT], ())])
        return to.emit("Floor", [y])
