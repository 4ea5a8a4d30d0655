"""Which nodes of two graphs are the same, where the graphs are one network.

What writes a spec keeps no account of weights: the spec is expanded, and its nodes are
found again by their places in the network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from resgen.errors import ResgenError
from resgen.graph.identity import hashes, read
from resgen.graph.ir import Graph, Node
from resgen.weights.evaluate import Array


def match(a: Graph, b: Graph) -> dict[str, str]:
    """The nodes of ``a`` by those of ``b``, in time linear in the operators.

    Both are walked from their outputs on. What is added or multiplied is paired by its
    hash; branches that compute alike are paired in the order in which they stand, so
    that whoever has two such branches with other weights compares their values. Nodes
    that no output depends on have no partner. Raises :class:`ResgenError` where the
    two are not one network.
    """
    hash_a, hash_b = hashes(a), hashes(b)
    by_b: dict[str, str] = {}
    by_a: dict[str, str] = {}
    stack: list[tuple[str, str]] = []

    def pair(left: str, right: str) -> None:
        if by_a.get(left) == right and by_b.get(right) == left:
            return
        if left in by_a or right in by_b or hash_a[left] != hash_b[right]:
            raise _other(a, b)
        by_a[left], by_b[right] = right, left
        if left in a.node:
            stack.append((left, right))

    given = dict(b.outputs)
    if given.keys() != dict(a.outputs).keys():
        raise _other(a, b)
    for name, value in a.outputs:
        pair(value, given[name])
    while stack:
        left, right = stack.pop()
        one, other = a.node[left], b.node[right]
        if not one.op.commutative:
            for value, partner in zip(read(one), read(other), strict=True):
                pair(value, partner)
            continue
        free: defaultdict[str, list[str]] = defaultdict(list)
        for value in other.inputs:
            if value not in by_b:
                free[hash_b[value]].append(value)
        for value in one.inputs:
            alike = free[hash_a[value]]
            if value not in by_a and alike:
                pair(value, alike.pop(0))
        if sorted(by_a.get(v, "") for v in one.inputs) != sorted(other.inputs):
            raise _other(a, b)
    return {right: left for right, left in by_b.items() if left in a.node}


def renamed(
    weights: Mapping[str, Array], a: Graph, b: Graph, pairs: Mapping[str, str]
) -> dict[str, Array]:
    """The weights of ``a`` under the names that ``b`` has for them."""
    return {name: weights[of] for name, of in parameters(a, b, pairs).items()}


def parameters(a: Graph, b: Graph, pairs: Mapping[str, str]) -> dict[str, str]:
    """The parameters of ``a`` by those of ``b``, of nodes that are paired."""
    found = {}
    for right, left in pairs.items():
        one, other = a.node[left], b.node[right]
        for spec in other.op.parameters(b.types[other.inputs[0]]):
            found[_name(other, spec.role)] = _name(one, spec.role)
    return found


def _name(node: Node, role: str) -> str:
    return f"{node.owner}.{role}" if role else node.owner


def _other(a: Graph, b: Graph) -> ResgenError:
    return ResgenError(f"{a.name} and {b.name} are not the same network")
