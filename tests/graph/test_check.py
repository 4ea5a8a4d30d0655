"""The rules: each finds its fault, and only it; networkx is the judge of structure."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import networkx as nx
import pytest
from hand_graph import Builder
from hypothesis import given
from hypothesis import strategies as st

from resgen.diagnosis.verdict.findings import VERDICT
from resgen.errors import Problem, UsageError
from resgen.graph.check import EXPLANATIONS, RULES, check, explain
from resgen.graph.ir import Graph
from resgen.graph.rules import Subject
from resgen.graph.views import view
from resgen.ops.add import Add
from resgen.ops.conv import Conv


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def chain(length: int = 3, shape: tuple[int, ...] = (8, 6, 6)) -> Builder:
    build = Builder(shape)
    for at in range(length):
        build.add(f"conv{at}", Conv(out=8, kernel=3))
    return build


def rewired(graph: Graph, name: str, *inputs: str) -> Graph:
    """The graph with other inputs for one node, whatever that makes of it."""
    nodes = [replace(n, inputs=inputs) if n.name == name else n for n in graph.nodes]
    return replace(graph, nodes=tuple(nodes))


# --- the view ------------------------------------------------------------------------


def test_the_view_keeps_ports_and_parallel_edges() -> None:
    build = chain(1)
    build.add("twice", Add(), "conv0", "conv0")
    build.add("mixed", Add(), "twice", "conv0")
    seen = view(build.graph())
    assert list(seen.edges(data="port")) == [
        ("input", "conv0", 0),
        ("conv0", "twice", 0),
        ("conv0", "twice", 1),
        ("conv0", "mixed", 1),
        ("twice", "mixed", 0),
        ("mixed", ("output", "output"), 0),
    ]
    kinds = [kind for _, kind in seen.nodes(data="kind")]
    assert kinds == ["input", "operator", "operator", "operator", "output"]


# --- structure -----------------------------------------------------------------------


def test_a_cycle_is_named() -> None:
    graph = rewired(chain().graph(), "conv1", "conv2")
    (problem,) = [p for p in check(graph) if p.code == "RG101"]
    assert "conv2 -> conv1 -> conv2" in problem.message or (
        "conv1 -> conv2 -> conv1" in problem.message
    )


def test_a_node_before_what_it_reads() -> None:
    graph = chain().graph()
    first, second, third = graph.nodes
    problems = check(replace(graph, nodes=(second, first, third)))
    assert codes(problems) == ["RG101"]
    assert '"conv1" reads "conv0", which comes after it' in problems[0].message


def test_a_value_that_nothing_yields() -> None:
    graph = chain().graph()
    assert "RG101" in codes(check(rewired(graph, "conv2", "gone")))
    lost = replace(graph, outputs=(("output", "gone"),))
    assert {"RG101", "RG103"} == set(codes(check(lost)))


def test_an_operator_that_no_input_reaches() -> None:
    problems = check(rewired(chain().graph(), "conv0"))
    assert set(codes(problems)) == {"RG102"}
    assert len(problems) == 3


def test_of_a_dead_chain_the_end_is_reported() -> None:
    build = chain(2)
    build.add("dead0", Conv(out=8, kernel=1), "conv0")
    build.add("dead1", Conv(out=8, kernel=1), "dead0")
    problems = check(build.graph(("output", "conv1")))
    assert codes(problems) == ["RG103"]
    assert '"dead1"' in problems[0].message


def test_two_operators_of_one_name() -> None:
    graph = chain().graph()
    doubled = replace(graph.nodes[2], name="conv1", inputs=("conv1",))
    nodes = (*graph.nodes[:2], doubled)
    broken = replace(graph, nodes=nodes, outputs=(("output", "conv1"),))
    assert "RG107" in codes(check(broken))


def test_one_parameter_in_two_shapes() -> None:
    build = Builder((8, 6, 6))
    build.add("first", Conv(out=16, kernel=3))
    good = build.graph()
    build.add("second", Conv(out=16, kernel=3), owner="first")
    # The second has 16 channels to read, the first had 8.
    graph = replace(build.graph(), parameters=good.parameters)
    (problem,) = check(graph)
    assert problem.code == "RG107"
    assert "16 x 8 x 3 x 3" in problem.message
    assert "16 x 16 x 3 x 3" in problem.message


@given(st.data())
def test_the_walk_and_the_search_agree(data) -> None:
    """A graph is sound just when networkx's searches find nothing wrong with it."""
    size = data.draw(st.integers(1, 6))
    names = ["input", *(f"n{at}" for at in range(size))]
    build = Builder((8, 4, 4))
    for name in names[1:]:
        build.add(name, Add(), "input")
    graph = build.graph()
    value = st.sampled_from(names)
    nodes = [
        replace(node, inputs=tuple(data.draw(st.lists(value, max_size=2))))
        for node in graph.nodes
    ]
    outputs = data.draw(st.lists(value, min_size=1, max_size=2, unique=True))
    graph = replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple((f"out{at}", v) for at, v in enumerate(outputs)),
    )
    seen = view(graph)
    order = {name: at for at, name in enumerate(names)}
    ordered = all(order[u] < order[v] for u, v in seen.edges() if v in order)
    reached = nx.descendants(seen, "input")
    needed = set().union(
        *(nx.ancestors(seen, ("output", name)) for name, _ in graph.outputs)
    )
    operators = set(names[1:])
    well = ordered and operators <= reached and operators <= needed
    assert Subject(graph).sound == well
    assert (codes(check(graph)) == []) == well


