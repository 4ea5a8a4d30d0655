"""Networks without their shortcuts, against those that the zoo writes by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import resgen
from resgen.diagnosis.plain import without_shortcuts
from resgen.errors import ResgenError, SpecError
from resgen.graph.ir import Graph
from resgen.spec.canonical import canonical_form, digest
from resgen.spec.model import Spec

CONV = {"op": "conv", "as": "c", "out": "here", "kernel": 3}
BRANCH = [CONV, {"op": "norm", "as": "n"}]
BLOCK = {
    "params": {"width": {"type": "channels"}, "stride": {"type": "integer"}},
    "body": {
        "residual": [
            {"op": "conv", "as": "c", "out": "width", "kernel": 3, "stride": "stride"}
        ],
        "shortcut": "projection",
        "with": {"width": "width", "stride": "stride"},
    },
}


def small(**keys: Any) -> Spec:
    """A small network with some keys of its spec replaced."""
    spec: dict[str, Any] = {
        "resgen": 1,
        "name": "small",
        "input": [3, 16, 16],
        "stem": "cifar",
        "defaults": {"block": "basic", "shortcut": "projection"},
        "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 2}],
        "head": {"classes": 10},
    }
    return resgen.load(spec | keys)


def plain(**keys: Any) -> Graph:
    return resgen.expand(without_shortcuts(small(**keys)))


def merges(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes if node.origin.role == "merge"]


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs are the same network, whatever they are called."""
    operators = [[(n.name, n.op, n.inputs, n.type) for n in g.nodes] for g in (a, b)]
    return operators[0] == operators[1] and a.parameters == b.parameters


# --- the zoo --------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [20, 56])
def test_the_plain_form_is_the_papers_plain_network(depth: int) -> None:
    made = without_shortcuts(resgen.load(f"resnet{depth}_cifar"))
    written = resgen.load(f"plain{depth}_cifar")
    assert same(resgen.expand(made), resgen.expand(written))


#: One of every kind of block that has a residual element.
RESIDUAL = (
    "resnet18", "resnet50", "resnet50d", "seresnet50", "skresnet50", "resnest50d",
    "resnetblur50", "res2net50_26w_4s", "convnext_tiny", "resnetv2_50", "regnety_002",
)  # fmt: skip


def residual(root: Path) -> list[Path]:
    return [next((root / "specs").rglob(f"{name}.json")) for name in RESIDUAL]


@pytest.mark.parametrize(
    "path", residual(Path(__file__).parents[2]), ids=lambda path: path.stem
)
def test_nothing_of_a_shortcut_is_left(path: Path) -> None:
    spec = resgen.load(path)
    made = without_shortcuts(spec)
    before, after = resgen.expand(spec), resgen.expand(made)
    assert merges(before)
    assert not merges(after)
    roles = {node.origin.role for node in after.nodes}
    assert "shortcut" not in roles
    shortcuts = {
        name
        for node in before.nodes
        if node.origin.role == "shortcut"
        for name in node.references()
    }
    assert shortcuts.isdisjoint(after.parameter)


@pytest.mark.parametrize("name", ["resnet50d", "convnext_tiny", "skresnet50"])
def test_the_canonical_form_is_the_same_network(name: str) -> None:
    spec = resgen.load(name)
    kept = digest(spec)
    made = without_shortcuts(spec)
    again = resgen.load(canonical_form(made))
    assert same(resgen.expand(made), resgen.expand(again))
    assert digest(again) == digest(made)
    assert digest(spec) == kept != digest(made)
    assert (spec.name, made.name, again.name) == (name, *[f"{name}-plain"] * 2)


def test_a_problem_is_still_shown_where_it_is_written() -> None:
    spec = resgen.load("resnet50")
    graphs = resgen.expand(spec), resgen.expand(without_shortcuts(spec))
    before, after = ({n.name: n.origin.place for n in g.nodes} for g in graphs)
    assert after == {name: before[name] for name in after}


@pytest.mark.parametrize("name", ["vgg16", "densenet121"])
def test_a_network_without_residual_elements_says_so(name: str) -> None:
    with pytest.raises(ResgenError, match="has no shortcut to remove") as caught:
        without_shortcuts(resgen.load(name))
    assert caught.value.hint
    assert "concat" in caught.value.hint


# --- wherever it is written -----------------------------------------------------------

RESIDUAL = {"residual": BRANCH}
GIVEN = {
    "params": {"inner": {"type": "body"}},
    "body": [{"op": "conv", "as": "first", "out": 8, "kernel": 1}, "$inner"],
}


def bodied(body: Any, **keys: Any) -> dict[str, Any]:
    """A network of one stage, which is this body."""
    return {"defaults": {}, "stages": [{"body": body}], **keys}


