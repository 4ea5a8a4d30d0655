"""A part of an axis."""

from __future__ import annotations

from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value

#: What ONNX reads as "to the end".
END = 2**63 - 1


@operator("slice")
class Slice(Op):
    """Positions ``start`` to ``start + size`` of one axis, the end excluded."""

    start: int = attribute("integer", "the first position", default=0, minimum=0)
    size: int | None = attribute(
        "integer", "how many; unless said, the rest", default=None, minimum=1
    )
    axis: int = attribute("integer", "which axis", default=0, minimum=0)

    def _size(self, x: TensorType) -> int:
        return x.shape[self.axis] - self.start if self.size is None else self.size

    def infer(self, x: TensorType) -> TensorType:
        there = x.shape[check_axis(self.axis, x)]
        size = self._size(x)
        if size < 1 or self.start + size > there:
            raise ShapeError(
                f"a slice of positions {self.start} to {self.start + max(size, 1) - 1} "
                f"reaches beyond the end of axis {self.axis}, which has {there}",
                attribute="start" if self.start >= there else "size",
                code="RG112",
            )
        return TensorType((*x.shape[: self.axis], size, *x.shape[self.axis + 1 :]))

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {**super().effective(x), "size": self._size(x)}

    def torch(self, x: TensorType) -> Function:
        return Function("torch.narrow", (self.axis + 1, self.start, self._size(x)))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        end = END if self.size is None else self.start + self.size
        bounds = ([self.start], [end], [self.axis + 1])
        return to.emit("Slice", [x.name, *map(to.integers, bounds)])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(start=1, size=2), ((4, 5, 6),)),
            Case(cls(start=2), ((4, 5, 6),)),
            Case(cls(size=3, axis=2), ((4, 5, 6),)),
        )
