"""Channels of single operators by path, in a network that is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import resgen
from resgen.expansion.network import examine
from resgen.graph.identity import identity
from resgen.spec.canonical import canonical_form

Json = dict[str, Any]


def widened(widths: Json, parent: str = "resnet20_cifar", **more: Any) -> Json:
    return {"resgen": 1, "extends": parent, "widths": widths, **more}


def graph(spec: Json | str) -> resgen.Graph:
    return resgen.expand(resgen.load(spec))


def test_a_wide_resnet_is_a_resnet_of_other_inner_widths() -> None:
    """Zagoruyko and Komodakis 2016, as torchvision has it: twice the 3x3's channels."""
    depths = (3, 4, 6, 3)
    widths = {
        f"layer{stage + 1}.{block}.{conv}": 128 * 2**stage
        for stage, depth in enumerate(depths)
        for block in range(depth)
        for conv in ("conv1", "conv2")
    }
    made = graph(widened(widths, "resnet50"))
    assert made.params == 68_883_240  # torchvision's, of wide_resnet50_2
    assert identity(made) == identity(graph("wide_resnet50_2"))


def test_convolutions_of_each_channel_by_itself_follow() -> None:
    """MobileNetV2 with an expansion of 3 instead of 6.

    torchvision's ``mobilenet_v2`` with ``inverted_residual_setting`` so changed has
    2,601,416 parameters.
    """
    widths, entered = {}, 16
    rows = [(24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1)]
    for stage, (channels, depth) in enumerate(rows):
        for block in range(depth):
            widths[f"blocks.{stage + 1}.{block}.conv_pw"] = 3 * entered
            entered = channels
    assert graph(widened(widths, "mobilenetv2_100")).params == 2_601_416


def test_what_a_slice_takes_is_the_same_share() -> None:
    spec = {
        "resgen": 1, "name": "halves", "input": [3, 8, 8], "stages": [],
        "stem": [
            {"op": "conv", "as": "all", "out": 8, "kernel": 1, "name": "x"},
            {"concat": [
                {"from": "x", "op": "slice", "size": 2},
                [{"from": "x", "op": "slice", "start": 2},
                 {"op": "conv", "as": "rest", "out": 4, "kernel": 1}],
            ]},
        ],
        "head": {"classes": 10}, "widths": {"all": 12},
    }  # fmt: skip
    shapes = {p.name: p.shape for p in graph(spec).parameters}
    assert shapes["rest.weight"] == (4, 9, 1, 1)
    assert shapes["fc.weight"] == (10, 3 + 4)
    odd = examine({**spec, "widths": {"all": 10}}).problems
    assert [(p.code, p.place.pointer) for p in odd] == [("RG112", "/widths/all")]


def test_a_path_is_that_of_a_parameter_that_is_shared() -> None:
    twice = {"for": "i", "in": 2, "share": True, "as": "again",
             "body": {"op": "conv", "as": "conv", "out": 8, "kernel": 3}}  # fmt: skip
    spec = {
        "resgen": 1, "name": "shared", "input": [8, 8, 8], "stages": [],
        "stem": [{"op": "conv", "as": "first", "out": 8, "kernel": 1}, twice],
        "head": {"classes": 10}, "widths": {"first": 6, "again.conv": 6},
    }  # fmt: skip
    made = graph(spec)
    assert made.parameter["again.conv.weight"].shape == (6, 6, 3, 3)
    (problem,) = examine({**spec, "widths": {"first": 6}}).problems
    assert "again.conv.weight is shared" in problem.message


def test_it_is_said_on_the_command_line_and_undone_by_a_child() -> None:
    said = resgen.load("resnet20_cifar", ["/widths/layer1.0.conv1=12"])
    made = resgen.expand(said)
    assert made.parameter["layer1.0.bn1.weight"].shape == (12,)
    parent = widened({"layer1.0.conv1": 12})
    again = resgen.load(parent, ["/widths/layer1.0.conv1=null"])
    assert identity(resgen.expand(again)) == identity(graph("resnet20_cifar"))


def test_a_child_that_is_wider_has_them_wider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("narrow.json").write_text(json.dumps(widened({"layer1.0.conv1": 12})))
    child = {"resgen": 1, "extends": "narrow.json", "scale": {"width": 2}}
    made = graph(child)
    assert made.types["layer1.0.conv1"].channels == 24
    assert made.types["layer1.0.conv2"].channels == 32


def test_the_canonical_form_has_it() -> None:
    spec = resgen.load(widened({"layer1.0.conv1": 12}))
    again = resgen.load(canonical_form(spec))
    assert identity(resgen.expand(again)) == identity(resgen.expand(spec))


@pytest.mark.parametrize(
    ("widths", "code", "at", "said"),
    [
        ({"layer1.0.conv9": 12}, "RG018", "/layer1.0.conv9", 'mean "layer1.0.conv'),
        ({"layer1.0.bn1": 12}, "RG018", "/layer1.0.bn1", "channels that enter it"),
        ({"conv2": 8, "layer1.0.conv1": 0}, "RG013", "/layer1.0.conv1", "at least 1"),
        ({"conv2": 8, "layer1.0.conv1": 0}, "RG018", "/conv2", "at least 1"),
        ({"layer1.0.conv1": "a"}, "RG012", "/layer1.0.conv1", "names"),
        ({"layer1.0.conv1": [1]}, "RG012", "/layer1.0.conv1", "not a list"),
        (3, "RG012", "", "expected an object"),
        (
            {"layer1.1.conv2": 12},
            "RG104",
            "/layer1.1.conv2",
            "12 channels of layer1.1.conv2, 16 channels of layer1.0.conv2",
        ),
        ({"fc": 10**9, "layer1.0.conv1": 10**9}, "RG050", "", "parameters"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_at_its_place(
    widths: Any, code: str, at: str, said: str
) -> None:
    errors = examine(widened(widths)).errors
    found = [(e.code, e.place.pointer) for e in errors]
    assert (code, f"/widths{at}") in found
    assert any(said in e.message for e in errors), [e.message for e in errors]


def test_what_a_width_is_warned_of_is_told_at_the_map() -> None:
    (problem,) = examine(widened({"layer1.0.conv1": 12})).problems
    assert (problem.code, problem.place.pointer) == ("RG210", "/widths/layer1.0.conv1")
