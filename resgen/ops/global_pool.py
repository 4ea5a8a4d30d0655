"""Pooling over all positions."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    attribute,
    operator,
    spatial_suffix,
)
from resgen.ops.types import Module, TensorType, Value, Window


@operator("global_pool")
class GlobalPool(Op):
    """The mean or the largest value of each channel; the axes stay, with size 1."""

    shorthand = "type"
    onnx_types: ClassVar[tuple[str, ...]] = ("GlobalAveragePool", "GlobalMaxPool")

    type: str = attribute(
        "enum", "mean or maximum", default="avg", choices=("avg", "max")
    )

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "global pooling")
        return TensorType((x.channels, *(1 for _ in x.spatial)))

    def window(self, x: TensorType) -> Window:
        return Window(x.spatial, (1,) * len(x.spatial))

    def torch(self, x: TensorType) -> Module:
        suffix = spatial_suffix(x, "global pooling")
        kind = "Avg" if self.type == "avg" else "Max"
        return Module(f"torch.nn.Adaptive{kind}Pool{suffix}", (1,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        name = "GlobalAveragePool" if self.type == "avg" else "GlobalMaxPool"
        return to.emit(name, [x.name])

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        return Read(cls(type="max" if node.op_type == "GlobalMaxPool" else "avg"))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((4, 5, 6),)),
            Case(cls(type="max"), ((4, 5, 6),)),
            Case(cls(), ((4, 7),)),
            Case(cls(type="max"), ((4, 3, 4, 5),)),
        )
