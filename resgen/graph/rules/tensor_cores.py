"""What will be slow on tensor cores: rules whose findings depend on the precision.

They ask what each operator is to compute in. Where nothing says so, they speak of what
no kernel of fp16 likes; in fp32 only of groups of 2 or 3 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from resgen.errors import Place
from resgen.graph.ir import Graph, Node
from resgen.graph.rules.base import Finding, Subject, rule
from resgen.ops.base import is_map

#: How many channels tensor cores multiply at a time; widths between are padded.
GRIDS: Final = {"": 8, "fp16": 8, "bf16": 8, "int8": 16, "fp8": 16}
#: Narrower maps are padded whatever they do, and cost next to nothing.
SMALL: Final = 8
#: TensorRT's format for int8 (NC/32HW32) holds channels in vectors of 32.
VECTOR: Final = 32
#: Fewer channels a group than this are slow at any precision and yet not depthwise. The
#: cardinality of ResNeXt 32x4d leaves 4.
NARROWEST_GROUP: Final = 4


@rule("RG210", "warning", "Channels off the tensor-core grid")
def grid(subject: Subject) -> Iterator[Finding]:
    """A width inside the network is not a multiple of 8, or in 8 bits of 16.

    Tensor cores multiply tiles of 8 channels (fp16) or 16 (int8 and fp8), and kernels
    pad what is left: `"width": 2047` costs as much as 2048, often more, since the
    padding is copied. Take the next multiple; `"divisible(w, 8)"` rounds an expression.
    In int8 a multiple of 32 is better still, for TensorRT's vectorised format NC/32HW32
    pads to that. The rule takes the precision that the spec or an export asks for, and
    8 where neither does. Not meant are widths up to 8, depthwise convolutions, the
    gates of attention (one position, so nothing to gain) and classes: the layers that
    yield an output, and in the head all that are as wide as one (a score of each
    class, however often scores are resized and added).
    """
    last = _classifiers(subject.graph)
    types = subject.graph.types
    classes = {types[value].channels for _, value in subject.graph.outputs}
    found: dict[Place, dict[int, Node]] = {}  # one warning a line, for all its widths
    for node, x in subject.maps:
        out, of = node.type.channels, GRIDS.get(subject.precision(node))
        if of is None or out <= SMALL or out % of == 0 or node.name in last:
            continue
        depthwise = _groups(node) == x.channels
        head = subject.section(node).kind == "head"
        gate = node.type.positions == 1 and not head
        if not depthwise and not gate and not (head and out in classes):
            found.setdefault(node.origin.place, {}).setdefault(out, node)
    for widths in found.values():
        precisions = (subject.precision(node) for node in widths.values())
        yield _off_grid(widths, max(precisions, key=lambda p: GRIDS[p]))


def _off_grid(widths: dict[int, Node], precision: str) -> Finding:
    """The warning of one line; ``precision`` is the most demanding of it."""
    many, of = len(widths) > 1, GRIDS[precision]
    kernels = f"{precision} kernels" if precision else "int8 and fp16 kernels"
    hint = f"use {_next(widths, of)}"
    if precision == "int8" and _next(widths, VECTOR) != _next(widths, of):
        hint += f"; {_next(widths, VECTOR)} would also fill int8's vectors of {VECTOR}"
    return Finding(
        next(iter(widths.values())),
        f"width{'s'[:many]} {' and '.join(map(str, sorted(widths)))} "
        f"{'are' if many else 'is'} off the tensor-core grid of {of}; {kernels} will "
        "pad it",
        hint,
    )


def _next(widths: Iterable[int], of: int) -> str:
    return " and ".join(str(-(-width // of) * of) for width in sorted(widths))


@rule("RG212", "warning", "Groups too narrow")
def groups(subject: Subject) -> Iterator[Finding]:
    """A grouped convolution has 2 or 3 channels a group, or less than a tile holds.

    Two or three are too narrow for the kernels of dense convolutions and too wide for
    those of depthwise ones, so most libraries run one group at a time or fill matrices
    with zeros. ResNeXt leaves at least 4 (`"groups": 32` of 128 channels). On tensor
    cores a group fills its own tile, of 8 channels in fp16 and 16 in 8 bits; where the
    spec or an export asks for these, narrower groups are reported too. Either use
    fewer groups, or as many groups as channels.
    """
    for node, x in subject.maps:
        precision = subject.precision(node)
        least = GRIDS.get(precision, NARROWEST_GROUP) if precision else NARROWEST_GROUP
        count, channels = _groups(node), x.channels
        width = channels // count
        if count == 1 or not 1 < width < least:
            continue
        message = f"{count} groups of {channels} channels leave {width} a group, "
        if width < NARROWEST_GROUP:
            message += "slower than both wider groups and a depthwise convolution"
        else:
            message += f"off the grid of {least}; {precision} kernels will pad them"
        fewer = channels // least
        hint = f"use {fewer} groups or fewer" if fewer > 1 else 'use "groups": 1'
        yield Finding(node, message, f"{hint}, or {channels}")


def _groups(node: Node) -> int:
    return int(getattr(node.op, "groups", 1))


def _classifiers(graph: Graph) -> set[str]:
    """The maps after which no other stands before an output."""
    found, seen = set(), set()
    waiting = [value for _, value in graph.outputs]
    while waiting:
        node = graph.node.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if is_map(node.op):
            found.add(node.name)
        else:
            waiting.extend(node.inputs)
    return found


TENSOR_CORES: Final = (grid, groups)
