"""Zero padding of the spatial axes."""

from __future__ import annotations

from typing import ClassVar

from resgen.ops.base import (
    Axes,
    Case,
    OnnxNode,
    OnnxWriter,
    Op,
    Read,
    Unreadable,
    attribute,
    operator,
    per_axis,
    plain_axes,
    spatial_suffix,
)
from resgen.ops.pad_channels import PadChannels
from resgen.ops.types import Function, TensorType, Value


@operator("pad")
class Pad(Op):
    """Zeros around the map: ``begin`` before and ``end`` after each spatial axis."""

    onnx_types: ClassVar[tuple[str, ...]] = ("Pad",)

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
    def from_onnx(cls, node: OnnxNode) -> Read:
        rank = node.x.rank
        pads, value = sides_of(node)
        if node.given("mode", "constant") != "constant" or value:
            raise Unreadable("it pads with what is not zero")
        (before, *begin), (after, *end) = pads[:rank], pads[rank:]
        if min(pads) < 0:
            raise Unreadable("it pads by less than nothing")
        if not before + after:
            return Read(cls(begin=plain_axes(begin), end=plain_axes(end)))
        channels = PadChannels(to=node.x.channels + before + after)
        at_end = PadChannels(to=channels.to, at="end")
        wanted = (before, after)
        found = next((c for c in (channels, at_end) if c.sides(node.x) == wanted), None)
        if found is None:
            raise Unreadable("it adds channels where pad_channels does not")
        more = (cls(begin=plain_axes(begin), end=plain_axes(end)),)
        return Read(found, {}, more if any((*begin, *end)) else ())

    @classmethod
    def samples(cls) -> tuple[Case, ...]:
        return (
            Case(cls(end=1), ((4, 5, 6),)),
            Case(cls(begin=(1, 0), end=(2, 3)), ((4, 5, 6),)),
            Case(cls(begin=2), ((4, 5),)),
        )


def _many(value: Axes) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else value


def sides_of(node: OnnxNode) -> tuple[tuple[int, ...], float]:
    """Of a ``Pad``, what is added before and then after each axis, and its value."""
    rank = node.x.rank
    held, value = node.numbers(1), node.number(2)  # attributes, before opset 11
    given = node.given("pads") if held is None else held.tolist()
    axes = node.numbers(3)
    places = (
        range(rank + 1) if axes is None else [a % (rank + 1) for a in axes.tolist()]
    )
    pads = [0] * (2 * rank + 2)
    for at, axis in enumerate(places):
        pads[axis], pads[axis + rank + 1] = given[at], given[at + len(places)]
    if pads[0] or pads[rank + 1]:
        raise Unreadable("it adds inputs to a batch")
    shown = node.given("value", 0.0) if value is None else value
    return (*pads[1 : rank + 1], *pads[rank + 2 :]), float(shown)
