"""Nodes of equal networks are found in one another, whatever they are called."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from hand_graph import random_weights
from published import GOLDEN, sampled

import resgen
from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Parameter
from resgen.recovery.match import match, renamed

#: Two branches that compute alike, each the reader of what the other reads.
BRANCHES = {
    "resgen": 1, "name": "branches", "input": [3, 8, 8], "stem": [], "stages": [],
    "head": [
        {"for": "i", "in": 2, "as": "{i}", "body": {"add": [
            {"for": "j", "in": 3, "as": "{j}", "body": [
                {"op": "conv", "as": "c", "out": 8, "kernel": 3}, "act",
                {"multiply": [
                    {"op": "conv", "as": "d", "out": 8, "kernel": 1},
                    {"op": "conv", "as": "e", "out": 8, "kernel": 1},
                ]},
            ]},
            {"op": "conv", "as": "f", "out": 8, "kernel": 1},
        ]}},
        "global_pool", "flatten", {"op": "linear", "as": "fc", "out": 5},
    ],
}  # fmt: skip


def shuffled(graph: Graph, seed: int) -> Graph:
    """The same network: sums in another order, nodes and parameters by number."""
    draw = random.Random(seed)
    names = {node.name: f"n{i}" for i, node in enumerate(graph.nodes)}
    owners = {
        owner: f"p{i}"
        for i, owner in enumerate(
            dict.fromkeys(n.owner for n in graph.nodes if n.owner)
        )
    }
    nodes, parameters = [], []
    for node in graph.nodes:
        inputs = [names.get(value, value) for value in node.inputs]
        if node.op.commutative:
            draw.shuffle(inputs)
        owner = owners.get(node.owner, "")
        specs = node.op.parameters(graph.types[node.inputs[0]])
        roles = {s.role: f"{owner}.{s.role}" if s.role else owner for s in specs}
        for s in specs:
            made = Parameter(roles[s.role], s.shape, s.init, s.trainable, s.dtype)
            parameters.append(made)
        operands = tuple(node.op.operands(roles).items()) if roles else ()
        made = replace(node, name=names[node.name], inputs=tuple(inputs))
        nodes.append(replace(made, owner=owner, operands=operands))
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple((name, names[value]) for name, value in graph.outputs),
        parameters=tuple({p.name: p for p in parameters}.values()),
    )


@pytest.mark.parametrize("name", sampled(GOLDEN, 3))
def test_every_node_has_its_partner(name: str) -> None:
    graph = resgen.expand(resgen.load(name)).inference
    other = shuffled(graph, 0)
    pairs = match(graph, other)
    assert sorted(pairs.values()) == sorted(node.name for node in graph.nodes)
    for right, left in pairs.items():
        one, node = graph.node[left], other.node[right]
        read = [pairs.get(value, value) for value in node.inputs]
        own = list(one.inputs)
        if one.op.commutative:
            read, own = sorted(read), sorted(own)
        assert (one.op, own) == (node.op, read)


@pytest.mark.parametrize("source", ["resnet20_cifar", BRANCHES], ids=("zoo", "own"))
def test_weights_that_follow_their_nodes_compute_the_same(source: Any) -> None:
    """Where branches compute alike, each has weights of its own."""
    graph = resgen.expand(resgen.load(source))
    other = shuffled(graph, 1)
    weights = random_weights(graph)
    moved = renamed(weights, graph, other, match(graph, other))
    assert set(moved) == {p.name for p in other.parameters}
    x = torch.randn(2, *graph.inputs[0].type.shape)
    y, z = (
        resgen.to_torch(g, w).eval()(x) for g, w in ((graph, weights), (other, moved))
    )
    assert torch.allclose(y, z, rtol=1e-4, atol=1e-5)


def test_another_network_has_no_partners() -> None:
    one, other = (
        resgen.expand(resgen.load("resnet20_cifar", [f"/stages/1/width={width}"]))
        for width in (32, 24)
    )
    with pytest.raises(ResgenError, match="not the same network"):
        match(one, other)
