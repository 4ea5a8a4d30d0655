"""A map as windows side by side."""

from __future__ import annotations

from math import prod
from typing import Any

from resgen.ops.base import Case, OnnxWriter, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.ops.windowing import Windowed, roll


@operator("windows")
class Windows(Windowed):
    """``channels x windows x positions`` of a map: its windows, each of its positions.

    Both are in the order of the map. With a shift the map is moved round its edges
    before, so that windows lie ``shift`` positions further: Liu et al. 2021, Swin.
    ``unwindows`` is the way back.
    """

    def infer(self, x: TensorType) -> TensorType:
        found = self.windows(x)
        return TensorType((x.channels, prod(found.counts), prod(found.size)))

    def effective(self, x: TensorType) -> dict[str, Any]:
        found = self.windows(x)
        return {"size": found.size, "shift": found.shift}

    def torch(self, x: TensorType) -> Function:
        found = self.windows(x)
        return Function("resgen.lower.modules.windows", (found.size, found.shift))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        found = self.windows(x.type)
        y = roll(to, x.name, found.shift)
        y = to.emit("Reshape", [y, to.integers([0, x.type.channels, *found.split])])
        order = (0, 1, *(2 + axis for axis in found.order))
        y = to.emit("Transpose", [y], perm=order)
        return to.emit("Reshape", [y, to.integers([0, *self.infer(x.type).shape])])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=2), ((3, 4, 6),)),
            Case(cls(size=(4, 3), shift=(1, 2)), ((3, 8, 6),)),
            Case(cls(size=4, shift=2), ((3, 12),)),
        )
