"""Channels made into positions."""

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
from resgen.ops.types import Module, TensorType, Value


@operator("pixel_shuffle")
class PixelShuffle(Op):
    """A map ``factor`` times as high and wide, of fewer channels.

    Channel ``(c * factor + i) * factor + j`` goes to row i and column j of each square
    of channel c; Shi et al. 2016, as ``torch.nn.PixelShuffle``.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("DepthToSpace",)

    factor: int = attribute("integer", "of height and width", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        check_map(x)
        if x.channels % self.factor**2:
            raise ShapeError(
                f"{x.channels} channels are no multiple of {self.factor} x "
                f"{self.factor}",
                attribute="factor",
                code="RG105",
            )
        sizes = (size * self.factor for size in x.spatial)
        return TensorType((x.channels // self.factor**2, *sizes))

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.PixelShuffle", (self.factor,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return to.emit("DepthToSpace", [x.name], blocksize=self.factor, mode="CRD")

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        factor = node.given("blocksize")
        # Unless said, the places in a square come before the channels.
        turned = node.given("mode", "DCR") == "DCR" and node.x.channels > factor**2
        before = (ChannelShuffle(groups=factor**2),) if turned else ()
        return Read(cls(factor=factor), {}, before)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(factor=2), ((8, 3, 5),)), Case(cls(factor=3), ((9, 2, 2),))


def check_map(x: TensorType) -> None:
    """Raise unless ``x`` has height and width."""
    if len(x.spatial) != 2:
        raise ShapeError(
            f"squares of pixels need 2 spatial axes, but the input is {x}",
            code="RG111",
        )
