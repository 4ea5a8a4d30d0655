"""Where a network chooses among numbers, and so where it stops being continuous."""

from __future__ import annotations

from dataclasses import replace

from resgen.graph.ir import Graph


def after_choices(graph: Graph) -> set[str]:
    """The values that follow from a choice."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.op.chooses or not found.isdisjoint(node.inputs):
            found.add(node.name)
    return found


def before_choices(graph: Graph) -> Graph:
    """The network up to its choices: what these read is given out in place of them.

    The names of such outputs are those of the values. A network that chooses nothing is
    itself.
    """
    after = after_choices(graph)
    if not after:
        return graph
    nodes = tuple(node for node in graph.nodes if node.name not in after)
    kept = tuple((name, value) for name, value in graph.outputs if value not in after)
    made = {node.name for node in nodes}
    read = dict.fromkeys(
        value
        for node in graph.nodes
        if node.name in after
        for value in node.inputs
        if value in made
    )
    shown = tuple((value, value) for value in read)
    return replace(graph, nodes=nodes, outputs=(*kept, *shown), training=None)
