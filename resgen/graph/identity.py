"""What a network is, whatever it is called and however it is spelled.

Two graphs have one identity where they have the same operators, wired alike: each
value is hashed from the inputs on (a Merkle tree: operator, effective attributes,
hashes of what it reads), and again from the outputs back, so that a value which is
read twice is told from two that are equal. Names of nodes, parameters and scopes have
no part in it, neither have initialisers, precisions, the order of what is added or
multiplied, and the value that a learned constant takes its batch from.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import Any

from resgen.graph.ir import Graph, Node
from resgen.ops.types import Operand, Ref


def identity(graph: Graph) -> str:
    """The SHA-256 of a network, in hexadecimal, in time linear in its operators.

    Outputs count by name, parameters by who shares them; shapes of parameters follow
    from the types of values. Operators that no output depends on are left out.
    """
    found = hashes(graph)
    outputs = sorted((name, found[value]) for name, value in graph.outputs)
    return _hash(sorted(found[n.name] for n in graph.nodes if n.name in found), outputs)


def hashes(graph: Graph) -> dict[str, str]:
    """The hash of every value that an output depends on, of its place in the network.

    Values are equal in it that have one place but for who is to the left: branches of
    a sum that compute alike.
    """
    ahead = _from_inputs(graph)
    uses: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in graph.outputs:
        uses[value].append(_hash("output", name))
    places: dict[str, str] = {}
    for node in reversed(graph.nodes):
        if node.name not in uses:
            continue
        places[node.name] = _hash(ahead[node.name], sorted(uses[node.name]))
        for port, value in enumerate(read(node)):
            at = 0 if node.op.commutative else port
            uses[value].append(_hash(places[node.name], at))
    for each in graph.inputs:
        places[each.name] = _hash(ahead[each.name], sorted(uses[each.name]))
    living = [node for node in graph.nodes if node.name in places]
    shared = _parameters(living, places)
    found = {
        node.name: _hash(
            places[node.name],
            _ordered(node, places),
            [shared[name] for name in node.references()],
        )
        for node in living
    }
    return {**places, **found}


def read(node: Node) -> tuple[str, ...]:
    """What a node reads; a learned constant is the same whatever it is given."""
    return () if node.op.read == 0 else node.inputs


def _from_inputs(graph: Graph) -> dict[str, str]:
    """The hash of every value, of all that it is computed by."""
    found = {
        each.name: _hash("input", at, each.type.shape, each.type.dtype)
        for at, each in enumerate(graph.inputs)
    }
    for node in graph.nodes:
        effective = node.op.effective(graph.types[node.inputs[0]])
        found[node.name] = _hash(
            node.op.name,
            sorted(effective.items()),
            [(role, _form(operand)) for role, operand in node.operands],
            _ordered(node, found),
        )
    return found


def _ordered(node: Node, known: dict[str, str]) -> list[str]:
    """Of what a node reads, in the order of its inputs if that counts."""
    found = [known[value] for value in read(node)]
    return sorted(found) if node.op.commutative else found


def _form(operand: Operand | float | int | str) -> Any:
    """An operand without the names of its parameters."""
    if isinstance(operand, Ref):
        return None
    if isinstance(operand, (float, int, str)):
        return operand
    return operand.function, *map(_form, operand.args)


def _parameters(nodes: list[Node], places: dict[str, str]) -> dict[str, str]:
    """The hash of every parameter, of all that use it."""
    users: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for node in nodes:
        for at, name in enumerate(node.references()):
            users[name].append((places[node.name], at))
    return {name: _hash(sorted(of)) for name, of in users.items()}


def _hash(*told: Any) -> str:
    """Of plain values, which differ wherever they are written differently."""
    return sha256(repr(told).encode()).hexdigest()
