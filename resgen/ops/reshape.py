"""Another shape for the same elements."""

from __future__ import annotations

from math import prod
from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.reshaping import write_reshape
from resgen.ops.types import Module, TensorType, Value
from resgen.spec.params import Param


@operator("reshape")
class Reshape(Op):
    """The same elements in the same order under another shape."""

    to: tuple[int, ...] = attribute(
        "list",
        "sizes without the batch; one may be -1, which takes what is left",
        item=Param("integer", doc="size, or -1", minimum=-1),
    )

    def infer(self, x: TensorType) -> TensorType:
        unknown = self.to.count(-1)
        known = prod(n for n in self.to if n != -1)
        fits = x.size % known == 0 if unknown and known else known == x.size
        if not self.to or unknown > 1 or not known or not fits:
            raise ShapeError(
                f"an input of {x} ({x.size} elements) cannot become {list(self.to)}",
                attribute="to",
                code="RG112",
            )
        return TensorType(tuple(x.size // known if n == -1 else n for n in self.to))

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {"to": self.infer(x).shape}

    def torch(self, x: TensorType) -> Module:
        return Module("resgen.lower.modules.Reshape", self.to)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return write_reshape(to, x, 0, self.to, x.type.rank - 1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(to=(1, 6)), ((6, 1, 1),)),
            Case(cls(to=(3, -1, 2)), ((6, 4, 5),)),
            Case(cls(to=(6, 1, 1)), ((1, 6),)),
        )