PLACES = {
    "object": {"defaults": {"block": "basic", "shortcut": {"merge": "concat"}}},
    "preact": {"defaults": {"block": "preact_basic"}},
    "own": {"defaults": {"block": "mine"}, "blocks": {"mine": BLOCK}},
    "stem": {"stem": ["cifar", RESIDUAL]},
    "head": {"head": [RESIDUAL, {"use": "classifier", "with": {"classes": 10}}]},
    "loop": bodied({"for": "i", "in": 3, "as": "{i}", "body": RESIDUAL}),
    "nested": bodied({"residual": [RESIDUAL, {"as": "b", "seq": BRANCH}]}),
    "pre": bodied({"residual": BRANCH, "pre": [{**RESIDUAL, "as": "p"}]}),
    "branch": bodied({"add": [[], [RESIDUAL]]}),
    "argument": bodied(
        {"use": "given", "with": {"inner": RESIDUAL}}, blocks={"given": GIVEN}
    ),
    "stage": {
        "defaults": {"block": "given"},
        "stages": [{"depth": 1, "inner": RESIDUAL, "exit": RESIDUAL}],
        "blocks": {"given": GIVEN},
    },
}


@pytest.mark.parametrize("keys", PLACES.values(), ids=PLACES)
def test_a_shortcut_goes_wherever_it_is_written(keys: dict[str, Any]) -> None:
    spec = small(**keys)
    made = without_shortcuts(spec)
    graph = resgen.expand(made)
    assert merges(resgen.expand(spec))
    assert not merges(graph)
    assert same(graph, resgen.expand(resgen.load(canonical_form(made))))


def test_a_sum_that_is_written_out_stays() -> None:
    body = [RESIDUAL, {"add": [[], {**CONV, "as": "d"}]}]
    graph = plain(**bodied(body))
    assert [node.op.name for node in graph.nodes].count("add") == 1


def test_a_value_that_only_a_projection_keeps_is_missed_when_expanded() -> None:
    project = [{**CONV, "as": "p"}, {"name": "kept"}]
    body = [
        {"residual": BRANCH, "shortcut": {"project": project, "when": "always"}},
        {"add": [[], {"from": "kept"}]},
    ]
    spec = without_shortcuts(small(**bodied(body)))
    with pytest.raises(SpecError, match="no value was kept"):
        resgen.expand(spec)


# --- branches that start at zero ------------------------------------------------------


def own(**keys: Any) -> dict[str, Any]:
    """A network whose blocks hold these residual elements."""
    body = {"body": {"residual": BRANCH, **keys}}
    return {
        "defaults": {"block": "mine"},
        "stages": [{"depth": 2}],
        "blocks": {"mine": body},
    }


ZERO = {"block": "basic", "zero_init": True}
PREACT = {"block": "preact_bottleneck", "zero_init": True}
HIDDEN = {
    "params": {
        "width": {"type": "channels"},
        "zero_init": {"type": "boolean", "default": True},
    },
    "body": {"use": "basic", "with": {"width": "width", "zero_init": "zero_init"}},
}
SILENT = {
    "rezero": own(shortcut={"scale": ["rezero"]}),
    "number": own(shortcut={"merge": "add", "scale": 0}),
    "fixed": own(residual=[*BRANCH, {"op": "scale", "by": 0}]),
    "learned": own(residual=[*BRANCH, {"op": "scalar_scale", "as": "s"}]),
    "block": own(
        residual=[*BRANCH, {"use": "layer_scale", "as": "s", "with": {"start": 0}}]
    ),
    "sequence": own(
        residual=[*BRANCH, {"as": "s", "seq": [{"op": "scalar_scale", "as": "t"}]}]
    ),
    "weight": own(residual=[CONV, {"op": "norm", "as": "n", "init": {"weight": 0}}]),
    "defaults": {"defaults": ZERO},
    "preact": {"defaults": PREACT},
    "stage": {"stages": [{"width": 16, "depth": 2, "zero_init": True}]},
    "each": {"stages": [{"width": 16, "depth": 2, "zero_init": [True, False]}]},
    "definition": {
        "defaults": {"block": "mine"},
        "stages": [{"width": 16, "depth": 2}],
        "blocks": {"mine": HIDDEN},
    },
}


@pytest.mark.parametrize("keys", SILENT.values(), ids=SILENT)
def test_a_branch_that_starts_at_zero_speaks_in_the_plain_network(
    keys: dict[str, Any],
) -> None:
    spec = small(**keys)
    made = without_shortcuts(spec)
    model = resgen.to_torch(resgen.expand(made))
    model(torch.randn(4, 3, 16, 16)).square().sum().backward()
    (first, *_) = model.parameters()
    assert first.grad is not None
    assert first.grad.norm() > 0
    assert digest(made) == digest(resgen.load(canonical_form(made)))
    again = resgen.expand(resgen.load(canonical_form(made)))
    assert same(resgen.expand(made), again)


def test_a_scale_within_the_branch_is_the_branchs_own() -> None:
    scale = {"op": "channel_scale", "as": "s"}
    graph = plain(**own(residual=[scale, *BRANCH]))
    assert [node.op.name for node in graph.nodes].count("channel_scale") == 2


def test_a_scale_that_something_else_reads_stays() -> None:
    scale = {"op": "scalar_scale", "as": "s", "name": "scaled"}
    keys = own(residual=[*BRANCH, scale], post={"add": [[], {"from": "scaled"}]})
    assert [n.op.name for n in plain(**keys).nodes].count("scalar_scale") == 2


def test_a_plain_network_drops_no_path() -> None:
    stated = {"block": "basic", "drop_path_rate": 0.5}
    before = resgen.expand(small(defaults=stated))
    assert "drop_path" in {node.op.name for node in before.nodes}
    after = plain(defaults=stated)
    assert "drop_path" not in {node.op.name for node in after.nodes}
