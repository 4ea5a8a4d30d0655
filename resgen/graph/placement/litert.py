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

#: Operators over windows whose result has the scale of their input.
POOLED: Final = ("avg_pool", "max_pool", "pad", "pad_channels", "pad_same")
#: Those that only move numbers, and so are in 8 bits where others are, beside them.
MOVING: Final = (
    "channel_shuffle", "flatten", "pixel_shuffle", "pixel_unshuffle", "reshape",
    "slice", "transpose", "unflatten", "unwindows", "windows",
)  # fmt: skip
#: Others that have a kernel of 8 bits, beside the weighted maps.
KERNELS: Final = frozenset({*POOLED, "add", "concat", "global_pool", "multiply"})
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
    running = _running(graph, quantized)
    return around_kernels(
        graph, quantized, lambda node: node.name in running, given_out=True
    )


def _gives(graph: Graph, quantized: Set[str]) -> Iterator[str]:
    wiring, running = Wiring(graph), _running(graph, quantized)
    for _, value in graph.outputs:
        source = wiring.source(value)
        if source is not None and source.name in running:
            yield value


def _running(graph: Graph, quantized: Set[str]) -> Set[str]:
    """The operators that run in 8 bits.

    What only moves numbers does behind one that does, or where all that read it do: in
    float32 on both sides it would round what nothing else rounds.
    """
    wiring = Wiring(graph)
    able = [node for node in graph.nodes if node.name in quantized]
    found = {node.name for node in able if _has_kernel(node)}
    moving = [node for node in able if node.op.name in MOVING]
    for node in moving:
        source = wiring.source(node.inputs[0])
        if source is not None and source.name in found:
            found.add(node.name)
    for node in reversed(moving):
        readers = {reader.name for reader in wiring.readers(node.name)}
        if readers and readers <= found and node.name not in wiring.given_out:
            found.add(node.name)
    return found


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
    alike=(*POOLED, *MOVING),
    joined=("concat",),
    fixed=_fixed,
    passes=(split_silu,),
)
