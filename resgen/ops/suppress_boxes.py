"""One box for one thing: those that cover a surer one of their class go."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import Case, OnnxWriter, Op, ShapeError, attribute, operator
from resgen.ops.types import Function, TensorType, Value


@operator("suppress_boxes")
class SuppressBoxes(Op):
    """The boxes that cover no surer one of their class, the surest first.

    A row is x1 y1 x2 y2, a score and the number of a class, in and out. Rows above
    ``threshold`` are taken from the surest on (of equals the first), and one that
    shares more than ``overlap`` (intersection over union) with a row taken before, of
    its class, is left out: greedy suppression, as torchvision's ``batched_nms`` and
    ONNX's NonMaxSuppression have it. Where fewer than ``most`` are left, rows of zeros
    follow, so that the size is known.
    """

    chooses: ClassVar[bool] = True

    classes: int = attribute("integer", "how many there are", minimum=1)
    overlap: float = attribute(
        "number", "the most that two boxes of a class share", minimum=0, maximum=1
    )
    threshold: float = attribute(
        "number", "what a box has to be surer than", minimum=0, maximum=1
    )
    most: int = attribute("integer", "how many rows come out", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        if x.shape[1:] != (6,):
            raise ShapeError(
                f"{x} is not rows of a box, a score and a class (6 numbers)",
                code="RG104",
            )
        return TensorType((min(self.most, x.channels), 6))

    def check_open(self, x: TensorType) -> None:
        raise ShapeError("it takes boxes of a known number", code="RG112")

    def torch(self, x: TensorType) -> Function:
        options = {
            "classes": self.classes,
            "overlap": float(self.overlap),
            "threshold": float(self.threshold),
            "most": self.infer(x).channels,
        }
        return Function("resgen.lower.modules.suppress_boxes", (), options)

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        rows, most = x.type.channels, self.infer(x.type).channels

        def column(of: str, start: int, end: int) -> str:
            return to.emit(
                "Slice",
                [of, to.integers([start]), to.integers([end]), to.integers([2])],
            )

        across = to.integers([0, 1, rows])
        sure, kinds = (
            to.emit("Reshape", [column(x.name, i, i + 1), across]) for i in (4, 5)
        )
        each = to.floats(range(self.classes), (self.classes, 1))
        own = to.emit("Equal", [kinds, each])
        # Each class has scores of its own rows; no row of score 0 is taken.
        by_class = to.emit("Where", [own, sure, to.floats([0.0], ())])
        left = to.emit(
            "NonMaxSuppression",
            [
                column(x.name, 0, 4), by_class, to.integers([most]),
                to.floats([self.overlap]), to.floats([self.threshold]),
            ],
        )  # fmt: skip
        # How many are left depends on the numbers: among zeros the size is known again.
        at = to.emit("Gather", [left, to.integers([0, 2])], axis=1)
        zeros = to.emit("ConstantOfShape", [to.emit("Shape", [x.name])])
        alone = to.emit("ScatterND", [zeros, at, to.emit("GatherND", [x.name, at])])
        sure = to.emit("Reshape", [column(alone, 4, 5), to.integers([0, rows])])
        to.emit("TopK", [sure, to.integers([most])], axis=1)
        best = to.emit("Reshape", [to.further("int64"), to.integers([0, most, 1])])
        return to.emit("GatherND", [alone, best], batch_dims=1)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(classes=3, overlap=0.5, threshold=0.05, most=5), ((20, 6),)),
            Case(cls(classes=1, overlap=0, threshold=0, most=50), ((20, 6),)),
        )
