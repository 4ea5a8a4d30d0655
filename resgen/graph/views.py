"""The graph as networkx sees it, to question its structure.

The view is made for asking and thrown away; the truth stays in
:class:`~resgen.graph.ir.Graph`. It is a multigraph with ports, for a plain directed
graph merges the two edges of ``x + x`` and forgets which operand came first.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import networkx as nx

from resgen.graph.ir import Graph

#: What a node of the view stands for (its attribute ``kind``).
INPUT: Final = "input"
OPERATOR: Final = "operator"
OUTPUT: Final = "output"

View: TypeAlias = nx.MultiDiGraph


def view(graph: Graph) -> View:
    """Inputs, operators and outputs as nodes; an edge for each operand.

    Inputs and operators go by their names, outputs by ``("output", name)`` since an
    output may be called like an operator. An edge's ``port`` (and its key) is the
    operand's position. Nodes and edges stand in the graph's order, so that every
    answer is the same each time. A value that is read but that nothing yields is a
    node without ``kind``.
    """
    found = nx.MultiDiGraph(name=graph.name)
    found.add_nodes_from((i.name for i in graph.inputs), kind=INPUT)
    found.add_nodes_from((n.name for n in graph.nodes), kind=OPERATOR)
    found.add_nodes_from(((OUTPUT, name) for name, _ in graph.outputs), kind=OUTPUT)
    for node in graph.nodes:
        for port, value in enumerate(node.inputs):
            found.add_edge(value, node.name, key=port, port=port)
    for name, value in graph.outputs:
        found.add_edge(value, (OUTPUT, name), key=0, port=0)
    return found


def cycle(seen: View) -> list[str]:
    """Operators of one cycle in the order of their edges; nothing if there is none."""
    if nx.is_directed_acyclic_graph(seen):
        return []
    return [edge[0] for edge in nx.find_cycle(seen)]


def reached(seen: View) -> set[str]:
    """All that lies on a path from an input, the inputs included."""
    found: set[str] = set()
    for node, kind in seen.nodes(data="kind"):
        if kind == INPUT:
            found |= nx.descendants(seen, node) | {node}
    return found


def needed(seen: View) -> set[str]:
    """All that lies on a path to an output."""
    found: set[str] = set()
    for node, kind in seen.nodes(data="kind"):
        if kind == OUTPUT:
            found |= nx.ancestors(seen, node)
    return found
