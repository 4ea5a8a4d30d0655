"""The channels from the last to the first."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import OnnxWriter, Op, operator
from resgen.ops.types import Function, TensorType, Value


@operator("reverse_channels")
class ReverseChannels(Op):
    """Blue, green and red of red, green and blue."""

    placed: ClassVar[bool] = True

    def torch(self, x: TensorType) -> Function:
        return Function("torch.flip", ((1,),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        order = to.integers(range(x.type.channels - 1, -1, -1))
        return to.emit("Gather", [x.name, order], axis=1)
