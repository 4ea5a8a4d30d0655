"""Several values, one after the other."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, attribute, operator
from resgen.ops.merging import unequal
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value


@operator("concat")
class Concat(Op):
    """The inputs one after the other along an axis; their other axes are equal."""

    arity: ClassVar[int | None] = None

    axis: int = attribute("integer", "which axis", default=0, minimum=0)

    def infer(self, *inputs: TensorType) -> TensorType:
        axis = check_axis(self.axis, inputs[0])
        others = {x.shape[:axis] + x.shape[axis + 1 :] for x in inputs}
        if len(others) > 1 or len({x.rank for x in inputs}) > 1:
            raise unequal(
                "concatenate", inputs, f"all axes but {axis} have to be equal"
            )
        total = sum(x.shape[axis] for x in inputs)
        shape = inputs[0].shape
        return TensorType((*shape[:axis], total, *shape[axis + 1 :]))

    def torch(self, x: TensorType) -> Function:
        return Function("torch.cat", kwargs={"dim": self.axis + 1}, gather=True)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        return to.emit("Concat", [x.name for x in inputs], axis=self.axis + 1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((4, 5, 6), (2, 5, 6), (3, 5, 6))),
            Case(cls(axis=1), ((4, 5), (4, 2))),
            Case(cls(), ((4, 5, 6),)),
        )
