"""Merging axes into one."""

from __future__ import annotations

from math import prod
from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.reshaping import check_axis, write_reshape
from resgen.ops.types import Function, TensorType, Value
from resgen.spec.params import Param


@operator("flatten")
class Flatten(Op):
    """Axes ``first`` to ``last`` become one, the others stay."""

    axes: tuple[int, ...] | None = attribute(
        "list",
        "first and last of the axes that are merged; unless said, all of them",
        default=None,
        item=Param("integer", doc="axis, from 0 without the batch", minimum=0),
    )

    def _ends(self, x: TensorType) -> tuple[int, int]:
        if self.axes is None:
            return 0, x.rank - 1
        if len(self.axes) != 2 or self.axes[0] > self.axes[1]:
            raise ShapeError(
                "axes takes two numbers, the first axis and the last, but got "
                f"{list(self.axes)}",
                attribute="axes",
                code="RG112",
            )
        first, last = self.axes
        return first, check_axis(last, x, "axes")

    def infer(self, x: TensorType) -> TensorType:
        first, last = self._ends(x)
        merged = prod(x.shape[first : last + 1])
        return TensorType((*x.shape[:first], merged, *x.shape[last + 1 :]))

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {"axes": self._ends(x)}

    def torch(self, x: TensorType) -> Function:
        first, last = self._ends(x)
        if last == x.rank - 1:
            return Function("torch.flatten", (first + 1,))
        return Function("torch.flatten", (first + 1, last + 1))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        first, last = self._ends(x.type)
        if (first, last) == (0, x.type.rank - 1):
            return to.emit("Flatten", [x.name], axis=1)
        return write_reshape(to, x, first, [-1], last)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((4, 5, 6),)),
            Case(cls(), ((4,),)),
            Case(cls(axes=(1, 2)), ((2, 3, 4, 5),)),
            Case(cls(axes=(0, 1)), ((2, 3, 4, 5),)),
            Case(cls(axes=(1, 2)), ((4, 5, 6),)),
        )
