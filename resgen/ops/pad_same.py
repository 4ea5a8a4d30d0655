"""Padding as TensorFlow has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from resgen.ops.base import (
    Axes,
    Case,
    OnnxWriter,
    Op,
    attribute,
    multiplied,
    operator,
    per_axis,
    spacing,
    spatial_suffix,
)
from resgen.ops.types import Module, TensorType, Value


def lacking(
    sizes: Sequence[int], extent: Sequence[int], stride: Sequence[int]
) -> tuple[int, ...]:
    """By axis the positions that windows lack to see ``ceil(size / stride)`` places."""
    rows = zip(sizes, extent, stride, strict=True)
    return tuple(max(0, (-(-n // s) - 1) * s + e - n) for n, e, s in rows)


def open_pads(
    to: OnnxWriter, x: str, extent: Sequence[int], stride: Sequence[int]
) -> str:
    """The same as the input of a ``Pad`` that computes it of the size that it gets."""
    reaches, by = to.integers(extent), to.integers(stride)
    one, none, two = (to.integers([n]) for n in (1, 0, 2))
    size = to.emit("Shape", [x], start=2)
    steps = to.emit("Div", [to.emit("Sub", [size, one]), by])
    reach = to.emit("Add", [to.emit("Mul", [steps, by]), reaches])
    lacks = to.emit("Max", [to.emit("Sub", [reach, size]), none])
    before = to.emit("Div", [lacks, two])
    after = to.emit("Sub", [lacks, before])
    rest = to.integers([0, 0])
    return to.emit("Concat", [rest, before, rest, after], axis=0)


@operator("pad_same")
class PadSame(Op):
    """Zeros for a window without padding that follows: TensorFlow's "same".

    Of n positions a window with stride s is to see ``ceil(n / s)`` places. What lacks
    for that, ``(ceil(n / s) - 1) * s + dilation * (kernel - 1) + 1 - n`` if positive,
    lies around the map, the larger half at the end, as timm's ``Conv2dSame`` pads.
    """

    kernel: Axes = attribute("axes", "size of the window that follows", minimum=1)
    stride: Axes = attribute("axes", "its stride", default=1, minimum=1)
    dilation: Axes = attribute("axes", "its spacing", default=1, minimum=1)

    def _windows(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Extent and stride, one number an axis each."""
        kernel = per_axis(self.kernel, x, "kernel")
        dilation = per_axis(self.dilation, x, "dilation")
        extent = (d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
        return tuple(extent), per_axis(self.stride, x, "stride")

    def _lacking(self, x: TensorType) -> tuple[int, ...]:
        return lacking(x.spatial, *self._windows(x))

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "padding")
        pairs = zip(x.spatial, self._lacking(x), strict=True)
        return TensorType((x.channels, *(n + more for n, more in pairs)))

    def unstrided(self, dilation: int, *, undo: bool) -> tuple[Op, ...]:
        stride = 1 if undo else self.stride
        return (
            replace(self, stride=stride, dilation=multiplied(self.dilation, dilation)),
        )

    def effective(self, x: TensorType) -> dict[str, Any]:
        found = super().effective(x)
        return {**found, "dilation": spacing(found["kernel"], found["dilation"])}

    def torch(self, x: TensorType) -> Module:
        return Module("resgen.lower.modules.PadSame", self._windows(x))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        if not to.dynamic:
            lacking = self._lacking(x.type)
            begin = [more // 2 for more in lacking]
            end = [more - more // 2 for more in lacking]
            return to.emit("Pad", [x.name, to.integers([0, 0, *begin, 0, 0, *end])])
        return to.emit("Pad", [x.name, open_pads(to, x.name, *self._windows(x.type))])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(kernel=3, stride=2), ((4, 8, 9),)),
            Case(cls(kernel=(1, 4), dilation=2), ((4, 5, 6),)),
            Case(cls(kernel=1, stride=3), ((4, 8),)),
        )
