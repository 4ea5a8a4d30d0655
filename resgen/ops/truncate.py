"""The whole numbers of a picture, of sums that were not rounded."""

from __future__ import annotations

from typing import ClassVar, Final

from resgen.ops.base import OnnxWriter, Op, operator
from resgen.ops.types import Function, TensorType, Value

#: A sum in float32 that falls this short of a whole number is still that number. By
#: chance one in four thousand lies so.
SLACK: Final = 2.0**-12


@operator("truncate")
class Truncate(Op):
    """What is behind the point is dropped, and the rest kept from 0 to 255."""

    placed: ClassVar[bool] = True

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.torch_pictures.truncate")

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        y = to.emit("Add", [x.name, to.floats([SLACK], ())])
        y = to.emit("Floor", [y])
        return to.emit("Clip", [y, to.floats([0.0], ()), to.floats([255.0], ())])
