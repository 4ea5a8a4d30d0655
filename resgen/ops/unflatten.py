"""Splitting an axis into several."""

from __future__ import annotations

from math import prod

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.reshaping import check_axis, write_reshape
from resgen.ops.types import Function, TensorType, Value
from resgen.spec.params import Param


@operator("unflatten")
class Unflatten(Op):
    """One axis becomes several, of these sizes; the others stay."""

    sizes: tuple[int, ...] = attribute(
        "list",
        "sizes of the new axes; their product is the old one's size",
        item=Param("integer", doc="size", minimum=1),
    )
    axis: int = attribute("integer", "which axis", default=0, minimum=0)

    def infer(self, x: TensorType) -> TensorType:
        size = x.shape[check_axis(self.axis, x)]
        if prod(self.sizes) != size:
            raise ShapeError(
                f"an axis of {size} cannot become {' x '.join(map(str, self.sizes))}, "
                f"which is {prod(self.sizes)}",
                attribute="sizes",
                code="RG112",
            )
        before, after = x.shape[: self.axis], x.shape[self.axis + 1 :]
        return TensorType((*before, *self.sizes, *after))

    def torch(self, x: TensorType) -> Function:
        return Function("torch.unflatten", (self.axis + 1, self.sizes))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        return write_reshape(to, x, self.axis, self.sizes, self.axis)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(sizes=(2, 3)), ((6, 4, 5),)),
            Case(cls(sizes=(1, 2, 3)), ((6,),)),
            Case(cls(sizes=(2, 2), axis=1), ((6, 4, 5),)),
        )
