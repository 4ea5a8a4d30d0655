"""A network without some of its residual branches: what their shortcuts pass on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.conv import Conv
from resgen.ops.drop_path import DropPath
from resgen.ops.dropout import Dropout
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.scalar_scale import ScalarScale
from resgen.weights.evaluate import Array, Weights

#: What yields nothing but zeros once its parameters are zeros.
_LINEAR: Final = (ChannelScale, Conv, Linear, Norm, ScalarScale)
#: Activations that change nothing of what they have made.
_IDEMPOTENT: Final = ("relu", "relu6")


@dataclass(frozen=True)
class Branch:
    """What a sum adds to a value that it is itself computed from.

    ``total`` is the sum, ``shortcut`` the value that is left without the branch, and
    ``ends`` the parameters with which the branch ends: with zeros there, it is zero.
    """

    total: str
    shortcut: str
    ends: tuple[str, ...]


def branches(graph: Graph) -> Iterator[Branch]:
    """The residual branches of a network that an identity stands beside."""
    above: dict[str, set[str]] = {}
    for node in graph.nodes:
        above[node.name] = {*node.inputs}.union(
            *(above.get(v, ()) for v in node.inputs)
        )
        if not isinstance(node.op, Add) or len(node.inputs) != 2:
            continue
        for branch, other in (node.inputs, node.inputs[::-1]):
            same = graph.types[other] == node.type
            if same and other in above.get(branch, ()):
                ends = _ends(graph, branch)
                if ends:
                    yield Branch(node.name, other, ends)


def _ends(graph: Graph, value: str) -> tuple[str, ...]:
    """The parameters that a branch ends with; none where zeros would not end it."""
    while len(graph.consumers[value]) == 1 and value in graph.node:
        node = graph.node[value]
        if isinstance(node.op, _LINEAR):
            return tuple(n for n in node.references() if graph.parameter[n].trainable)
        if not isinstance(node.op, DropPath | Dropout):
            break
        (value,) = node.inputs
    return ()


def gain(branch: Branch, weights: Mapping[str, Array]) -> float:
    """By how much a branch multiplies what comes to its end, about."""
    first = weights[branch.ends[0]].astype(np.float64)
    return float(np.sqrt(np.square(first).sum() / max(len(np.atleast_1d(first)), 1)))


def zeroed(weights: Weights, gone: Iterable[Branch]) -> dict[str, Array]:
    """The whole network's weights, with zeros where these branches end."""
    made = dict(weights)
    for branch in gone:
        for name in branch.ends:
            made[name] = np.zeros_like(made[name])
    return made


def without(graph: Graph, gone: Iterable[Branch]) -> Graph:
    """The network in inference without these branches.

    An activation behind a sum goes with it where the shortcut has been through the same
    already, and so the whole block is gone.
    """
    stands = {branch.total: branch.shortcut for branch in gone}
    nodes: dict[str, Node] = {}
    for node in graph.nodes:
        if node.name in stands:
            stands[node.name] = stands.get(stands[node.name], stands[node.name])
            continue
        inputs = tuple(stands.get(value, value) for value in node.inputs)
        if isinstance(node.op, Act) and node.op.type in _IDEMPOTENT:
            before = nodes.get(inputs[0])
            if inputs != node.inputs and before is not None and before.op == node.op:
                stands[node.name] = inputs[0]
                continue
        nodes[node.name] = replace(node, inputs=inputs)
    outputs = tuple((name, stands.get(value, value)) for name, value in graph.outputs)
    read = {value for _, value in outputs}
    for name, node in reversed(nodes.items()):
        if name in read:
            read.update(node.inputs)
    left = tuple(node for name, node in nodes.items() if name in read)
    owners = {node.owner for node in left}
    return replace(
        graph,
        nodes=left,
        outputs=outputs,
        parameters=tuple(
            p for p in graph.parameters if {p.name, p.name.rpartition(".")[0]} & owners
        ),
        training=None,
    )
