"""Any graph is a body: the text of it is the same network, with the same names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import GOLDEN, sampled

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.flat import Collector, Flat
from resgen.ops import OPERATORS
from resgen.recovery.body import elements, flat_spec, written
from resgen.recovery.names import by_structure


def again(graph: Graph) -> Graph:
    """The graph of the text of a graph."""
    return resgen.expand(resgen.load(flat_spec(Flat(graph, {}, {}))))


def parameters(graph: Graph) -> set[tuple[str, tuple[int, ...]]]:
    return {(each.name, each.shape) for each in graph.parameters}


def collected(size: int = 6) -> Collector:
    return Collector("drawn", "a test", (4, size, size))


@pytest.mark.parametrize("name", sampled(GOLDEN, 4))
def test_a_network_of_the_zoo_written_out_is_the_same(name: str) -> None:
    graph = resgen.expand(resgen.load(name)).inference
    made = again(graph)
    assert identity(made) == identity(graph)
    assert parameters(made) == parameters(graph)


def add(
    to: Collector, kind: str, *inputs: str, name: str | None = None, **attributes: Any
) -> str:
    """One more operator, its parameters at zero."""
    op = OPERATORS[kind](**attributes)
    specs = op.parameters(to.types[inputs[0]])
    arrays = {spec.role: np.zeros(spec.shape, np.float32) for spec in specs}
    return to.add(op, inputs, arrays, name=name)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data())
def test_any_graph_has_a_body_and_names(data: st.DataObject) -> None:
    to = collected()
    values = ["input"]

    def some(count: int) -> list[str]:
        near = st.sampled_from(values[-4:]) | st.sampled_from(values)
        return data.draw(st.lists(near, min_size=count, max_size=count))

    for at in range(data.draw(st.integers(1, 24))):
        kind = data.draw(st.sampled_from(("act", "softmax", "constant", "add", "matmul",
                                          "maximum", "stack", "multiply")))  # fmt: skip
        if kind == "constant":
            made = add(to, "parameter", "input", shape=(4, 6, 6))
        elif kind == "matmul":
            made = add(to, kind, *some(2), by="y", transpose=at % 2 == 0)
        elif kind == "stack":
            made = add(to, "reduce_sum", add(to, kind, *some(3)), axis=0)
        elif kind in ("act", "softmax"):
            made = add(to, kind, *some(1))
        else:
            made = add(to, kind, *some(data.draw(st.integers(2, 3))))
        values.append(made)
    ends = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    names = ["output"] if len(ends) == 1 else [f"maps.{i}" for i in range(len(ends))]
    flat = to.flat(list(zip(names, ends, strict=True)))
    graph = flat.graph
    assert identity(by_structure(flat).graph) == identity(graph)
    made = again(graph)
    assert identity(made) == identity(graph)
    assert parameters(made) == parameters(graph)


def test_branches_nest_and_what_several_read_has_a_name() -> None:
    to = collected()
    first = add(to, "conv", "input", name="a.first", out=4, kernel=3)
    act = add(to, "act", first, type="silu")
    left = add(to, "conv", act, name="a.left", out=4, kernel=3)
    right = add(to, "add", left, first)
    graph = to.flat([("output", add(to, "concat", left, right, act))]).graph
    assert written(elements(graph, "input", graph.outputs[0][1], path="a")) == [
        {"op": "conv", "as": "first", "out": 4, "kernel": 3, "name": "first"},
        {"op": "act", "type": "silu"},
        {"concat": [
            {"op": "conv", "as": "left", "out": 4, "kernel": 3, "name": "left"},
            {"add": [{"from": "left"}, {"from": "first"}]},
            [],
        ]},
    ]  # fmt: skip


def test_what_is_between_two_values_has_a_body_of_its_own() -> None:
    graph = resgen.expand(resgen.load("resnet20_cifar"))
    block = [node.name for node in graph.nodes if node.name.startswith("layer2.0.")]
    (before,) = set(graph.node[block[0]].inputs)
    body = written(elements(graph, before, block[-1], path="layer2.0"))
    assert [e if isinstance(e, str) else next(iter(e)) for e in body] == ["add", "act"]
    assert [e["as"] for e in body[0]["add"][0] if isinstance(e, dict)] == [
        *("conv1", "bn1", "conv2", "bn2")
    ]


@pytest.mark.parametrize("depth", [3, 200])
def test_merges_may_lie_as_deep_as_they_like(depth: int) -> None:
    """Two lanes that cross at every step, and a branch within a branch."""
    to = collected()
    left, right = "input", add(to, "act", "input")
    for _ in range(depth):
        left, right = add(to, "add", left, right), add(to, "multiply", right, left)
    around = []
    for _ in range(depth):
        around.append(left)
        left = add(to, "act", left)
    for value in reversed(around):
        left = add(to, "add", value, left)
    graph = to.flat([("output", add(to, "maximum", left, right))]).graph
    assert identity(again(graph)) == identity(graph)
