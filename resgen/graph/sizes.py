"""Inputs of other sizes: does the same network take them?

Sizes are tried, not reasoned about: the shape rules are evaluated at every residue of
the total stride, which is where rounding in strides and pools can differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Node
from resgen.ops.base import ShapeError
from resgen.ops.types import TensorType

#: Residues beyond this many are not tried; networks rarely stride further.
MOST: Final = 256


def total_stride(graph: Graph) -> int:
    """By how much the network shrinks its input, along the axis where it does most."""
    jumps = {i.name: (1,) * len(i.type.spatial) for i in graph.inputs}
    largest = 1
    for node in graph.nodes:
        jump = jumps[node.inputs[0]]
        window = node.op.window(graph.types[node.inputs[0]])
        if window is not None and len(window.stride) == len(jump):
            jump = tuple([a * b for a, b in zip(jump, window.stride, strict=True)])
        jumps[node.name] = jump
        largest = max(largest, *jump) if jump else largest
    return largest


def check_sizes(graph: Graph) -> None:
    """Raise ResgenError unless every larger height and width gives the same network.

    Every size up to one total stride above the graph's own is tried, all axes at once;
    the last makes the smallest map one position larger.
    """
    (given,) = graph.inputs
    for more in range(1, min(total_stride(graph), MOST) + 1):
        spatial = tuple(size + more for size in given.type.spatial)
        _check(graph, TensorType((given.type.channels, *spatial)))


def inferred(
    graph: Graph, shape: TensorType
) -> Iterator[tuple[Node, list[TensorType]]]:
    """Each operator, and what it takes where the network is given ``shape``.

    Raises :class:`~resgen.ops.base.ShapeError` after the operator that cannot take it.
    """
    types = {graph.inputs[0].name: shape}
    for node in graph.nodes:
        inputs = [types[value] for value in node.inputs]
        yield node, inputs
        types[node.name] = node.op.infer(*inputs)


def _check(graph: Graph, shape: TensorType) -> None:
    node = graph.nodes[0]
    try:
        for node, inputs in inferred(graph, shape):
            node.op.check_open(inputs[0])
            own = node.op.parameters(graph.types[node.inputs[0]])
            if own and own != node.op.parameters(inputs[0]):
                raise _fixed(graph, node, shape, "its parameters depend on the size")
    except ShapeError as error:
        raise _fixed(graph, node, shape, error.message) from None


def _fixed(graph: Graph, node: Node, shape: TensorType, why: str) -> ResgenError:
    return ResgenError(
        f"{graph.name} takes inputs of one size only: at {shape}, {node.name} "
        f"({node.op.name}): {why}",
        hint="write it for one size, or pool to one size before it",
    )
