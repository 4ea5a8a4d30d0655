"""Windows as ONNX files have them, with paddings of any kind, read by operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resgen.ops.base import OnnxNode, Op, Unreadable, plain_axes
from resgen.ops.pad import Pad
from resgen.ops.pad_same import PadSame, lacking


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of a node, by axis; ``end`` is the padding at the end.

    ``before`` are operators that pad what no operator of ours pads itself.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    end: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[Op, ...] = ()


def raw_windows(node: OnnxNode, kernel: Sequence[int]) -> Windows:
    """As the file says it, "same" computed for the size at hand."""
    ones = (1,) * len(kernel)
    stride = tuple(node.given("strides", ones))
    dilation = tuple(node.given("dilations", ones))
    auto = node.given("auto_pad", "NOTSET")
    begin: tuple[int, ...] = (0,) * len(kernel)
    end = begin
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        lack = lacking(node.x.spatial, extent, stride)
        less = tuple(n // 2 for n in lack)
        more = tuple(n - n // 2 for n in lack)
        begin, end = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto == "NOTSET":
        pads = tuple(node.given("pads", begin + end))
        begin, end = pads[: len(kernel)], pads[len(kernel) :]
    if any(n < 0 for n in begin + end):
        raise Unreadable("it pads by less than nothing")
    return Windows(stride, begin, end, dilation)


def windows(node: OnnxNode, kernel: Sequence[int]) -> Windows:
    """With one padding for both sides, and what is not so in an operator before."""
    found = raw_windows(node, kernel)
    if found.padding == found.end:
        return found
    same = PadSame(
        kernel=plain_axes(kernel),
        stride=plain_axes(found.stride),
        dilation=plain_axes(found.dilation),
    )
    sides = Pad(begin=plain_axes(found.padding), end=plain_axes(found.end))
    # Converters from TensorFlow write the numbers that "same" comes to.
    pad: Op = (
        same
        if same.infer(node.x) == sides.infer(node.x)
        and all(e - b in (0, 1) for b, e in zip(found.padding, found.end, strict=True))
        else sides
    )
    none = (0,) * len(kernel)
    return Windows(found.stride, none, none, found.dilation, (pad,))
