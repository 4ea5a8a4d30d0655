"""Bounds of values."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.act import Act
from resgen.ops.base import (
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    ShapeError,
    Unreadable,
    attribute,
    operator,
)
from resgen.ops.types import Function, TensorType, Value


@operator("clip")
class Clip(Op):
    """``y = min(max(x, min), max)``, element by element; a bound may be left out."""

    onnx_types: ClassVar[tuple[str, ...]] = ("Clip",)
    ordered: ClassVar[bool] = False

    min: float | None = attribute("number", "the least value", default=None)
    max: float | None = attribute("number", "the greatest value", default=None)

    @property
    def _bounds(self) -> tuple[float | None, float | None]:
        low, high = self.min, self.max
        return None if low is None else float(low), None if high is None else float(
            high
        )

    @property
    def vanishes(self) -> bool:
        return self.min is None and self.max is None

    def infer(self, x: TensorType) -> TensorType:
        low, high = self._bounds
        if low is not None and high is not None and low > high:
            raise ShapeError(
                f"no value is at least {low:g} and at most {high:g}",
                attribute="min",
                code="RG112",
            )
        return x

    def torch(self, x: TensorType) -> Function:
        return Function("torch.clamp", self._bounds)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        bounds = [b if b is None else to.floats([b], ()) for b in self._bounds]
        given = bounds if bounds[1] else bounds[:1]
        return to.emit("Clip", [x.name, *(bound or "" for bound in given)])

    @classmethod
    def from_onnx(cls, node: OnnxNode) -> Read:
        bounds: list[float | None] = []
        for position, name in enumerate(("min", "max"), start=1):
            held = node.number(position)  # attributes, before opset 11
            bound = node.given(name) if held is None else held
            bounds.append(None if bound is None or abs(bound) > 3e38 else bound)
        low, high = bounds
        if low is not None and high is not None and low > high:
            raise Unreadable(f"bounds of {low:g} and {high:g}, which are none")
        if (low, high) in ((0, 6), (-1, 1)):
            return Read(Act(type="relu6" if low == 0 else "hardtanh"))
        return Read(cls(min=low, max=high))

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(min=-0.3, max=0.7), ((4, 5, 6),)),
            Case(cls(min=0), ((4, 5, 6),)),
            Case(cls(max=1), ((4,),)),
        )
