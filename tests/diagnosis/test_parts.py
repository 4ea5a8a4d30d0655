"""Parts of networks, against what hooks see when the module runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import resgen
from resgen.diagnosis.parts import parts_of
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Part

CONV = {"op": "conv", "out": "here", "kernel": 3}
NORM = {"op": "norm", "as": "n"}
UNIT = {"params": {"kernel": {"type": "integer", "default": 3}}, "body": [
    {"op": "conv", "as": "conv", "out": "channels", "kernel": "kernel"},
    {"op": "norm", "as": "bn"}, "act"]}  # fmt: skip


def described(**keys: Any) -> Graph:
    """The graph of a small network with some keys of its spec replaced."""
    spec: dict[str, Any] = {
        "resgen": 1,
        "name": "small",
        "input": [3, 16, 16],
        "stem": "cifar",
        "defaults": {"block": "basic"},
        "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 1}],
        "head": {"classes": 10},
    }
    return resgen.expand(resgen.load(spec | keys))


def bodied(*body: Any, **keys: Any) -> Graph:
    """A small network of one stage, which is this body."""
    return described(defaults={}, stages=[{"body": list(body)}], **keys)


def fired(graph: Graph, parts: tuple[Part, ...]) -> list[str]:
    """Paths of the parts' modules, each time that one yields a tensor."""
    weights = {p.name: np.zeros(p.shape, p.dtype) for p in graph.parameters}
    model = resgen.to_torch(graph, weights).to("meta")
    seen: list[str] = []
    for part in parts:

        def hook(_: Any, __: Any, made: Any, path: str = part.path) -> None:
            assert isinstance(made, torch.Tensor)
            seen.append(path)

        model.get_submodule(part.path).register_forward_hook(hook)
    model(torch.empty(2, *graph.inputs[0].type.shape, device="meta"))
    return seen


def paths(graph: Graph, kind: str | None = None) -> list[str]:
    """Paths of the parts (of this kind); each is known to fire once, in their order."""
    parts = parts_of(graph)
    assert fired(graph, parts) == [part.path for part in parts]
    for part in parts:
        assert not any(p.path.startswith(f"{part.path}.") for p in parts)
    return [part.path for part in parts if kind in (None, part.kind)]


# --- the zoo --------------------------------------------------------------------------

ZOO = (
    "resnet18", "resnet50d", "resnetrs50", "resnetaa50d", "resnet56_cifar",
    "plain56_cifar", "preact_resnet110_cifar", "resnetv2_50", "wrn40_2_cifar",
    "resnext50_32x4d", "seresnext50_32x4d", "skresnet50", "resnest50d",
    "res2net50_26w_4s", "convnext_tiny", "densenet121", "vgg16", "vgg16_bn",
)  # fmt: skip
#: How many blocks some have as they were published; VGG's are its convolutions.
PUBLISHED = {"resnet18": 8, "densenet121": 58, "convnext_tiny": 18, "vgg16": 13}


@pytest.mark.drawn(6)
@pytest.mark.parametrize("name", ZOO)
@pytest.mark.slow
def test_every_part_of_the_zoo_fires_once_and_in_order(name: str) -> None:
    graph = resgen.expand(resgen.load(name))
    blocks = sum(section.blocks for section in graph.sections)
    assert len(paths(graph, "block")) == PUBLISHED.get(name, blocks) == blocks
    kinds = [part.kind for part in parts_of(graph)]
    assert kinds[-1] == "head"
    assert kinds[0] == ("block" if name.startswith("vgg") else "stem")


OWN = (
    "convmixer_768_32", "efficientnet_b0", "googlenet", "regnety_008", "repvgg_a0",
    "shufflenet_v2_x1_0", "squeezenet1_1",
)  # fmt: skip


@pytest.mark.drawn(1)
@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_blocks_of_other_families_are_parts(name: str) -> None:
    graph = resgen.expand(resgen.load(name))
    blocks = sum(section.blocks for section in graph.sections)
    assert len(paths(graph, "block")) == blocks


# --- what is said of a part -----------------------------------------------------------


def test_a_residual_network_is_stem_blocks_and_head() -> None:
    assert [(p.path, p.kind, p.label, p.pointer) for p in parts_of(described())] == [
        ("conv1", "stem", "conv", "/stem"),
        ("layer1.0", "block", "basic", "/stages/0"),
        ("layer1.1", "block", "basic", "/stages/0"),
        ("layer2.0", "block", "basic", "/stages/1"),
        ("fc", "head", "linear", "/head"),
    ]


