"""Where a network chooses among numbers, and so where it stops being continuous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resgen.graph.ir import Graph
from resgen.ops.base import Op


def following(graph: Graph, starts: Callable[[Op], bool]) -> set[str]:
    """The values of such operators, and all that follow from these."""
    found: set[str] = set()
    for node in graph.nodes:
        if starts(node.op) or not found.isdisjoint(node.inputs):
            found.add(node.name)
    return found


def after_choices(graph: Graph) -> set[str]:
    """The values that follow from a choice."""
    return following(graph, lambda op: op.chooses)


def read_by_choices(graph: Graph) -> list[str]:
    """The values, none of which follows from a choice, that choices depend on."""
    after = after_choices(graph)
    late = (node for node in graph.nodes if node.name in after)
    return list(dict.fromkeys(v for n in late for v in n.inputs if v not in after))


def before_choices(graph: Graph) -> Graph:
    """The network up to its choices: what these read is given out in place of them.

    The names of such outputs are those of the values. A network that chooses nothing is
    itself.
    """
    after = after_choices(graph)
    if not after:
        return graph
    kept = tuple((name, value) for name, value in graph.outputs if value not in after)
    given = {value for _, value in kept} | {value.name for value in graph.inputs}
    shown = tuple((v, v) for v in read_by_choices(graph) if v not in given)
    return replace(
        graph,
        nodes=tuple(node for node in graph.nodes if node.name not in after),
        outputs=(*kept, *shown),
        training=None,
    )
