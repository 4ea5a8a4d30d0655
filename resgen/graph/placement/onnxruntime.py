"""ONNX Runtime's CPU provider: activations of 8 bits wherever a kernel takes them.

Tried on ResNet-50 with VNNI, time over float32: unsigned activations with int32 biases
and every input and result of an addition quantised 0.40; float biases 0.51; signed
activations 1.01 to 1.17. A map only runs in 8 bits where its result is quantised too.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Final

from resgen.graph.ir import Graph, Node
from resgen.graph.passes.split_silu import split_silu
from resgen.graph.placement.base import Placement, Port, around_kernels, is_weighted
from resgen.ops.act import Act

#: Operators of which ONNX Runtime has a kernel for 8 bits, beside the weighted maps and
#: the sigmoid (of tanh and hardswish it has none, and they take no longer in float32).
KERNELS: Final = frozenset(
    {"add", "avg_pool", "concat", "flatten", "global_pool", "max_pool", "multiply"}
)


def _has_kernel(node: Node) -> bool:
    sigmoid = isinstance(node.op, Act) and node.op.type == "sigmoid"
    return sigmoid or is_weighted(node) or node.op.name in KERNELS


def _suits(graph: Graph, node: Node, precision: str) -> bool:
    return True


def _reads(graph: Graph, quantized: Set[str]) -> Iterator[Port]:
    return around_kernels(graph, quantized, _has_kernel)


PLACEMENT: Final = Placement(
    name="onnxruntime",
    activations={"int8": "uint8", "fp8": "float8_e4m3fn"},
    zero_point=True,
    between="float32",
    integer_bias=True,
    suits=_suits,
    reads=_reads,
    alike=("flatten", "max_pool"),
    passes=(split_silu,),
)
