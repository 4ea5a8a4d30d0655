"""Several values along a new axis."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, operator
from resgen.ops.merging import same
from resgen.ops.types import Function, TensorType, Value


@operator("stack")
class Stack(Op):
    """Inputs of one shape along a new axis 0."""

    arity: ClassVar[int | None] = None

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType((len(inputs), *same("stack", inputs).shape))

    def torch(self, x: TensorType) -> Function:
        return Function("torch.stack", kwargs={"dim": 1}, gather=True)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        axis = to.integers([1])
        layers = [to.emit("Unsqueeze", [x.name, axis]) for x in inputs]
        return to.emit("Concat", layers, axis=1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return Case(cls(), ((4, 5, 6), (4, 5, 6))), Case(cls(), ((4,),))