def test_what_stands_between_stages_is_a_part_of_its_own() -> None:
    parts = parts_of(resgen.expand(resgen.load("densenet121")))
    between = [(p.path, p.label, p.pointer) for p in parts if p.kind == "part"]
    assert between == [
        (f"features.transition{i + 1}", "transition", f"/stages/{i}/exit")
        for i in range(3)
    ]
    parts = parts_of(resgen.expand(resgen.load("convnext_tiny")))
    assert [p.path for p in parts if p.kind == "part"] == [
        f"stages.{i}.downsample" for i in (1, 2, 3)
    ]


SPEC = """{
  "resgen": 1, "name": "placed", "input": [3, 16, 16], "stem": "cifar",
  "defaults": {"block": "basic"},
  "stages": [
    {"width": 16, "depth": 1},
    {"width": 32, "depth": 1,
      "zero_init": true},
    {"block": "mine", "depth": 1}
  ],
  "head": {"classes": 10},
  "blocks": {"mine": {"body": {
    "residual": [
      {"op": "conv", "as": "c", "out": "channels", "kernel": 3}]}}}
}
"""


def test_a_place_is_the_line_that_a_person_would_change(tmp_path: Path) -> None:
    file = tmp_path / "placed.json"
    file.write_text(SPEC)
    places = [part.place for part in parts_of(resgen.expand(resgen.load(file)))]
    wanted = (
        '"cifar"', '{"width": 16', '{"width": 32', '{\n    "residual"',
        '10},\n  "blocks"',
    )  # fmt: skip
    for place, text in zip(places, wanted, strict=True):
        before = SPEC[: SPEC.index(text)]
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        assert place == f"{file}:{line}:{column}"


# --- networks without a scope for each block ------------------------------------------


def test_blocks_without_a_name_are_their_convolutions() -> None:
    graph = described(
        names={"stage": "", "block": ""},
        defaults={"block": "layer"},
        blocks={
            "layer": {
                "params": {"width": {"type": "channels"}},
                "body": [{**CONV, "out": "width", "as": "c{block}"}, "act"],
            }
        },
    )
    assert paths(graph, "block") == ["c0", "c1", "c2"]


def test_a_block_that_is_no_module_is_what_it_holds() -> None:
    # Its sum is not within any module, for another scope has its path.
    graph = described(
        names={"block": "b"},
        defaults={"block": "mine"},
        stages=[{"depth": 2}],
        blocks={
            "mine": {
                "body": {
                    "residual": [
                        {"use": "unit", "as": "u{index}"},
                        {**CONV, "as": "c{index}"},
                    ]
                }
            },
            "unit": UNIT,
        },
    )
    assert paths(graph, "block") == [
        "layer1.b.u0", "layer1.b.c0", "layer1.b.u1", "layer1.b.c1",
    ]  # fmt: skip


def test_the_blocks_of_a_body_are_parts_of_kind_block() -> None:
    graph = bodied(
        {"use": "unit", "as": "a"},
        {"residual": [{**CONV, "as": "c"}, NORM], "as": "b"},
        {**CONV, "as": "d"},
        blocks={"unit": UNIT},
    )
    assert paths(graph, "block") == ["layer1.a", "layer1.b", "layer1.d"]
    labels = [part.label for part in parts_of(graph) if part.kind == "block"]
    assert labels == ["unit", "block", "conv"]


def test_each_turn_of_a_loop_is_a_part() -> None:
    turn = {"residual": [{**CONV, "as": "c"}, NORM]}
    graph = bodied({"for": "i", "in": 3, "as": "{i}", "body": turn})
    assert paths(graph, "block") == ["layer1.0", "layer1.1", "layer1.2"]


def test_a_row_is_taken_apart_and_branches_are_not() -> None:
    row = [{**CONV, "as": "0"}, "act", {**CONV, "as": "1"}]
    branches = {"concat": [{**CONV, "as": "0"}, {**CONV, "as": "1"}]}
    graph = bodied({"as": "row", "seq": row}, {"as": "fork", "seq": branches})
    assert paths(graph, "block") == ["layer1.row.0", "layer1.row.1", "layer1.fork"]


def test_a_module_that_runs_twice_is_no_part() -> None:
    twice = {"for": "i", "in": 2, "share": True, "body": {**CONV, "as": "twice"}}
    graph = bodied(twice, {**CONV, "as": "once"})
    assert paths(graph, "block") == ["layer1.once"]


def test_without_any_convolution_what_holds_parameters_is_looked_at() -> None:
    graph = described(stem=NORM, defaults={}, stages=[], head=["global_pool"])
    assert paths(graph) == ["n"]
    assert [part.label for part in parts_of(graph)] == ["norm"]
