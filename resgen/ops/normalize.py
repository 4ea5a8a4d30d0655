"""From the numbers of a picture to those that a network was trained on."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import OnnxWriter, Op, attribute, operator
from resgen.ops.types import Module, TensorType, Value
from resgen.spec.params import Param

_BY_CHANNEL = Param("number", doc="of a channel")


@operator("normalize")
class Normalize(Op):
    """``y = (scale * x - mean[c]) / std[c]``, rounded after each step."""

    placed: ClassVar[bool] = True

    scale: float = attribute("number", "factor of all channels")
    mean: tuple[float, ...] = attribute("list", "subtracted", item=_BY_CHANNEL)
    std: tuple[float, ...] = attribute("list", "divided by", item=_BY_CHANNEL)

    def torch(self, x: TensorType) -> Module:
        numbers = (self.scale, self.mean, self.std)
        return Module("resgen.lower.torch_pictures.Normalize", numbers)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        shape = (x.type.channels, 1, 1)
        y = to.emit("Mul", [x.name, to.floats([self.scale], ())])
        y = to.emit("Sub", [y, to.floats(self.mean, shape)])
        return to.emit("Div", [y, to.floats(self.std, shape)])
