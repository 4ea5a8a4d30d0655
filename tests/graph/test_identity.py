"""One network, one hash: however it is spelled, and of no other network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import specs as drawn_specs

from resgen.expansion.network import expand, load
from resgen.graph.difference import changes
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.graph.parts import homes
from resgen.graph.passes.fold_norm import fold_norm
from resgen.ops.base import Op, ShapeError, signature
from resgen.ops.types import Constant, Operand, Ref

Described = Callable[..., Graph]
Body = list[dict[str, Any]]


@pytest.fixture
def of_body(described: Described) -> Callable[[Body], str]:
    """The identity of a network that has one stage, with this body."""
    return lambda body: identity(described(stages=[{"body": body}], defaults={}))


CONV: dict[str, Any] = {"op": "conv", "out": 16, "kernel": 3, "as": "a"}
POINT: dict[str, Any] = {"op": "conv", "out": 16, "kernel": 1, "as": "a"}
POOL: dict[str, Any] = {"op": "max_pool", "kernel": 2}
ONE: dict[str, Any] = {"op": "max_pool", "kernel": 1, "stride": 2}
MEAN: dict[str, Any] = {"op": "avg_pool", "kernel": 2}
NORM: dict[str, Any] = {"op": "norm", "as": "n"}
RELU: dict[str, Any] = {"op": "act", "type": "relu"}
CONSTANT = {"op": "parameter", "as": "p", "shape": [16, 32, 32]}
SAME = {
    "padding": ([CONV], [CONV | {"padding": 1}]),
    "axes": ([CONV], [CONV | {"kernel": [3, 3], "stride": [1, 1]}]),
    "dilated padding": (
        [CONV | {"dilation": 2}],
        [CONV | {"dilation": [2, 2], "padding": 2}],
    ),
    "dilation of a point": ([POINT], [POINT | {"dilation": 4, "padding": 0}]),
    "stride of a pool": ([POOL], [POOL | {"stride": 2}]),
    "dilation of a pool of one": ([ONE], [ONE | {"dilation": 2}]),
    "a padding of nothing": ([MEAN], [MEAN | {"count_padding": False}]),
    "groups of a batch norm": ([NORM], [NORM | {"groups": 8}]),
    "slope of relu": ([RELU], [RELU | {"slope": 0.3}]),
    "names": ([CONV], [CONV | {"as": "another"}]),
    "initialisers": ([CONV], [CONV | {"init": {"type": "normal", "std": 0.5}}]),
    "what vanishes": ([RELU], [{"op": "dropout", "p": 0}, RELU, {"seq": []}]),
    "order of a sum": (
        [{"add": [[CONV], [POINT | {"as": "b"}]]}],
        [{"add": [[POINT], [CONV | {"as": "b"}]]}],
    ),
    "what a constant is given": (
        [CONV, {"multiply": [[], {"from": "input", **CONSTANT}]}],
        [CONV, {"multiply": [[], CONSTANT]}],
    ),
    "order of a maximum": (
        [{"maximum": [[CONV], [POINT | {"as": "b"}]]}],
        [{"maximum": [[POINT], [CONV | {"as": "b"}]]}],
    ),
}
OTHER = {
    "kernel": ([CONV], [CONV | {"kernel": 5}]),
    "out": ([CONV], [CONV | {"out": 8}]),
    "bias": ([CONV], [CONV | {"bias": True}]),
    "dilation": ([CONV], [CONV | {"dilation": 2}]),
    "a padding of zeros": (
        [MEAN | {"padding": 1}],
        [MEAN | {"padding": 1, "count_padding": False}],
    ),
    "stride of a point": ([POINT], [POINT | {"stride": 2}]),
    "padding of a point": ([POINT], [POINT | {"padding": 1}]),
    "momentum": ([NORM], [NORM | {"momentum": 0.01}]),
    "epsilon": ([NORM], [NORM | {"eps": 1e-3}]),
    "training": ([RELU], [RELU, {"op": "dropout", "p": 0.1}]),
    "probability": ([{"op": "dropout", "p": 0.2}], [{"op": "dropout", "p": 0.1}]),
    "order": ([CONV, RELU], [RELU, CONV]),
    "order of a concatenation": (
        [{"concat": [[CONV], [RELU]]}],
        [{"concat": [[RELU], [CONV]]}],
    ),
    "sharing": (
        [CONV, CONV | {"as": "b"}],
        [CONV, CONV | {"share": True}],
    ),
    "which share": (
        [CONV, CONV | {"share": True}, CONV | {"as": "b"}],
        [CONV, CONV | {"as": "b"}, CONV | {"share": True}],
    ),
    "one read twice": (
        [CONV, {"add": [[], [RELU]]}],
        [{"add": [[CONV], [CONV | {"as": "b"}, RELU]]}],
    ),
    "what is read": (
        [CONV | {"name": "u"}, RELU | {"name": "v"}, {"add": [[], [{"from": "u"}]]}],
        [CONV | {"name": "u"}, RELU | {"name": "v"}, {"add": [[], [{"from": "v"}]]}],
    ),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_other_spellings_are_one_network(
    pair: tuple[Body, Body], of_body: Callable[[Body], str]
) -> None:
    assert of_body(pair[0]) == of_body(pair[1])


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_what_counts_makes_another_network(
    pair: tuple[Body, Body], of_body: Callable[[Body], str]
) -> None:
    assert of_body(pair[0]) != of_body(pair[1])


def test_outputs_count_by_name(described: Described) -> None:
    def named(first: str, second: str) -> str:
        bodies = {first: [CONV], second: [POINT | {"as": "b"}]}
        return identity(described(head={"outputs": bodies}))

    assert named("p", "q") != named("p", "r")
    assert named("p", "q") != named("q", "p")


def renamed(graph: Graph) -> Graph:
    """The graph under other names, its branches the other way round."""

    def name(value: str) -> str:
        return f"x.{value[::-1]}"

    def operand(of: Operand) -> Operand:
        return Ref(name(of.name)) if isinstance(of, Ref) else replace(
            of, args=tuple(operand(a) if not isinstance(a, (float, int, str)) else a
                           for a in of.args)
        )  # fmt: skip

    nodes = (
        replace(
            node,
            name=name(node.name),
            inputs=tuple(map(name, node.inputs))[:: -1 if node.op.commutative else 1],
            operands=tuple((role, operand(of)) for role, of in node.operands),
            owner=name(node.owner),
        )
        for node in graph.nodes
    )
    return replace(
        graph,
        name="renamed",
        inputs=tuple(replace(each, name=name(each.name)) for each in graph.inputs),
        outputs=tuple((told, name(value)) for told, value in graph.outputs[::-1]),
        nodes=tuple(nodes),
        parameters=tuple(
            replace(each, name=name(each.name), init=Constant(3.0))
            for each in graph.parameters
        ),
    )


def changed(graph: Graph, at: int, draw: Callable[[Any], Any]) -> Graph | None:
    """One number or word of one operator another, and so is what PyTorch is told."""
    node = graph.nodes[at]
    x = graph.types[node.inputs[0]]
    kinds = {"axes": [1, 2, 3], "number": [0.125, 0.75], "boolean": [False, True],
             "integer": [1, 2, 3], "channels": [8, 24]}  # fmt: skip
    attributes = [
        (name, value)
        for name, param in signature(type(node.op)).items()
        for value in (*param.choices, *kinds.get(param.kind, []))
    ]
    if not attributes:
        return None
    name, value = draw(st.sampled_from(attributes))
    op: Op = replace(node.op, **{name: value})
    try:
        op.result(*graph.input_types(node))
        told = op.torch(x) if not op.vanishes else None
    except ShapeError:
        return None
    if told == node.op.torch(x) or told is None:
        return None
    nodes = (*graph.nodes[:at], replace(node, op=op), *graph.nodes[at + 1 :])
    return replace(graph, nodes=nodes)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn_specs(), st.data())
def test_names_and_order_are_none_of_it_and_every_number_is(
    spec: dict[str, Any], data: st.DataObject
) -> None:
    graph = expand(load(spec))
    found = identity(graph)
    assert identity(renamed(graph)) == found
    assert changes(graph, renamed(graph)) == ()
    at = data.draw(st.integers(0, len(graph.nodes) - 1))
    other = changed(graph, at, data.draw)
    if other is not None:
        window = graph.nodes[at].op.window(graph.types[graph.nodes[at].inputs[0]])
        pointwise = window is not None and set(window.extent) == {1}
        assert pointwise or identity(other) != found
        told = changes(graph, other)
        assert pointwise or told
        home = homes(graph)[graph.nodes[at].name]
        parts = {part for change in told for part in change.parts}
        assert parts <= {home.name, home.section.name}


def test_a_pass_makes_another_network(described: Described) -> None:
    graph = described()
    folded = fold_norm(graph)
    assert len({identity(graph), identity(folded), identity(renamed(folded))}) == 2