def test_a_sound_graph_is_checked_without_importing_networkx(root: Path) -> None:
    code = """
import sys
from resgen.graph.check import check
from resgen.graph.cost import analyse
from resgen.graph.paths import paths
from hand_graph import Builder
from resgen.ops.conv import Conv
build = Builder((8, 6, 6))
build.add("conv", Conv(out=8, kernel=3))
graph = build.graph()
analyse(graph), paths(graph)
sys.exit(bool(check(graph)) or "networkx" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root / "tests", check=False,
        capture_output=True, text=True, env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- lints ---------------------------------------------------------------------------


def test_a_width_off_the_grid_once_a_line(described) -> None:
    stages = [{"width": 16, "depth": 2}, {"width": 42, "depth": 3}]
    (problem,) = check(described(stages=stages))
    assert (problem.code, problem.severity) == ("RG210", "warning")
    assert problem.message == (
        "width 42 is off the tensor-core grid of 8; int8 and fp16 kernels will pad it"
    )
    assert problem.place.pointer.startswith("/stages/1")
    assert problem.hint == "use 48"


def test_a_stage_without_shortcuts_among_others(described) -> None:
    plain = {"width": 32, "depth": 3, "shortcut": "none"}
    (problem,) = check(described(stages=[{"width": 16, "depth": 2}, plain]))
    assert problem.code == "RG211"
    assert "none of the 3 blocks of stage layer2 has a shortcut" in problem.message
    # Plain throughout is a choice, and one block that changes the shape needs none.
    assert check(described(stages=[plain, plain])) == []
    single = {"width": 32, "depth": 1, "shortcut": "none"}
    assert check(described(stages=[{"width": 16, "depth": 2}, single])) == []


@pytest.mark.parametrize(
    ("groups", "found"), [(1, []), (4, []), (8, ["RG212"]), (16, [])]
)
def test_narrow_groups(groups: int, found: list[str]) -> None:
    build = Builder((16, 6, 6))
    build.add("conv", Conv(out=16, kernel=3, groups=groups))
    assert codes(check(build.graph())) == found


@pytest.mark.parametrize(
    ("kernel", "stride", "role", "found"),
    [
        (1, 2, "branch", ["RG213"]),
        (1, 2, "shortcut", []),
        (2, 2, "branch", []),
        (3, 2, "branch", []),
        (2, 3, "branch", ["RG213"]),
        (1, 1, "branch", []),
    ],
)
def test_strides_that_skip(kernel: int, stride: int, role: str, found) -> None:
    build = Builder((8, 9, 9))
    build.add("conv", Conv(out=8, kernel=kernel, stride=stride))
    graph = build.graph()
    (node,) = graph.nodes
    node = replace(node, origin=replace(node.origin, role=role))
    assert codes(check(replace(graph, nodes=(node,)))) == found


# --- explanations --------------------------------------------------------------------


def test_every_code_in_the_source_is_explained(root: Path) -> None:
    texts = [p.read_text("utf-8") for p in (root / "resgen").rglob("*.py")]
    used = {code for text in texts for code in re.findall(r'"(RG\d{3})"', text)}
    assert used <= set(EXPLANATIONS) | VERDICT.keys()
    assert {rule.explanation.code for rule in RULES} <= set(EXPLANATIONS)


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_an_explanation_is_a_page_worth_reading(code: str) -> None:
    text = explain(code)
    first, empty, *rest = text.splitlines()
    assert first == f"{code} {EXPLANATIONS[code].severity}: {EXPLANATIONS[code].title}"
    assert empty == ""
    assert 2 <= len(rest) <= 20
    assert max(map(len, rest)) <= 88


def test_an_unknown_code_is_a_wrong_usage() -> None:
    # Which of its neighbours is nearest changes with the codes that there are.
    with pytest.raises(UsageError, match=r'did you mean "RG\d\d4"'):
        explain("RG1O4")
    assert explain("rg104").startswith("RG104 error")
