"""TensorRT: symmetric scales, and one side of every addition left as it is.

A convolution that ends a branch, the addition and the activation after it are one int8
kernel if the branch is not quantised at the addition and the shortcut is; its users
report so, and the engines built here take it. Global average pools and the products of
squeeze-excitation read int8 too, as NVIDIA's Model Optimizer has it: on an A100 its
ResNet-18 takes 8 % less for the pool alone. A zero point other than 0 and an int32
bias are refused by the parser. What lies between is float16.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from math import prod
from typing import Final

from resgen.graph.ir import Graph, Node
from resgen.graph.placement.base import Placement, Port, Wiring, is_weighted
from resgen.ops.base import per_axis
from resgen.ops.conv import Conv
from resgen.ops.global_pool import GlobalPool

#: TensorRT has no float8 convolution with fewer channels or a larger kernel (its
#: support matrix, "FP8 convolutions").
FP8_CHANNELS: Final = 16
FP8_KERNEL: Final = 32
#: Below so many channels a group int8 convolutions have kernels for some forms alone:
#: channels in multiples, grouped ones from a kernel of 3 on (NVIDIA's Model Optimizer,
#: which leaves all others in float16).
INT8_CHANNELS: Final = 16
INT8_MULTIPLE: Final = 8
INT8_GROUPED_KERNEL: Final = 3


def _suits(graph: Graph, node: Node, precision: str) -> bool:
    if not isinstance(node.op, Conv):
        return precision == "int8" or node.op.name not in ("global_pool", "multiply")
    x, op = graph.types[node.inputs[0]], node.op
    sides = per_axis(op.kernel, x, "kernel")
    if precision == "fp8":
        narrowest = min(x.channels, op.out) // op.groups
        return narrowest > FP8_CHANNELS and prod(sides) <= FP8_KERNEL
    least, each = min(op.out, x.channels // op.groups), x.channels // op.groups
    if least >= INT8_CHANNELS:
        return True
    if op.groups > 1:
        return op.out % INT8_MULTIPLE == 0 and min(sides) >= INT8_GROUPED_KERNEL
    whole = op.out % INT8_MULTIPLE == 0 or each % INT8_MULTIPLE == 0
    first = node.inputs[0] in {given.name for given in graph.inputs}
    return (
        whole and (first or max(op.out, each) >= INT8_CHANNELS) and len(set(sides)) == 1
    )


def _reads(graph: Graph, quantized: Set[str]) -> Iterator[Port]:
    wiring = Wiring(graph)
    for node in graph.nodes:
        if node.name in quantized and is_weighted(node):
            yield node.name, 0
        elif node.name in quantized and node.op.name == "add":
            fused = _fused(wiring, node, quantized)
            if fused is not None:
                yield from (
                    (node.name, p) for p in range(len(node.inputs)) if p != fused
                )
        elif node.name in quantized and _is_average(node):
            yield node.name, 0
        elif node.name in quantized and _is_gate(graph, node):
            yield from ((node.name, port) for port in range(len(node.inputs)))


def _is_average(node: Node) -> bool:
    return isinstance(node.op, GlobalPool) and node.op.type == "avg"


def _is_gate(graph: Graph, node: Node) -> bool:
    """Whether it multiplies a picture by one number a channel (squeeze-excitation)."""
    sizes = {x.positions for x in graph.input_types(node)}
    return node.op.name == "multiply" and 1 in sizes and len(sizes) > 1


def _fused(wiring: Wiring, addition: Node, quantized: Set[str]) -> int | None:
    """The input whose map is one kernel with the addition: the branch's, if any."""
    able = [
        (maker.origin.role == "shortcut", port)
        for port, value in enumerate(addition.inputs)
        if (maker := wiring.maker(value)) is not None
        and is_weighted(maker)
        and maker.name in quantized
        and wiring.alone(maker.name) is addition
    ]
    return min(able)[1] if able else None


PLACEMENT: Final = Placement(
    name="tensorrt",
    activations={"int8": "int8", "fp8": "float8_e4m3fn"},
    zero_point=False,
    between="float16",
    integer_bias=False,
    suits=_suits,
    reads=_reads,
)
