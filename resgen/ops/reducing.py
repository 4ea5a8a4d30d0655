"""What the operators share that put one value in the place of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from resgen.ops.base import Axes, Case, OnnxWriter, Op, ShapeError, attribute
from resgen.ops.reshaping import check_axis
from resgen.ops.types import Function, TensorType, Value

#: Since which opset the axes are an input, and no attribute any more.
_AXES_ARE_INPUT: Final = {
    "ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceL2": 18,
}  # fmt: skip


@dataclass(frozen=True)
class Reduce(Op):
    """An operator whose axes are gone afterwards, or of size 1."""

    #: The torch function and the ONNX operator.
    spelled: ClassVar[tuple[str, str]]

    axis: Axes = attribute(
        "axes", "which axis, or a list of them", default=0, minimum=0
    )
    keep: bool = attribute("boolean", "the axes stay, with size 1", default=False)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes in their order."""
        return (self.axis,) if isinstance(self.axis, int) else tuple(sorted(self.axis))

    def infer(self, x: TensorType) -> TensorType:
        if not self.axes or len(set(self.axes)) < len(self.axes):
            raise ShapeError(
                f"{list(self.axes)} does not name each axis once that is reduced",
                attribute="axis",
                code="RG112",
            )
        for axis in self.axes:
            check_axis(axis, x)
        if len(self.axes) == x.rank and not self.keep:
            raise ShapeError(
                f"reducing every axis of an input of {x} leaves nothing",
                code="RG111",
                hint='"keep": true leaves axes of size 1',
            )
        sizes = (1 if i in self.axes else n for i, n in enumerate(x.shape))
        kept = (n for i, n in enumerate(x.shape) if i not in self.axes)
        return TensorType(tuple(sizes if self.keep else kept))

    def effective(self, x: TensorType) -> dict[str, Any]:
        return {"axis": self.axes, "keep": self.keep}

    def torch(self, x: TensorType) -> Function:
        axes = tuple(axis + 1 for axis in self.axes)
        kept = (True,) if self.keep else ()
        return Function(self.spelled[0], (axes if len(axes) > 1 else axes[0], *kept))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        axes = [axis + 1 for axis in self.axes]
        return write_reduce(to, self.spelled[1], x.name, axes, keep=self.keep)

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(), ((2, 3, 4, 5),)),
            Case(cls(axis=2), ((4, 5, 6),)),
            Case(cls(axis=(2, 0)), ((4, 5, 6),)),
            Case(cls(axis=(0, 1, 2), keep=True), ((4, 5, 6),)),
        )


def write_reduce(
    to: OnnxWriter, op_type: str, x: str, axes: Sequence[int], *, keep: bool = False
) -> str:
    """Reduce axes, which count from the batch."""
    if to.opset >= _AXES_ARE_INPUT[op_type]:
        return to.emit(op_type, [x, to.integers(axes)], keepdims=int(keep))
    return to.emit(op_type, [x], axes=axes, keepdims=int(keep))
