"""TensorRT: symmetric scales, and one side of every addition left as it is.

A convolution that ends a branch, the addition and the activation after it are one int8
kernel if the branch is not quantised at the addition and the shortcut is; its users
report so, and the engines built here take it. A zero point other than 0 and an int32
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

#: TensorRT has no float8 convolution with fewer channels or a larger kernel (its
#: support matrix, "FP8 convolutions").
FP8_CHANNELS: Final = 16
FP8_KERNEL: Final = 32


def _suits(graph: Graph, node: Node, precision: str) -> bool:
    if precision != "fp8" or not isinstance(node.op, Conv):
        return True
    x = graph.types[node.inputs[0]]
    kernel = prod(per_axis(node.op.kernel, x, "kernel"))
    narrowest = min(x.channels // node.op.groups, node.op.out // node.op.groups)
    return narrowest > FP8_CHANNELS and kernel <= FP8_KERNEL


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
