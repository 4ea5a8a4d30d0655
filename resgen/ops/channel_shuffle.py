"""Channels of different groups, interleaved."""

from __future__ import annotations

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.reshaping import write_reshape
from resgen.ops.types import Module, TensorType, Value


@operator("channel_shuffle")
class ChannelShuffle(Op):
    """Interleave groups of channels, so that grouped convolutions mix.

    Channel ``i`` of group ``g`` goes to ``i * groups + g``; Zhang et al. 2018.
    """

    groups: int = attribute("integer", "groups that are interleaved", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        if x.rank < 2:
            raise ShapeError(
                f"a channel shuffle needs spatial axes, but its input is {x}",
                code="RG111",
            )
        if x.channels % self.groups:
            raise ShapeError(
                f"{self.groups} groups do not divide {x.channels} channels",
                attribute="groups",
                code="RG105",
            )
        return x

    def torch(self, x: TensorType) -> Module:
        return Module("torch.nn.ChannelShuffle", (self.groups,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        each = x.type.channels // self.groups
        split = write_reshape(to, x, 0, (self.groups, each), 0)
        rest = range(3, x.type.rank + 2)
        turned = to.emit("Transpose", [split], perm=(0, 2, 1, *rest))
        shape = TensorType((each, self.groups, *x.type.spatial))
        return write_reshape(to, Value(turned, shape), 0, (x.type.channels,), 1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(groups=2), ((6, 4, 5),)), Case(cls(groups=3), ((6, 4),))
