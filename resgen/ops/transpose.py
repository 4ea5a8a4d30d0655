"""Another order of axes."""

from __future__ import annotations

from typing import Any

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value
from resgen.spec.params import Param


@operator("transpose")
class Transpose(Op):
    """Axis i of the output is axis ``axes[i]`` of the input; those after stay."""

    axes: tuple[int, ...] = attribute(
        "list",
        "a permutation of the first axes",
        item=Param("integer", doc="axis, from 0 without the batch", minimum=0),
    )

    def _order(self, x: TensorType) -> tuple[int, ...]:
        return (*self.axes, *range(len(self.axes), x.rank))

    def infer(self, x: TensorType) -> TensorType:
        count = len(self.axes)
        if sorted(self.axes) != list(range(count)) or count > x.rank:
            raise ShapeError(
                f"{list(self.axes)} does not reorder the first axes of {x}",
                attribute="axes",
                code="RG112",
                hint="give each axis once, e.g. [1, 0]",
            )
        return TensorType(tuple(x.shape[axis] for axis in self._order(x)))

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {"axes": self._order(x)}

    def torch(self, x: TensorType) -> Function:
        order = (0, *(axis + 1 for axis in self._order(x)))
        return Function("torch.permute", (order,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        order = (0, *(axis + 1 for axis in self._order(x.type)))
        return to.emit("Transpose", [x.name], perm=order)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(axes=(1, 0)), ((2, 3, 4, 5),)),
            Case(cls(axes=(2, 0, 1)), ((2, 3, 4),)),
        )
