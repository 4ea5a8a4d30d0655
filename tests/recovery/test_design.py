"""A network's design recovered from its graph is what people wrote for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from as_read import by_hand, read, size
from published import GOLDEN, sampled
from readable import faults

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.flat import Flat
from resgen.recovery.explain import fit
from resgen.recovery.factor import factored, looped
from resgen.recovery.recover import design


def parameters(graph: Graph) -> set[tuple[str, tuple[int, ...]]]:
    return {(each.name, each.shape) for each in graph.parameters}


def stages(spec: dict[str, Any]) -> list[tuple[int, int]]:
    """Depth and width of each stage."""
    return [(stage["depth"], stage["width"]) for stage in spec["stages"]]


def check(flat: Flat, spec: dict[str, Any]) -> None:
    """The spec is of the same operators, wired alike, under the same names."""
    made = resgen.expand(resgen.load(spec))
    assert identity(made) == identity(flat.graph)
    assert parameters(made) == parameters(flat.graph)


@pytest.mark.parametrize("name", sampled(GOLDEN, 2, large=30e6))
def test_a_recovered_design_is_of_the_same_network(name: str) -> None:
    flat = read(name)
    check(flat, design(flat))


def test_a_residual_network_comes_out_as_a_person_wrote_it() -> None:
    flat = read("resnet50")
    made = design(flat)
    check(flat, made)
    assert made == {
        "resgen": 1,
        "name": "resnet50",
        "input": [3, 224, 224],
        "stem": "imagenet",
        "defaults": {"block": "bottleneck"},
        "stages": [
            {"width": 256, "depth": 3},
            {"width": 512, "depth": 4},
            {"width": 1024, "depth": 6},
            {"width": 2048, "depth": 3},
        ],
        "head": {"classes": 1000},
    }


def test_a_shortcut_that_no_preset_is_stands_in_the_stage() -> None:
    """Zeros of which more come before: of a network that has lost channels."""
    pad = {"op": "pad_channels", "to": 56, "before": 14}
    project = {"project": [{"op": "max_pool", "kernel": 1, "stride": 2}, pad]}
    spec = {
        "resgen": 1,
        "name": "n",
        "input": [3, 16, 16],
        "stem": "cifar",
        "defaults": {"block": "basic", "ratio": "1/2", "shortcut": "zero-pad"},
        "stages": [
            {"width": 16, "depth": 3},
            {"width": 32, "depth": 3},
            {"width": 56, "depth": 3, "ratio": "4/7", "shortcut": project},
        ],
        "head": {"classes": 10},
    }
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert made == spec


def test_what_all_norms_say_is_said_once() -> None:
    made = design(read("keras_resnet50"))
    assert made["defaults"] == {
        "block": "bottleneck",
        "stride_at": 1,
        "conv": {"bias": True},
        "norm": {"eps": 1.001e-05, "momentum": 0.01},
    }


def test_numbers_in_the_names_of_layers_tell_their_units() -> None:
    made = design(read("keras_mobilenet"))
    assert stages(made) == [(1, 64), (2, 128), (2, 256), (6, 512), (2, 1024)]
    assert size(made) < size(by_hand("keras_mobilenet"))


def test_a_stage_may_widen_where_only_then_its_names_are_told() -> None:
    made = design(read("squeezenet1_1"))
    assert [stage["depth"] for stage in made["stages"]] == [2, 2, 4]
    assert size(made) < size(by_hand("squeezenet1_1"))


def test_blocks_of_ones_own_have_what_differs_as_parameters() -> None:
    made = design(read("densenet121"))
    assert [stage["depth"] for stage in made["stages"]] == [6, 12, 24, 16]
    assert size(made) < 1.1 * size(by_hand("densenet121"))
    bodies = [block["body"] for block in made["blocks"].values()]
    assert any("concat" in body for body in bodies)


@pytest.mark.slow
def test_mobile_networks_have_their_published_stages() -> None:
    made = design(read("efficientnet_b0"))
    assert stages(made)[-6:] == [
        (2, 24), (2, 40), (3, 80), (3, 112), (4, 192), (1, 320)
    ]  # fmt: skip
    assert size(made) < size(by_hand("efficientnet_b0"))
    assert len(design(read("ghostnet_100"))["stages"]) == 10  # the last a layer alone


def _mobile(name: str, out: int, *, inside: int, stride: int = 1) -> dict[str, Any]:
    """An inverted residual as TensorFlow pads it: around strided windows by itself."""
    pad = [{"op": "pad_same", "kernel": 3, "stride": 2}] if stride > 1 else []
    still = {"stride": 2, "padding": 0} if stride > 1 else {}
    body = [
        {"op": "conv", "as": "a", "out": inside, "kernel": 1},
        {"op": "norm", "as": "n"}, "act", *pad,
        {"op": "conv", "as": "b", "out": inside, "kernel": 3, "groups": inside,
         **still},
        {"op": "norm", "as": "m"}, "act",
        {"op": "conv", "as": "c", "out": out, "kernel": 1},
    ]  # fmt: skip
    return {"as": name, "seq": body} if stride > 1 else {"as": name, "residual": body}


def test_padding_of_strided_blocks_alone_is_a_matter_of_the_stride() -> None:
    depths = {1: (2, 8), 2: (3, 16), 3: (2, 32)}
    row = [
        _mobile(f"blocks.{stage}.{at}", width, inside=4 * width, stride=2 - (at > 0))
        for stage, (depth, width) in depths.items()
        for at in range(depth)
    ]
    conv = {"op": "conv", "as": "first", "out": 8, "kernel": 3}
    spec = {"resgen": 1, "name": "n", "input": [3, 32, 32], "stem": [conv, *row],
            "stages": [], "head": {"classes": 10}}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(2, 8), (3, 16), (2, 32)]
    (block,) = made["blocks"].values()
    assert '"0 if stride > 1 else 1"' in json.dumps(block)


def _numbered(at: int, out: int, *, inside: int, gate: bool) -> dict[str, Any]:
    """A unit of layers by their places in a row, of which only some are there."""
    layers: list[Any] = [
        [{"op": "conv", "as": "0", "out": inside, "kernel": 1}, "act"],
        [{"op": "conv", "as": "0", "out": inside, "kernel": 3, "groups": inside}],
        [{"multiply": [[], ["global_pool", {"op": "conv", "as": "fc1", "out": 4,
          "kernel": 1}, {"op": "conv", "as": "fc2", "out": inside, "kernel": 1},
          {"op": "act", "type": "sigmoid"}]]}],
        [{"op": "conv", "as": "0", "out": out, "kernel": 1}],
    ]  # fmt: skip
    there = [inside != out, True, gate, True]
    row = [layer for layer, is_there in zip(layers, there, strict=True) if is_there]
    body = [{"as": f"{place}", "seq": layer} for place, layer in enumerate(row)]
    whole = {"as": "block", "seq": body}
    return {
        "as": f"trunk.{at}",
        **({"seq": [whole]} if at == 3 else {"residual": [whole]}),
    }


def test_places_in_a_row_go_by_what_stands_before_them() -> None:
    units = [
        (8, 8, False),
        (8, 32, True),
        (8, 24, False),
        (16, 64, True),
        (16, 48, True),
    ]
    row: list[Any] = [
        _numbered(at, out, inside=inside, gate=gate)
        for at, (out, inside, gate) in enumerate(units)
    ]
    row[2] = {**row[2], "name": "fine"}
    conv = {"op": "conv", "as": "first", "out": 8, "kernel": 3}
    head = [
        {"as": "sum", "add": [
            {"op": "conv", "as": "low", "out": 5, "kernel": 1},
            {"from": "fine", "op": "conv", "as": "high", "out": 5, "kernel": 1}]},
    ]  # fmt: skip
    spec = {"resgen": 1, "name": "n", "input": [3, 32, 32],
            "stem": [conv, *row, *head], "stages": [], "head": []}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(3, 8), (2, 16)]
    (block,) = made["blocks"].values()
    assert "if squeeze else" in json.dumps(block)
    assert "stages[0]" in json.dumps(made["head"])


def _unit(path: str, width: int, *, wide: bool) -> dict[str, Any]:
    """A residual of two kinds: of convolutions, or of linear maps under a norm."""
    plain = [
        {"op": "conv", "as": "a", "out": width, "kernel": 3},
        {"op": "norm", "as": "n"}, "act",
        {"op": "conv", "as": "b", "out": width, "kernel": 3},
    ]  # fmt: skip
    other = [
        {"op": "norm", "as": "norm", "type": "layer"},
        {"as": "mlp", "seq": [{"op": "linear", "as": "fc1", "out": 3 * width},
                              {"op": "act", "type": "gelu"}]},
        {"as": "back", "op": "linear", "out": width},
    ]  # fmt: skip
    return {"as": path, "residual": other if wide else plain}


def _whole(row: list[Any]) -> dict[str, Any]:
    conv = {"op": "conv", "as": "first", "out": 8, "kernel": 3}
    return {"resgen": 1, "name": "n", "input": [3, 16, 16], "stem": [conv, *row],
            "stages": [], "head": {"classes": 10}}  # fmt: skip


def _of_kinds(second: Callable[[str, int], dict[str, Any]]) -> dict[str, Any]:
    """Two stages, each of some blocks of one kind and a last one of the second."""
    row: list[Any] = []
    for stage, (width, kinds) in enumerate(((8, "aaab"), (16, "aab"))):
        if stage:
            row.append({"op": "conv", "as": "stages.1.down", "out": 16, "kernel": 2,
                        "stride": 2})  # fmt: skip
        for at, kind in enumerate(kinds):
            path = f"stages.{stage}.blocks.{at}"
            one = _unit(path, width, wide=False)
            row.append(one if kind == "a" else second(path, width))
    return _whole(row)


def test_a_stage_of_several_kinds_of_blocks_is_one_that_tells_them_apart() -> None:
    flat = read(_of_kinds(lambda path, width: _unit(path, width, wide=True)))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(4, 8), (3, 16)]
    (block,) = made["blocks"].values()
    branches = block["body"]["residual"]
    assert [(part["when"], len(part["seq"])) for part in branches] == [
        ("a", 4), ("not a", 3)
    ]  # fmt: skip


def test_stages_of_kinds_that_are_alike_say_where_they_start() -> None:
    def other(path: str, width: int) -> dict[str, Any]:
        names = {"a": "c", "n": "m", "b": "d"}
        body = _unit(path, width, wide=False)["residual"]
        return {"as": path, "residual": [
            part if isinstance(part, str) else {**part, "as": names[part["as"]]}
            for part in body
        ]}  # fmt: skip

    flat = read(_of_kinds(other))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(3, 8), (1, 8), (2, 16), (1, 16)]
    assert "index + start" in json.dumps(made["blocks"])


def test_what_is_between_stages_goes_by_the_number_of_the_stage() -> None:
    row: list[Any] = []
    for stage, width in enumerate((8, 16, 24), 1):
        if stage > 1:
            row.append({"as": f"embed{stage}", "seq": [
                {"op": "conv", "as": "proj", "out": width, "kernel": 2, "stride": 2},
                {"op": "norm", "as": "norm"}]})  # fmt: skip
            shape = [width, 32 >> stage, 32 >> stage]
            places = {"op": "parameter", "as": f"place{stage}", "shape": shape}
            row.append({"residual": places})
        row += [_unit(f"stage{stage}.{at}", width, wide=True) for at in range(2)]
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(2, 8), (2, 16), (2, 24)]
    assert "/embed{stage + " in json.dumps(made)


def test_what_is_between_stages_may_have_names_that_nothing_tells() -> None:
    row = [_unit(f"network.0.{at}", 8, wide=True) for at in range(2)]
    row += [
        {"op": "conv", "as": "network.1.proj", "out": 16, "kernel": 2, "stride": 2},
        {"residual": {"op": "parameter", "as": "places", "shape": [16, 8, 8]}},
    ]
    for stage, depth in ((2, 3), (3, 2)):
        row += [_unit(f"network.{stage}.{at}", 16, wide=True) for at in range(depth)]
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(2, 8), (3, 16), (2, 16)]


def test_one_part_among_the_blocks_of_a_stage_is_of_the_block_before_it() -> None:
    row: list[Any] = []
    for stage, (width, depth) in enumerate(((8, 2), (16, 3), (24, 2))):
        row.append({"op": "conv", "as": f"embeds.{stage}", "out": width, "kernel": 2,
                    "stride": 2})  # fmt: skip
        for at in range(depth):
            row.append(_unit(f"blocks.{stage}.{at}", width, wide=True))
            if at == 0:
                row.append({"as": f"places.{stage}", "residual": [
                    {"op": "conv", "as": "proj.0", "out": width, "kernel": 3,
                     "groups": width}]})  # fmt: skip
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(2, 8), (3, 16), (2, 24)]
    told = json.dumps(made["blocks"])
    assert '"when": "index == 0", "as": "/places.{stage}"' in told


def test_what_reads_a_value_inside_another_part_keeps_both_out_of_the_stages() -> None:
    row = [_unit(f"blocks.{at}", 8, wide=True) for at in range(3)]
    norm = {"op": "norm", "as": "norm", "type": "layer"}
    back = {"op": "linear", "as": "back", "out": 8}
    both = {"concat": [[], {**norm, "as": "other"}]}
    first = [{**norm, "name": "seen"}, back, both, {**back, "as": "again"}]
    then = [{"add": [{"from": "seen"}, norm]}, back]
    row += [{"as": "post.0", "seq": first}, {"as": "post.1", "seq": then}]
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(3, 8)]


def test_a_numbered_part_without_numbers_in_it_is_a_unit() -> None:
    row = []
    for at in range(4):
        parts = [
            _unit(name, 8, wide=name != "conv") for name in ("conv", "near", "far")
        ]
        row.append({"as": f"stages.0.blocks.{at}", "seq": parts})
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(4, 8)]


def test_a_stage_ends_where_the_map_gets_smaller_if_every_block_widens() -> None:
    widths = (12, 16, 20, 24, 28, 32)
    row = []
    for at, out in enumerate(widths):
        stride = 2 if at in (0, 3) else 1
        body = [
            {"op": "conv", "as": "a", "out": out, "kernel": 3, "stride": stride},
            {"op": "norm", "as": "n"}, "act",
            {"op": "conv", "as": "b", "out": out, "kernel": 3},
        ]  # fmt: skip
        row.append({"as": f"features.{at}", "seq": body})
    conv = {"op": "conv", "as": "first", "out": 8, "kernel": 3}
    spec = {"resgen": 1, "name": "n", "input": [3, 32, 32], "stem": [conv, *row],
            "stages": [], "head": {"classes": 10}}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(3, "12 + 4 * index"), (3, "24 + 4 * index")]


def test_stages_without_a_block_in_common_begin_where_the_map_gets_smaller() -> None:
    def conv(name: str, out: int, **more: Any) -> dict[str, Any]:
        return {"op": "conv", "as": name, "out": out, "kernel": 3, **more}

    down = {"stride": 2}
    both = {"add": [[conv("b", 12)], [conv("c", 12), conv("d", 12)]]}
    joined = {"concat": [[conv("e", 8)], [conv("f", 4), "act", conv("g", 4)], []]}
    row = [
        {"as": "level1", "seq": [conv("a", 12, **down), "act", both]},
        {"as": "level2", "seq": [conv("h", 16, **down), conv("i", 16), joined]},
        {"as": "level3", "seq": [{"residual": [conv("j", 28), conv("k", 28)]},
                                 conv("m", 40, **down)]},
    ]  # fmt: skip
    spec = {"resgen": 1, "name": "n", "input": [3, 32, 32], "stages": [],
            "stem": [conv("first", 8), *row], "head": {"classes": 10}}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert [stage["body"]["as"] for stage in made["stages"]] == [
        "level1", "level2", "level3"
    ]  # fmt: skip


def test_a_detector_has_its_trunk_and_its_head_by_name() -> None:
    flat = read("fcos_resnet50_fpn")
    made = design(flat)
    check(flat, made)
    assert made["head"] == {"from": "stages[1:]", "use": "fcos"}
    assert made["defaults"] == {"block": "bottleneck"}
    assert made["names"] == {"trunk": "backbone.body"}


@pytest.mark.slow
def test_strides_that_became_dilation_are_told_as_such() -> None:
    made = design(read("fcn_resnet50"))
    assert [stage.get("dilate", False) for stage in made["stages"]] == [
        False, False, True, True
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["regnety_002", "dla34", *sampled(GOLDEN, 2)])
def test_what_is_recovered_can_be_read(name: str) -> None:
    assert not list(faults(design(read(name))))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ([{"op": "conv", "when": "x", "out": 8}, {"op": "conv", "when": "not x", "out":
          4}], "twins"),
        ([{"op": "matmul"}, {"op": "softmax"}, {"op": "matmul"}], "attention"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_found(body: Any, fault: str) -> None:
    told = {"blocks": {"own": {"params": {"mid2": {}}, "body": body}}}
    numbered, other = faults(told)
    assert "mid2" in numbered
    assert other.startswith(fault)


@pytest.mark.parametrize(
    ("texts", "known", "template"),
    [
        (["layer1", "layer2"], {"stage": [0, 1]}, "layer{stage + 1}"),
        (["a.0.b", "a.1.b"], {"stage": [0, 1]}, "a.{stage}.b"),
        (["6", "7", "9", "10"], {"block": [0, 1, 2, 3], "stage": [0, 0, 1, 1]},
         "{block + stage + 6}"),
        (["3a", "3b", "4a"], {"block": [0, 1, 2]}, "{'334'[block]}{'aba'[block]}"),
        (["layer1", "stage2", "stage3"], {"stage": [0, 1, 2]},
         "{'stage' if stage > 0 else 'layer'}{stage + 1}"),
        (["conv", "block2"], {"index": [0, 1]}, None),
    ],
)  # fmt: skip
def test_names_are_fitted(
    texts: list[str], known: dict[str, list[int]], template: str | None
) -> None:
    assert fit(texts, known) == template


def test_plain_layers_up_to_where_the_map_gets_smaller_are_stages() -> None:
    def layer(number: int, out: int) -> list[Any]:
        conv = {"op": "conv", "as": f"{number}", "out": out, "kernel": 3, "bias": True}
        return [conv, {"op": "norm", "as": f"{number + 1}"}, "act"]

    pool = {"op": "max_pool", "kernel": 2}
    widths = ((0, 8), (4, 16), (7, 16), (11, 32), (14, 32))
    layers = [layer(number, out) for number, out in widths]
    body = [
        *layers[0],
        pool,
        *layers[1],
        *layers[2],
        pool,
        *layers[3],
        *layers[4],
        pool,
    ]
    spec = {"resgen": 1, "name": "plain", "input": [3, 16, 16], "stages": [],
            "stem": {"as": "features", "seq": body},
            "head": {"classes": 10}}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(1, 8), (2, 16), (2, 32)]


def test_values_that_run_side_by_side_come_back_as_lists() -> None:
    body = [
        {
            "list": {
                "for": "i",
                "in": 2,
                "as": "branches.{i}",
                "body": [
                    {"item": "i"},
                    {"use": "basic", "with": {"width": "8 * 2 ** i"}},
                ],
            }
        },
        {
            "list": [
                [
                    {
                        "add": [
                            {"item": 0},
                            [
                                {"item": 1},
                                {
                                    "op": "conv",
                                    "as": "fuse.0.conv",
                                    "out": 8,
                                    "kernel": 1,
                                },
                                {"op": "upsample", "factor": 2},
                            ],
                        ]
                    },
                    "act",
                ],
                [
                    {
                        "add": [
                            {"item": 1},
                            [
                                {"item": 0},
                                {
                                    "op": "conv",
                                    "as": "fuse.1.conv",
                                    "out": 16,
                                    "kernel": 3,
                                    "stride": 2,
                                },
                            ],
                        ]
                    },
                    "act",
                ],
            ]
        },
    ]
    conv = {"op": "conv", "out": 8, "kernel": 3}
    spec = {"resgen": 1, "name": "lanes", "input": [3, 16, 16],
            "stem": [{**conv, "as": "conv"},
                     {"list": [{**conv, "as": "start.0"},
                               {**conv, "as": "start.1", "out": 16, "stride": 2}]}],
            "defaults": {"block": "exchange"},
            "names": {"stage": "stage{stage}"},
            "stages": [{"depth": 2}, {"depth": 2}],
            "blocks": {"exchange": {"body": body}},
            "head": [{"list": [[{"item": 0}, "global_pool"],
                               [{"item": 1}, "global_pool"]]},
                     {"concat": [[]]}, {"op": "flatten"},
                     {"op": "linear", "as": "fc", "out": 10}]}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert [stage["depth"] for stage in made["stages"]] == [2, 2]
    assert json.dumps(made).count('"list"') == 3  # of the stem, and two of the block


def test_two_values_that_run_through_numbered_parts_are_a_list_of_their_stage() -> None:
    def conv(path: str, out: int, **more: Any) -> dict[str, Any]:
        return {"op": "conv", "as": path, "out": out, "kernel": 3, **more}

    row: list[Any] = [conv("start.0", 8, name="low")]
    row += [conv("start.1", 16, stride=2, name="high")]
    for at in range(6):
        body = [
            {"from": "low", "residual": [conv("a", 8), "act", conv("b", 8)],
             "name": "fine"},
            {"from": "high", "residual": [conv("c", 16), "act", conv("d", 16)],
             "name": "coarse"},
            {"add": [{"from": "fine"}, [{"op": "upsample", "factor": 2},
             {"op": "conv", "as": "up", "out": 8, "kernel": 1}]], "name": "low"},
            {"from": "fine", **conv("down", 16, stride=2)},
            {"add": [[], {"from": "coarse"}], "name": "high"},
        ]  # fmt: skip
        row.append({"as": f"trunk.blocks.{at}", "seq": body})
    ends = [[{"from": key, "op": "global_pool"}, "flatten"] for key in ("low", "high")]
    row += [{"concat": ends}, {"op": "linear", "as": "fc", "out": 5}]
    spec = {"resgen": 1, "name": "n", "input": [3, 16, 16], "stem": row, "stages": [],
            "head": []}  # fmt: skip
    flat = read(spec)
    made = design(flat)
    check(flat, made)
    assert [stage["depth"] for stage in made["stages"]] == [6]
    (block,) = made["blocks"].values()
    assert "list" in block["body"][-1]


def test_parts_that_each_alternate_between_kinds_of_blocks_are_the_units() -> None:
    row: list[Any] = []
    for stage, (width, depth) in enumerate(((8, 1), (16, 3))):
        if stage:
            row.append({"op": "conv", "as": "stages.1.down", "out": 16, "kernel": 2,
                        "stride": 2})  # fmt: skip
        for at in range(depth):
            path = f"stages.{stage}.blocks.{at}"
            row += [_unit(f"{path}.{n}", width, wide=bool(n)) for n in range(2)]
    flat = read(_whole(row))
    made = design(flat)
    check(flat, made)
    assert stages(made) == [(1, 8), (3, 16)]


def _chain(count: int) -> Flat:
    """Attention and branches that are joined, in turn, each of a width of its own."""
    row: list[Any] = []
    for at in range(count):
        attention = {"use": "self_attention", "as": "attn", "with": {"heads": 4}}
        far = [{"op": "conv", "as": "b", "out": 4, "kernel": 1}, "act",
               {"op": "conv", "as": "c", "out": 5 + at, "kernel": 3}]  # fmt: skip
        near = [{"op": "conv", "as": "a", "out": 4 + at, "kernel": 3}]
        row += [
            {"op": "conv", "as": f"wide.{at}", "out": 8 * (1 + at), "kernel": 1},
            {"as": f"blocks.{at}", "residual": [
                {"op": "norm", "as": "norm", "type": "layer"}, attention]},
            {"as": f"mix.{at}", "concat": [[], near, far]},
        ]  # fmt: skip
    return read(_whole(row))


def _calls(flat: Flat) -> int:
    """How many functions are called while a design is found."""
    count = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        design(flat)
    finally:
        sys.setprofile(before)
    return count


def test_a_design_is_found_in_steps_that_grow_as_its_operators_do() -> None:
    _calls(_chain(1))  # what is known once is known
    few, many = _chain(2), _chain(6)
    operators = len(many.graph.nodes) / len(few.graph.nodes)
    assert _calls(many) < 1.2 * operators * _calls(few)


def test_what_differs_by_numbers_alone_is_said_once() -> None:
    def unit(path: str, out: int) -> dict[str, Any]:
        conv = {"op": "conv", "as": "conv", "out": out, "kernel": 3, "bias": True}
        return {"as": path, "seq": [conv, {"op": "norm", "as": "bn", "eps": 1e-3}]}

    stem = [unit("a", 8), unit("b", 16), unit("c.0", 16), unit("c.1", 16)]
    spec = {"resgen": 1, "name": "n", "input": [3, 8, 8], "stem": stem, "stages": [],
            "head": []}  # fmt: skip
    made = looped(factored(spec))
    assert made["stem"][0] == {"as": "a", "use": "convolution", "with": {"out": 8}}
    assert made["stem"][2] == {
        "for": "i", "in": 2, "as": "c.{i}", "body": "convolution"
    }  # fmt: skip
    graphs = [resgen.expand(resgen.load(each)) for each in (spec, made)]
    assert identity(graphs[0]) == identity(graphs[1])
    assert parameters(graphs[0]) == parameters(graphs[1])


def test_what_takes_a_value_from_outside_is_a_block_that_is_given_it() -> None:
    def unit(path: str, kept: str, out: int) -> dict[str, Any]:
        conv = {"op": "conv", "as": "a", "out": out, "kernel": 3, "name": kept}
        more = {"op": "conv", "as": "b", "out": out, "kernel": 3, "bias": True}
        both = {"concat": [{"from": kept}, [], {"from": "early"}]}
        return {"as": path, "seq": [conv, more, both]}

    first = {"op": "conv", "as": "c", "out": 4, "kernel": 1, "name": "early"}
    stem = [first, unit("d", "x", 8), unit("e", "y", 16), unit("f", "z", 24)]
    spec = {"resgen": 1, "name": "n", "input": [3, 8, 8], "stem": stem, "stages": [],
            "head": []}  # fmt: skip
    made = factored(spec)
    assert list(made["blocks"]) == ["convolution"]
    assert made["stem"][1] == {
        "as": "d", "use": "convolution", "with": {"out": 8, "before": {"from": "early"}}
    }  # fmt: skip
    graphs = [resgen.expand(resgen.load(each)) for each in (spec, made)]
    assert identity(graphs[0]) == identity(graphs[1])
    assert parameters(graphs[0]) == parameters(graphs[1])
