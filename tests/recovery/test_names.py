"""A network without names gets paths by what it repeats."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from published import GOLDEN, sampled

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph, Parameter
from resgen.importing.flat import Collector, Flat, Tensor
from resgen.ops import OPERATORS
from resgen.recovery.match import match
from resgen.recovery.names import by_paths, by_structure, paths

#: Families whose stages are more than units in a row at one width and size: stages in
#: stages, or cut where a person would not see it.
OTHERWISE = re.compile(
    "csp|dla|hrnet|fcos|retina|lraspp|yolo|googlenet|inception|selecsls|plain"
    "|lcnet|mobileone|mnasnet[01]|mobilenetv4|mobilenetv3_small_050|ghostnet|rexnet"
    "|xception|resnet_signal"
)
RESIDUAL = [name for name in GOLDEN if not OTHERWISE.search(name)]


def anonymous(graph: Graph) -> Graph:
    """The graph with its nodes and parameters called by number."""
    nodes, parameters = [], {}
    names = {node.name: f"n{at}" for at, node in enumerate(graph.nodes)}
    found = dict.fromkeys(node.owner for node in graph.nodes if node.owner)
    owners = {owner: f"const_{at}" for at, owner in enumerate(found)}
    for node in graph.nodes:
        owner = owners.get(node.owner, "")
        specs = node.op.parameters(graph.types[node.inputs[0]])
        roles = {s.role: f"{owner}.{s.role}" if s.role else owner for s in specs}
        for s in specs:
            made = Parameter(roles[s.role], s.shape, s.init, s.trainable, s.dtype)
            parameters[made.name] = made
        nodes.append(
            replace(
                node,
                name=names[node.name],
                inputs=tuple(names.get(value, value) for value in node.inputs),
                operands=tuple(node.op.operands(roles).items()) if specs else (),
                owner=owner,
            )
        )
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple((name, names[value]) for name, value in graph.outputs),
        parameters=tuple(parameters.values()),
    )


def of_spec(name: str) -> tuple[Graph, list[tuple[int, int]]]:
    """A network without names, and depth and width of each of its stages."""
    graph = resgen.expand(resgen.load(name)).inference
    stages = []
    for at, section in enumerate(graph.sections):
        inside = [
            node
            for node in graph.nodes
            if node.origin.section == at and node.origin.block is not None
        ]
        if section.kind == "stage" and inside:
            stages.append((section.blocks, inside[-1].type.channels))
    return anonymous(graph), stages


def told(graph: Graph, names: dict[str, str]) -> list[tuple[int, int]]:
    """Depth and width of each stage, by the paths alone."""
    last: dict[int, tuple[int, int]] = {}
    for node in graph.nodes:
        at = re.match(r"layer(\d+)\.(\d+)\.", names[node.name])
        if at is not None:
            last[int(at[1])] = (int(at[2]) + 1, node.type.channels)
    return list(last.values())


@pytest.mark.parametrize("name", sampled(RESIDUAL, 6))
def test_stages_are_those_of_the_spec(name: str) -> None:
    graph, stages = of_spec(name)
    assert told(graph, paths(graph)) == stages


@pytest.mark.parametrize("name", sampled(GOLDEN, 2))
def test_any_network_has_names_and_is_the_same_under_them(name: str) -> None:
    graph, _ = of_spec(name)
    made = by_structure(Flat(graph, {}, {})).graph
    assert identity(made) == identity(graph)
    assert max(Counter(node.name for node in made.nodes).values()) == 1
    owners = Counter(n.owner for n in made.nodes if n.owner).values()
    assert sorted(owners) == sorted(
        Counter(n.owner for n in graph.nodes if n.owner).values()
    )
    assert resgen.expand(resgen.load(name)).inference.params == made.params
    assert match(graph, made)


@pytest.mark.parametrize(
    "name",
    ["resnet50", "resnet50d", "resnet20_cifar", "res2net50_26w_4s", "seresnet50",
     "skresnet50", "resnest26d"],
)  # fmt: skip
def test_names_are_those_of_torchvision_and_timm(name: str) -> None:
    """As the zoo has them, which takes their checkpoints."""
    graph = resgen.expand(resgen.load(name)).inference
    found = paths(anonymous(graph))
    made = [found[f"n{at}"] for at, node in enumerate(graph.nodes) if node.owner]
    assert made == [node.owner for node in graph.nodes if node.owner]


def test_numbers_and_what_they_were_made_of_follow() -> None:
    graph = anonymous(resgen.expand(resgen.load("resnet20_cifar")))
    weights = {p.name: np.zeros(p.shape, np.float32) for p in graph.parameters}
    sources = {p.name: (p.name.upper(),) for p in graph.parameters}
    tensors = {node.name: Tensor(node.name) for node in graph.nodes}
    flat = by_structure(Flat(graph, weights, sources, tensors))
    assert flat.weights.keys() == {p.name for p in flat.graph.parameters}
    assert flat.sources["conv1.weight"] == ("CONST_0.WEIGHT",)
    assert flat.tensors["conv1"].name == "n0"


def test_what_nothing_depends_on_has_no_name() -> None:
    """A learned constant takes a batch, and no numbers of what it is given."""
    to = Collector("constant", "a test", (4, 6, 6))
    dead = to.add(OPERATORS["act"](), ["input"])
    constant = OPERATORS["parameter"](shape=(4, 6, 6))
    learned = to.add(constant, [dead], {"": np.ones((1, 4, 6, 6), np.float32)})
    flat = to.flat([("output", to.add(OPERATORS["add"](), ["input", learned]))])
    made = by_structure(flat)
    assert [node.op.name for node in made.graph.nodes] == ["parameter", "add"]
    assert identity(made.graph) == identity(flat.graph)
    assert list(made.weights) == [each.name for each in made.graph.parameters]


def test_names_that_tell_units_apart_stay_and_are_completed() -> None:
    graph = resgen.expand(resgen.load("resnet20_cifar"))
    plain = {n.name: f"{n.op.name}_{at}" for at, n in enumerate(graph.nodes)}
    names = {n.name: n.name if n.owner else plain[n.name] for n in graph.nodes}
    nodes = tuple(
        replace(
            node,
            name=names[node.name],
            inputs=tuple(names.get(value, value) for value in node.inputs),
        )
        for node in graph.nodes
    )
    outputs = tuple((name, names[value]) for name, value in graph.outputs)
    made = by_paths(Flat(replace(graph, nodes=nodes, outputs=outputs), {}, {}))
    assert made is not None
    assert made.graph.parameters == graph.parameters
    found = Counter(node.name.rpartition(".")[0] for node in made.graph.nodes)
    assert (found["layer1.0"], found["layer3.2"]) == (7, 7)


@pytest.mark.parametrize("name", ["conv{}", "a.conv{}", "model.block.conv{}"])
def test_names_that_tell_nothing_of_units_are_none(name: str) -> None:
    graph = anonymous(resgen.expand(resgen.load("resnet20_cifar")))
    nodes = tuple(
        replace(node, owner=node.owner and name.format(at))
        for at, node in enumerate(graph.nodes)
    )
    assert by_paths(Flat(replace(graph, nodes=nodes), {}, {})) is None
