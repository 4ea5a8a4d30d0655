"""Interpolation to a multiple of the size."""

from __future__ import annotations

from typing import Any, ClassVar

from resgen.ops.base import (
    Axes,
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    Unreadable,
    attribute,
    operator,
    per_axis,
    plain_axes,
    spatial_suffix,
)
from resgen.ops.resize import Resize, linear, mode_of, placing
from resgen.ops.types import Module, TensorType, Value


@operator("upsample")
class Upsample(Op):
    """The map, ``factor`` times as large; ``resize`` takes the size of a kept value.

    As ``torch.nn.Upsample``; ``bilinear`` is linear along each axis, of which there may
    be one to three.
    """

    onnx_types: ClassVar[tuple[str, ...]] = ("Resize", "Upsample")

    factor: Axes = attribute("axes", "how many times as large", default=2, minimum=1)
    mode: str = attribute(
        "enum", "interpolation", default="nearest", choices=("nearest", "bilinear")
    )
    align_corners: bool = attribute(
        "boolean", "bilinear: corners stay where they are", default=False
    )

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "resizing")
        pairs = zip(x.spatial, per_axis(self.factor, x, "factor"), strict=True)
        return TensorType((x.channels, *(size * by for size, by in pairs)))

    def effective(self, x: TensorType) -> dict[str, Any]:
        found = super().effective(x)
        if self.mode == "nearest":
            del found["align_corners"]
        return found

    def torch(self, x: TensorType) -> Module:
        factors = tuple(map(float, per_axis(self.factor, x, "factor")))
        options: dict[str, object] = {"scale_factor": factors, "mode": self.mode}
        if self.mode == "bilinear":
            options["mode"] = linear(x)
            options["align_corners"] = self.align_corners
        return Module("torch.nn.Upsample", (), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        factors = to.integers((1, 1, *per_axis(self.factor, x.type, "factor")))
        sizes = to.emit("Mul", [to.emit("Shape", [x.name]), factors])
        options = placing(self.mode, self.align_corners)
        return to.emit("Resize", [x.name, "", "", sizes], **options)

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        before, after = node.x.spatial, node.y[2:]
        if node.x.channels != node.y[1]:
            raise Unreadable("it resizes the channels")
        mode, corners = mode_of(node, before, after)
        pairs = tuple(zip(before, after, strict=True))
        if any(new % old for old, new in pairs):
            return Read(Resize(like="", mode=mode, align_corners=corners))
        factor = plain_axes([new // old for old, new in pairs])
        return Read(cls(factor=factor, mode=mode, align_corners=corners))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((3, 5, 6),)),
            Case(cls(factor=(1, 3)), ((3, 5, 6),)),
            Case(cls(factor=3), ((3, 5),)),
            Case(cls(mode="bilinear"), ((3, 5, 6),)),
            Case(cls(factor=3, mode="bilinear", align_corners=True), ((3, 5, 6),)),
        )
