"""Channels of zeros."""

from __future__ import annotations

from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("pad_channels")
class PadChannels(Op):
    """New channels of zeros, half on each side (an odd one at the end), or at the end.

    Option A of He et al. 2015, which grows the shortcut without parameters; at the end
    as in Han et al. 2017, PyramidNet.
    """

    to: int = attribute("channels", "channels that come out")
    at: str = attribute(
        "enum", "where the new ones are", choices=("sides", "end"), default="sides"
    )

    def infer(self, x: TensorType) -> TensorType:
        if self.to < x.channels:
            raise ShapeError(
                f"{x.channels} channels cannot be padded to {self.to}",
                attribute="to",
                code="RG112",
                hint="take channels away with slice, or project them with conv",
            )
        return x.with_channels(self.to)

    def sides(self, x: TensorType) -> tuple[int, int]:
        """Channels before and after."""
        new = self.to - x.channels
        before = new // 2 if self.at == "sides" else 0
        return before, new - before

    def effective(self, x: TensorType) -> dict[str, Any]:
        before, _ = self.sides(x)
        return {**super().effective(x), "at": "sides" if before else "end"}

    def torch(self, x: TensorType) -> Function:
        # torch counts from the last axis.
        pads = (0, 0) * len(x.spatial) + self.sides(x)
        return Function("torch.nn.functional.pad", (pads,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        begin, end = self.sides(x.type)
        rest = (0,) * len(x.type.spatial)
        return to.emit("Pad", [x.name, to.integers((0, begin, *rest, 0, end, *rest))])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(to=9), ((4, 5, 6),)),
            Case(cls(to=9, at="end"), ((4, 5, 6),)),
            Case(cls(to=4), ((4, 5, 6),)),
            Case(cls(to=6), ((4,),)),
        )
