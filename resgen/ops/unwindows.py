"""Windows as the map that they are of."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.ops.windowing import Windowed, roll


@operator("unwindows")
class Unwindows(Windowed):
    """The map whose ``windows``, of the same size and shift, these are."""

    arity: ClassVar[int | None] = 2
    read: ClassVar[int | None] = 1

    like: str = attribute("value", "the kept value whose spatial size the map has")

    def infer(self, x: TensorType, like: TensorType) -> TensorType:
        found = self.windows(like)
        if x.shape[1:] != (prod(found.counts), prod(found.size)):
            raise ShapeError(
                f"an input of {x} is not {prod(found.counts)} windows of "
                f"{prod(found.size)} positions, as a map of {like} has",
                attribute="like",
                code="RG112",
            )
        return TensorType((x.channels, *like.spatial))

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.unwindows", (self.size, self.shift))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        x, like = inputs
        found = self.windows(like.type)
        sizes = (0, x.type.channels, *found.counts, *found.size)
        y = to.emit("Reshape", [x.name, to.integers(sizes)])
        order = (0, 1, *(2 + axis for axis in found.back))
        y = to.emit("Transpose", [y], perm=order)
        y = to.emit("Reshape", [y, to.integers([0, x.type.channels, *found.map])])
        return roll(to, y, tuple(-shift for shift in found.shift))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=2, like="y"), ((3, 6, 4), (1, 4, 6))),
            Case(cls(size=(4, 3), shift=(1, 2), like="y"), ((3, 4, 12), (2, 8, 6))),
        )
