"""Zero padding of the spatial axes."""

from __future__ import annotations

from resgen.ops.base import (
    Axes,
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    attribute,
    operator,
    per_axis,
    spatial_suffix,
)
from resgen.ops.types import Function, TensorType, Value


@operator("pad")
class Pad(Op):
    """Zeros around the map: ``begin`` before and ``end`` after each spatial axis."""

    begin: Axes = attribute("axes", "zeros at the start", default=0, minimum=0)
    end: Axes = attribute("axes", "zeros at the end", default=0, minimum=0)

    @property
    def vanishes(self) -> bool:
        return not any((*_many(self.begin), *_many(self.end)))

    def _sides(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return per_axis(self.begin, x, "begin"), per_axis(self.end, x, "end")

    def infer(self, x: TensorType) -> TensorType:
        spatial_suffix(x, "padding")
        rows = zip(x.spatial, *self._sides(x), strict=True)
        return TensorType((x.channels, *(n + b + e for n, b, e in rows)))

    def torch(self, x: TensorType) -> Function:
        begin, end = self._sides(x)
        # torch counts from the last axis.
        pairs = zip(reversed(begin), reversed(end), strict=True)
        pads = tuple(side for pair in pairs for side in pair)
        return Function("torch.nn.functional.pad", (pads,))

    def onnx(self, to: OnnxWriter, *inputs: Value) -> str:
        (x,) = inputs
        begin, end = self._sides(x.type)
        return to.emit("Pad", [x.name, to.integers((0, 0, *begin, 0, 0, *end))])

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(end=1), ((4, 5, 6),)),
            Case(cls(begin=(1, 0), end=(2, 3)), ((4, 5, 6),)),
            Case(cls(begin=2), ((4, 5),)),
        )


def _many(value: Axes) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else value


def sides_of(node: OnnxNode) -> tuple[dict[int, tuple[int, int]], float]:
    """Of a ``Pad``, what is added before and after axes of the tensor, and its value.

    Less than nothing is taken away.
    """
    held, value = node.numbers(1), node.number(2)  # attributes, before opset 11
    given = node.given("pads") if held is None else held.tolist()
    axes, rank = node.numbers(3), len(node.y)
    places = range(rank) if axes is None else [a % rank for a in axes.tolist()]
    pairs = zip(given[: len(places)], given[len(places) :], strict=True)
    shown = node.given("value", 0.0) if value is None else value
    return dict(zip(places, pairs, strict=True)), float(shown)
