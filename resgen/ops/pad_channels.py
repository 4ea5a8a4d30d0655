"""Channels of zeros."""

from __future__ import annotations

from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("pad_channels")
class PadChannels(Op):
    """New channels of zeros, half on each side (an odd one at the end), or at the end.

    Option A of He et al. 2015, which grows the shortcut without parameters; at the end
    as in Han et al. 2017, PyramidNet. Where they are parted otherwise, as in a network
    that has lost channels, ``before`` says how many come first.
    """

    to: int = attribute("channels", "channels that come out")
    at: str = attribute(
        "enum", "where the new ones are", choices=("sides", "end"), default="sides"
    )
    before: int | None = attribute(
        "integer",
        "how many of the new ones come first; unless said, as `at` has it",
        default=None,
        minimum=0,
    )

    @classmethod
    def around(cls, channels: int, before: int, after: int) -> PadChannels:
        """That of so many before and after, in the fewest words."""
        to, new = channels + before + after, before + after
        if before in (0, new // 2):
            return cls(to, "sides" if before else "end")
        return cls(to, before=before)

    def infer(self, x: TensorType) -> TensorType:
        if self.to < x.channels:
            raise ShapeError(
                f"{x.channels} channels cannot be padded to {self.to}",
                attribute="to",
                code="RG112",
                hint="take channels away with slice, or project them with conv",
            )
        if (self.before or 0) > self.to - x.channels:
            raise ShapeError(
                f"{self.before} new channels cannot come first: there are "
                f"{self.to - x.channels}",
                attribute="before",
                code="RG112",
            )
        return x.with_channels(self.to)

    def sides(self, x: TensorType) -> tuple[int, int]:
        """Channels before and after."""
        new = self.to - x.channels
        before = self.before
        if before is None:
            before = new // 2 if self.at == "sides" else 0
        return before, new - before

    def effective(self, x: TensorType) -> dict[str, Any]:
        one = self.around(x.channels, *self.sides(x))
        found = super(PadChannels, one).effective(x)
        del found["before" if one.before is None else "at"]
        return found

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
            Case(cls(to=9, before=4), ((4, 5, 6),)),
            Case(cls(to=4), ((4, 5, 6),)),
            Case(cls(to=6), ((4,),)),
        )
