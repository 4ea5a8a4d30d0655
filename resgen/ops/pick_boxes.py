"""The surest boxes of one level, before those that cover others go."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.cast import CODES
from resgen.ops.types import Function, TensorType, Value


@operator("pick_boxes")
class PickBoxes(Op):
    """The best of all pairs of a box and a class, the surest first.

    Of boxes ``(A, 4)`` and a kept value ``(A, classes)`` comes a row each: the box, its
    score and the number of its class. Of equals the first box comes first, and of it
    the first class.
    """

    arity: ClassVar[int | None] = 2
    chooses: ClassVar[bool] = True

    scores: str = attribute("value", "the kept value with each box's score by class")
    most: int = attribute("integer", "how many, if there are so many", minimum=1)

    def _count(self, scores: TensorType) -> int:
        return min(self.most, scores.size)

    def infer(self, x: TensorType, scores: TensorType) -> TensorType:
        if x.shape[1:] != (4,) or scores.rank != 2 or scores.channels != x.channels:
            raise ShapeError(
                f"{scores} is not a score by class for each of {x.channels} boxes, or "
                f"{x} is not 4 numbers for each",
                code="RG104",
            )
        return TensorType((self._count(scores), 6))

    def check_open(self, x: TensorType) -> None:
        raise ShapeError("it takes boxes of a known number", code="RG112")

    def torch(self, x: TensorType) -> Function:
        return Function("resgen.lower.modules.pick_boxes", (), {"most": self.most})

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        boxes, scores = inputs
        count, classes = self._count(scores.type), to.integers([scores.type.shape[1]])
        flat = to.emit("Reshape", [scores.name, to.integers([0, scores.type.size])])
        best = to.emit("TopK", [flat, to.integers([count])], axis=1)
        places = to.emit("Reshape", [to.further("int64"), to.integers([0, count, 1])])
        best = to.emit("Reshape", [best, to.integers([0, count, 1])])
        kinds = to.emit("Mod", [places, classes])
        kinds = to.emit("Cast", [kinds], to=CODES[scores.type.dtype])
        rows = to.emit("Div", [places, classes])
        picked = to.emit("GatherND", [boxes.name, rows], batch_dims=1)
        return to.emit("Concat", [picked, best, kinds], axis=2)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(scores="y", most=7), ((9, 4), (9, 3))),
            Case(cls(scores="y", most=50), ((9, 4), (9, 3))),
        )
