"""What pools share whose windows follow from the size that they yield."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resgen.ops.base import (
    Axes,
    Case,
    OnnxWriter,
    Op,
    ShapeError,
    attribute,
    per_axis,
    spatial_suffix,
)
from resgen.ops.types import Module, TensorType, Value, Window

#: The first position of a window, and the one after its last.
Span = tuple[int, int]


@dataclass(frozen=True)
class AdaptivePool(Op):
    """A pool to a given size; windows overlap by one where sizes do not divide.

    Of n positions and s windows, window i takes those from ``floor(i * n / s)`` to
    ``ceil((i + 1) * n / s)``, the end excluded, as torch's adaptive pools do.
    """

    #: The torch class without its rank, and the ONNX operator for windows of one size.
    spelled: ClassVar[tuple[str, str]]

    size: Axes = attribute("axes", "positions of the result", minimum=1)

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "pooling")
        return TensorType((x.channels, *per_axis(self.size, x, "size")))

    def check_open(self, x: TensorType) -> None:
        if set(per_axis(self.size, x, "size")) != {1}:
            raise ShapeError(
                "its windows follow from the size of its input", code="RG112"
            )

    def _spans(self, x: TensorType) -> list[list[Span]]:
        """The windows along each axis."""
        pairs = zip(x.spatial, per_axis(self.size, x, "size"), strict=True)
        return [
            [(i * n // s, -(-(i + 1) * n // s)) for i in range(s)] for n, s in pairs
        ]

    def window(self, x: TensorType) -> Window:
        spans = self._spans(x)
        extent = (max(end - start for start, end in axis) for axis in spans)
        stride = (max(1, n // len(a)) for n, a in zip(x.spatial, spans, strict=True))
        return Window(tuple(extent), tuple(stride))

    def torch(self, x: TensorType) -> Module:
        suffix = spatial_suffix(x, "pooling")
        return Module(f"{self.spelled[0]}{suffix}", (per_axis(self.size, x, "size"),))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        sizes = per_axis(self.size, x.type, "size")
        op_type = self.spelled[1]
        if set(sizes) == {1}:
            return to.emit(f"Global{op_type}", [x.name])
        if sizes == x.type.spatial:
            return to.emit("Identity", [x.name])
        pairs = tuple(zip(x.type.spatial, sizes, strict=True))
        if not any(n % s for n, s in pairs):
            each = tuple(n // s for n, s in pairs)
            return to.emit(op_type, [x.name], kernel_shape=each, strides=each)
        y = x.name
        for at, spans in enumerate(self._spans(x.type)):
            if len(spans) != x.type.spatial[at]:
                y = self._along(to, y, spans, 2 + at, x.type.rank + 1)
        return y

    def _along(
        self, to: OnnxWriter, x: str, spans: Sequence[Span], axis: int, rank: int
    ) -> str:
        """Pool one axis of ``rank``: gather each window, then reduce.

        Windows that are shorter than the longest take their last position again.
        """
        longest = max(end - start for start, end in spans)
        steps = range(longest)
        places = [min(start + i, end - 1) for start, end in spans for i in steps]
        at = to.integers(places, (len(spans), longest))
        gathered = to.emit("Gather", [x, at], axis=axis)
        return self._reduce(to, gathered, spans, axis + 1, rank + 1)

    def _reduce(
        self, to: OnnxWriter, x: str, spans: Sequence[Span], axis: int, rank: int
    ) -> str:
        """One value of each gathered window, which lies along ``axis`` of ``rank``."""
        raise NotImplementedError

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(size=1), ((4, 9, 8),)),
            Case(cls(size=(9, 8)), ((4, 9, 8),)),
            Case(cls(size=(3, 4)), ((4, 9, 8),)),
            Case(cls(size=(4, 8)), ((4, 9, 8),)),
            Case(cls(size=7), ((4, 3, 10),)),
            Case(cls(size=3), ((4, 11),)),
            Case(cls(size=(2, 3, 2)), ((4, 4, 5, 6),)),
        )
