"""Write SiLU as the product that it is, so that both of its operators can be quantised.

``silu(x) = x * sigmoid(x)``. ONNX Runtime has kernels of 8 bits for a sigmoid and for a
product, and none for the two at once: left whole, an EfficientNet's int8 file takes 1.6
to 3.6 times as long as its float32 one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from resgen.graph.ir import Graph, Node
from resgen.graph.passes import recorded
from resgen.ops.act import Act
from resgen.ops.multiply import Multiply


@recorded
def split_silu(graph: Graph) -> Graph:
    """The graph with a sigmoid and a product for every SiLU.

    The product keeps the name of the activation; the sigmoid lies below it.
    """
    nodes = tuple(part for node in graph.nodes for part in _parts(node))
    return replace(graph, nodes=nodes)


def _parts(node: Node) -> Iterator[Node]:
    if not (isinstance(node.op, Act) and node.op.type == "silu"):
        yield node
        return
    gate = f"{node.name}.gate"
    yield replace(node, name=gate, op=Act(type="sigmoid"), owner=gate, absorbed=())
    yield replace(node, op=Multiply(), inputs=(node.inputs[0], gate))
