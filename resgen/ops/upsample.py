"""Interpolation to a multiple of the size."""

from __future__ import annotations

from typing import Any

from resgen.ops.base import (
    Axes,
    Case,
    OnnxWriter,
    Op,
    attribute,
    operator,
    per_axis,
    spatial_suffix,
)
from resgen.ops.resize import linear, placing
from resgen.ops.types import Module, TensorType, Value


@operator("upsample")
class Upsample(Op):
    """The map, ``factor`` times as large; ``resize`` takes the size of a kept value.

    As ``torch.nn.Upsample``; ``bilinear`` is linear along each axis, of which there may
    be one to three.
    """

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
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((3, 5, 6),)),
            Case(cls(factor=(1, 3)), ((3, 5, 6),)),
            Case(cls(factor=3), ((3, 5),)),
            Case(cls(mode="bilinear"), ((3, 5, 6),)),
            Case(cls(factor=3, mode="bilinear", align_corners=True), ((3, 5, 6),)),
        )
