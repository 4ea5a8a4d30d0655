"""Positions made into channels."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    attribute,
    operator,
)
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.pixel_shuffle import check_map
from resgen.ops.types import Module, TensorType, Value, Window


@operator("pixel_unshuffle")
class PixelUnshuffle(Op):
    """What ``pixel_shuffle`` undoes: each square of positions becomes channels.

    Row i and column j of the squares of channel c are channel
    ``(c * factor + i) * factor + j``, as ``torch.nn.PixelUnshuffle``.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("SpaceToDepth",)

    factor: int = attribute("integer", "height and width of a square", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        check_map(x)
        if any(size % self.factor for size in x.spatial):
            raise ShapeError(
                f"squares of {self.factor} x {self.factor} do not fill a map of {x}",
                attribute="factor",
                code="RG112",
                hint="pad it to a multiple",
            )
        sizes = (size // self.factor for size in x.spatial)
        return TensorType((x.channels * self.factor**2, *sizes))

    def window(self, x: TensorType) -> Window:
        sides = (self.factor, self.factor)
        return Window(sides, sides)

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.PixelUnshuffle", (self.factor,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        squares = to.emit("SpaceToDepth", [x.name], blocksize=self.factor)
        if x.type.channels == 1:
            return squares
        # ONNX puts the places in a square first, and the channels of each after them.
        value = Value(squares, self.infer(x.type))
        return ChannelShuffle(groups=self.factor**2).onnx(to, value)

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        found = cls(factor=node.given("blocksize"))
        if node.x.channels == 1 or node.given("mode", "DCR") == "CRD":
            return Read(found)
        # Else ONNX puts the places in a square first.
        return Read(ChannelShuffle(groups=node.x.channels), {}, (found,))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(factor=2), ((3, 4, 6),)),
            Case(cls(factor=3), ((1, 6, 3),)),
        )
