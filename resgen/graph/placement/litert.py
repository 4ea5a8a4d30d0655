"""LiteRT: signed activations, as the specification of TensorFlow Lite has them.

https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec
fixes the scales of sigmoid and tanh, and wants one for what only moves numbers and for
all that is put together. Maps also give out 8 bits at the ends of the network: one that
did not would keep its weights in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final

from resgen.graph.ir import Graph, Node
from resgen.graph.passes.split_silu import split_silu
from resgen.graph.placement.base import (
    Placement,
    Port,
    Wiring,
    around_kernels,
    is_weighted,
)
from resgen.ops.act import Act

#: Operators whose result has the scale of their input.
ALIKE: Final = (
    "avg_pool", "channel_shuffle", "flatten", "max_pool", "pad", "pad_channels",
    "pad_same", "slice",
)  # fmt: skip
#: Others that have a kernel of 8 bits, beside the weighted maps.
KERNELS: Final = frozenset({*ALIKE, "add", "concat", "global_pool", "multiply"})
#: The scale and the zero point of what activations yield, None where they are free.
ACTIVATIONS: Final[Mapping[str, tuple[float, int] | None]] = {
    "relu": None, "relu6": None, "leaky_relu": None, "hardswish": None,
    "sigmoid": (1 / 256, -128), "tanh": (1 / 128, 0),
}  # fmt: skip
#: Maps over so many axes of positions have no kernel of 8 bits.
DEEP: Final = 3


def _has_kernel(node: Node) -> bool:
    if isinstance(node.op, Act):
        return node.op.type in ACTIVATIONS
    return is_weighted(node) or node.op.name in KERNELS


def _suits(graph: Graph, node: Node, precision: str) -> bool:
    rank = len(graph.types[node.inputs[0]].shape) if node.inputs else 0
    return precision == "int8" and not (is_weighted(node) and rank > DEEP)


def _reads(graph: Graph, quantized: Set[str]) -> Iterator[Port]:
    return around_kernels(graph, quantized, _has_kernel, given_out=True)


def _gives(graph: Graph, quantized: Set[str]) -> Iterator[str]:
    wiring = Wiring(graph)
    for _, value in graph.outputs:
        source = wiring.source(value)
        if source is not None and source.name in quantized and _has_kernel(source):
            yield value


def _fixed(node: Node) -> tuple[float, int] | None:
    return ACTIVATIONS.get(node.op.type) if isinstance(node.op, Act) else None


PLACEMENT: Final = Placement(
    name="litert",
    activations={"int8": "int8"},
    zero_point=True,
    between="float32",
    integer_bias=True,
    suits=_suits,
    reads=_reads,
    gives=_gives,
    alike=ALIKE,
    joined=("concat",),
    fixed=_fixed,
    passes=(split_silu,),
)
