"""What shifted windows hide."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.ops.windowing import HIDDEN, Windowed


@operator("window_mask")
class WindowMask(Windowed):
    """A bias of attention, with -100 where a shift has put edges side by side.

    ``heads x positions x positions`` becomes ``windows x heads x positions x
    positions``, for the windows of this size and shift on a map: Liu et al. 2021, Swin.
    """

    arity: ClassVar[int | None] = 2
    read: ClassVar[int | None] = 1

    like: str = attribute("value", "the kept value whose spatial size the map has")

    def infer(self, x: TensorType, like: TensorType) -> TensorType:
        found = self.windows(like)
        positions = prod(found.size)
        if x.shape[1:] != (positions, positions):
            raise ShapeError(
                f"an input of {x} is not scores of {positions} positions, as windows "
                f"of {TensorType(found.size)} have",
                attribute="size",
                code="RG112",
            )
        return TensorType((prod(found.counts), *x.shape))

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.window_mask", (self.size, self.shift))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        x, like = inputs
        found = self.windows(like.type)
        positions = prod(found.size)
        mask = [
            0.0 if one == other else HIDDEN
            for regions in found.regions()
            for one in regions
            for other in regions
        ]
        added = to.floats(mask, (prod(found.counts), 1, positions, positions))
        spread = to.emit("Unsqueeze", [x.name, to.integers([1])])
        return to.emit("Add", [spread, added])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=(2, 3), shift=1, like="m"), ((2, 6, 6), (1, 4, 6))),
            Case(cls(size=2, shift=(0, 1), like="m"), ((1, 4, 4), (1, 2, 6))),
            Case(cls(size=4, like="m"), ((2, 4, 4), (1, 8))),
        )
