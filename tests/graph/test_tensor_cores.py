"""What is slow on tensor cores: said where a precision asks for it, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hand_graph import Builder

from resgen.errors import Problem
from resgen.expansion.network import examine
from resgen.graph.check import check, precision_findings
from resgen.graph.ir import Graph
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.concat import Concat
from resgen.ops.conv import Conv
from resgen.ops.drop_path import DropPath
from resgen.ops.max_pool import MaxPool
from resgen.ops.norm import Norm

EIGHT_BITS = ("int8", "fp8")


def everywhere(graph: Graph, precision: str) -> Mapping[str, str]:
    return {node.name: precision for node in graph.nodes}


def found(graph: Graph, precision: str) -> list[Problem]:
    return precision_findings(graph, everywhere(graph, precision))


def codes(graph: Graph, precision: str) -> list[str]:
    return [problem.code for problem in found(graph, precision)]


def residual(*branch: Any, after: str = "relu") -> Graph:
    """Two blocks: a convolution and ``branch``, added to what entered, then ``after``.

    The operators of a branch follow one another; every convolution keeps 32 channels.
    """
    build = Builder((32, 6, 6))
    value = build.add("first", Conv(out=32, kernel=3))
    for block in range(2):
        inner = build.add(f"{block}.conv", Conv(out=32, kernel=3), value)
        for at, op in enumerate(branch):
            inner = build.add(f"{block}.{at}.{op.name}", op, inner)
        value = build.add(f"{block}.add", Add(), inner, value)
        value = build.add(f"{block}.act", Act(type=after), value)
    build.add("last", Conv(out=32, kernel=1), value)
    return build.graph()


# --- the zoo --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet50", "resnet18", "resnet20_cifar"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8", "fp8"])
def test_a_plain_resnet_is_well_at_every_precision(
    network, name: str, precision: str
) -> None:
    assert codes(network(name), precision) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seresnet50", {"RG221"}),  # a gate stands between convolution and addition
        ("resnetv2_50", {"RG220"}),
        ("densenet121", {"RG220"}),
        ("convnext_tiny", {"RG221", "RG222"}),
        ("resnext50_32x4d", {"RG212"}),
        ("res2net50_26w_4s", {"RG210", "RG221"}),
    ],
)
def test_what_int8_does_to_other_families(
    network, name: str, expected: set[str]
) -> None:
    graph = network(name)
    problems = found(graph, "int8")
    assert {p.code for p in problems} == expected
    assert all(p.severity == "warning" and p.hint for p in problems)
    # Each is at a line of the spec, once.
    places = [(p.code, p.place.file, p.place.line, p.place.column) for p in problems]
    assert len(set(places)) == len(places)
    assert all(p.place.file.endswith(".json") for p in problems)
    assert codes(graph, "fp32") == []


# --- channels and groups --------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "precision", "hint"),
    [
        (24, "fp16", None),
        (24, "fp32", None),
        (21, "fp32", None),
        (21, "bf16", "use 24"),
        (24, "int8", "use 32"),
        (24, "fp8", "use 32"),
        (40, "int8", "use 48; 64 would also fill int8's vectors of 32"),
        (40, "fp8", "use 48"),
        (48, "int8", None),
        (8, "int8", None),
    ],
)
def test_the_grid_is_that_of_the_precision(
    width: int, precision: str, hint: str | None
) -> None:
    build = Builder((32, 6, 6))
    build.add("conv", Conv(out=width, kernel=3))
    build.add("last", Conv(out=10, kernel=1))  # classes: not meant
    problems = found(build.graph(), precision)
    assert [p.hint for p in problems] == ([hint] if hint else [])
    for problem in problems:
        assert problem.code == "RG210"
        grid = 16 if precision in EIGHT_BITS else 8
        assert f"off the tensor-core grid of {grid}; {precision} kernels" in (
            problem.message
        )


@pytest.mark.parametrize(
    ("groups", "precision", "expected"),
    [
        (1, "int8", []),
        (2, "int8", []),  # 16 a group
        (4, "int8", ["RG212"]),
        (4, "fp16", []),
        (8, "fp16", ["RG212"]),
        (8, "fp32", []),
        (16, "fp32", ["RG212"]),  # 2 a group: no kernel likes it
        (32, "int8", []),  # depthwise
    ],
)
def test_a_group_fills_a_tile(groups: int, precision: str, expected: list[str]) -> None:
    build = Builder((32, 6, 6))
    build.add("conv", Conv(out=32, kernel=3, groups=groups))
    assert codes(build.graph(), precision) == expected


# --- pairs that do not fuse -----------------------------------------------------------


@pytest.mark.parametrize("precision", EIGHT_BITS)
def test_a_branch_that_ends_in_its_convolution_fuses(precision: str) -> None:
    assert codes(residual(), precision) == []
    assert codes(residual(Norm()), precision) == []  # folded first
    assert codes(residual(Norm(), DropPath(p=0.1)), precision) == []


def test_an_activation_between_convolution_and_addition() -> None:
    graph = residual(Norm(), Act(type="relu"))
    (problem,) = found(graph, "int8")
    assert problem.code == "RG221"
    assert problem.message == (
        'the addition "0.add" (and 1 more of this line) fuses with no convolution in '
        'int8: "0.1.act" stands between "0.conv" and it'
    )
    assert "post" in str(problem.hint)
    assert codes(graph, "fp16") == []


def test_a_convolution_that_is_read_twice() -> None:
    build = Builder((32, 6, 6))
    build.add("conv", Conv(out=32, kernel=3))
    build.add("act", Act(type="relu"))
    build.add("add", Add(), "conv", "act")
    (problem,) = found(build.graph(), "int8")
    assert problem.code == "RG221"
    assert '"conv" is read elsewhere as well' in problem.message


def test_an_addition_of_what_no_convolution_yields() -> None:
    build = Builder((32, 6, 6))
    for name in ("a", "b"):
        build.add(name, MaxPool(kernel=3, stride=1, padding=1), "input")
    build.add("add", Add(), "a", "b")
    (problem,) = found(build.graph(), "int8")
    assert 'it reads "max_pool" and "max_pool"' in problem.message


def test_an_activation_that_few_engines_fuse() -> None:
    graph = residual(Act(type="silu"), Conv(out=32, kernel=1))
    (problem,) = found(graph, "int8")
    assert (problem.code, problem.message) == (
        "RG222",
        "silu after a convolution: in int8 only relu and relu6 are fused by every "
        "engine",
    )
    assert codes(graph, "fp16") == []
    clipped = residual(Act(type="relu6"), Conv(out=32, kernel=1))
    assert codes(clipped, "int8") == []
    # After the addition it is no part of a convolution.
    assert codes(residual(after="silu"), "int8") == []


@pytest.mark.parametrize("precision", ["fp16", "bf16", *EIGHT_BITS])
def test_a_norm_that_cannot_be_folded(precision: str) -> None:
    build = Builder((32, 6, 6))
    build.add("a", Conv(out=16, kernel=3))
    build.add("b", Conv(out=16, kernel=3), "input")
    build.add("both", Concat(), "a", "b")
    build.add("norm", Norm())
    build.add("last", Conv(out=32, kernel=1))
    graph = build.graph()
    (problem,) = found(graph, precision)
    assert problem.code == "RG220"
    assert 'it follows "concat"' in problem.message
    assert problem.hint == "norm the branches before they meet"
    assert codes(graph, "fp32") == []


def test_a_norm_whose_convolution_is_read_elsewhere() -> None:
    build = Builder((32, 6, 6))
    build.add("conv", Conv(out=32, kernel=3))
    build.add("norm", Norm())
    build.add("add", Add(), "norm", "conv")
    problems = {p.code: p for p in found(build.graph(), "int8")}
    assert '"conv" is read elsewhere as well' in problems["RG220"].message


def test_only_the_part_that_runs_low_is_meant() -> None:
    graph = residual(Act(type="silu"))
    wide = {n.name: "fp16" if n.name.startswith("1.") else "int8" for n in graph.nodes}
    problems = {p.code: p.message for p in precision_findings(graph, wide)}
    assert set(problems) == {"RG221", "RG222"}
    assert '"0.add" fuses' in problems["RG221"]
    none_low = dict.fromkeys(wide, "fp32")
    assert precision_findings(graph, none_low) == []


# --- what the spec itself asks for ----------------------------------------------------


def test_check_goes_by_the_precision_that_the_spec_states(described) -> None:
    stages = [{"width": 16, "depth": 2}, {"width": 40, "depth": 2}]
    assert check(described(stages=stages)) == []
    stages[1]["precision"] = "int8"
    (problem,) = check(described(stages=stages))
    assert (problem.code, problem.place.pointer) == ("RG210", "/stages/1/width")
    assert "grid of 16; int8 kernels" in problem.message
    # Where the spec says float32 there is no grid to keep to.
    stages[1] |= {"width": 42, "precision": "fp32"}
    assert check(described(stages=stages)) == []


def test_check_warns_of_unfused_pairs_in_an_int8_stage(described) -> None:
    stages = [
        {"width": 16, "depth": 2, "attention": "se", "precision": "int8"},
        {"width": 32, "depth": 2, "attention": "se"},
    ]
    (problem,) = check(described(stages=stages))
    assert problem.code == "RG221"
    assert problem.place.pointer.startswith("/stages/0")
    assert "stands between" in problem.message


def test_export_and_check_agree_on_code_and_place(described) -> None:
    stages = [{"width": 16, "depth": 1}, {"width": 42, "depth": 2}]
    graph = described(stages=stages)
    (ours,) = check(graph)
    (theirs,) = found(graph, "fp16")
    assert (ours.code, ours.place) == (theirs.code, theirs.place)


def scores(classes: int, output: int) -> dict[str, Any]:
    """A head that scores every position, resizes the scores and smooths them."""
    score = {"op": "conv", "out": classes, "kernel": 1}
    smooth = {"op": "conv", "out": output, "kernel": 3}
    return {
        "resgen": 1,
        "name": "dense",
        "input": [3, 32, 32],
        "stem": {"use": "cifar", "with": {"width": 16}},
        "stages": [{"block": "basic", "width": 16, "depth": 1}],
        "head": [
            score,
            {"op": "conv_transpose", "out": classes, "kernel": 2, "stride": 2},
            smooth,
        ],
    }


@pytest.mark.parametrize(("classes", "output", "told"), [(21, 21, 0), (21, 24, 2)])
def test_the_number_of_classes_is_given(classes: int, output: int, told: int) -> None:
    warnings = examine(scores(classes, output)).problems
    assert [p.code for p in warnings] == ["RG210"] * told
