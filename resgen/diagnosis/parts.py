"""The parts of a network that a diagnosis looks at: modules in the order they run.

A part is a module that :func:`resgen.to_torch` makes and calls exactly once in a
forward pass, so that a hook on it sees its output; and no part holds another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from resgen.graph.ir import Graph, Node
from resgen.lower.scopes import Scoped, home, partition
from resgen.ops.base import is_map
from resgen.ops.types import Module
from resgen.records.diagnosis import Kind, Part

#: Scopes that are looked at as a whole, whatever they hold.
_WHOLE = ("block", "entry", "exit")


def parts_of(graph: Graph) -> tuple[Part, ...]:
    """Stem, blocks, what stands between stages, and head, in order.

    A block is the scope of that name. Where a stage has none (a body, blocks whose
    name is empty, a scope that cannot be a module), its parts are the finest in a row:
    scopes that branch or that come from a block, and convolutions and linear maps that
    stand alone; they are of kind "block" all the same. So are stem and head, by their
    scopes or their maps. The entry and exit of a stage are of kind "part". ``place`` is
    the line of the stage where it caused a node, else that of the residual element, or
    whatever comes first, in the definition of the block.

    A network without any convolution or linear map has what else holds parameters, and
    maybe nothing.
    """
    root = partition(graph)
    uses = Counter(home(node) for node in graph.nodes if node.operands)
    chosen = list(_chosen(graph, root, uses)) or [
        node for node in graph.nodes if node.operands and _is_module(graph, node, uses)
    ]
    return tuple(_part(graph, step) for step in chosen)


def _chosen(
    graph: Graph, within: Scoped, uses: Counter[str]
) -> Iterator[Scoped | Node]:
    for step in within.steps:
        if isinstance(step, Node):
            if is_map(step.op) and _is_module(graph, step, uses):
                yield step
        elif _whole(graph, step):
            yield step
        else:
            yield from _chosen(graph, step, uses)


def _whole(graph: Graph, scope: Scoped) -> bool:
    """Whether a scope is one part, and not the row of parts that it holds."""
    nodes = list(_nodes(scope))
    if len({(n.origin.section, n.origin.block, _end(n)) for n in nodes}) > 1:
        return False
    if scope.scope.kind == "stage" and nodes[0].origin.block is not None:
        return False  # it has one block
    if scope.scope.kind in _WHOLE or scope.scope.definition is not None:
        return True
    if graph.sections[nodes[0].origin.section].kind != "stage":
        return True
    pieces = [s for s in scope.steps if isinstance(s, Scoped) or is_map(s.op)]
    return len(pieces) < 2 or not _in_a_row(graph, scope)


def _in_a_row(graph: Graph, scope: Scoped) -> bool:
    """Whether each step of a scope reads the one before it and nothing else."""
    if len(scope.inputs) > 1 or len(scope.outputs) > 1:
        return False
    before = scope.inputs
    for step in scope.steps:
        read = step.inputs
        if set(read) != set(before):
            return False
        before = step.outputs if isinstance(step, Scoped) else [step.name]
    return True


def _is_module(graph: Graph, node: Node, uses: Counter[str]) -> bool:
    """Whether a node has a module to itself; one with shared parameters has not."""
    spelling = node.op.torch(graph.types[node.inputs[0]])
    return isinstance(spelling, Module) and uses[home(node)] == 1


def _nodes(scope: Scoped) -> Iterator[Node]:
    for step in scope.steps:
        if isinstance(step, Node):
            yield step
        else:
            yield from _nodes(step)


# --- what is said of a part -----------------------------------------------------------


def _part(graph: Graph, step: Scoped | Node) -> Part:
    nodes = [step] if isinstance(step, Node) else list(_nodes(step))
    kind = _kind(graph, nodes[0])
    pointer, place = _pointer(graph, nodes[0]), _place(graph, nodes)
    if isinstance(step, Node):
        return Part(home(step), kind, step.op.name, pointer, place)
    return Part(step.path, kind, step.scope.definition or kind, pointer, place)


def _end(node: Node) -> str:
    """``entry`` or ``exit`` where the node is of one."""
    return node.origin.role if node.origin.role in ("entry", "exit") else ""


def _kind(graph: Graph, node: Node) -> Kind:
    section = graph.sections[node.origin.section].kind
    if section == "stem":
        return "stem"
    if section == "head":
        return "head"
    return "part" if _end(node) else "block"


def _pointer(graph: Graph, node: Node) -> str:
    pointer = graph.sections[node.origin.section].pointer
    return f"{pointer}/{_end(node)}" if _end(node) else pointer


def _place(graph: Graph, nodes: list[Node]) -> str:
    """Of the lines that made these nodes the one nearest to their section's."""
    section = graph.sections[nodes[0].origin.section].pointer

    def distance(node: Node) -> tuple[bool, int, bool]:
        pointer = node.origin.place.pointer
        below = f"{pointer}/".startswith(f"{section}/")
        return not below, len(pointer) if below else 0, node.origin.role != "merge"

    nearest = min(nodes, key=distance).origin.place
    return f"{nearest.file}:{nearest.line}:{nearest.column}"
