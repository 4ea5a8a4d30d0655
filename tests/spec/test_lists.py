"""Lists of values, several outputs, and parameters that are used again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import resgen
from resgen.expansion.network import examine
from resgen.graph.ir import Graph

Json = dict[str, Any]
STAGE = {"block": "basic", "depth": 1}
#: A feature pyramid as torchvision has it, on any list of maps.
PYRAMID: Json = {
    "params": {"out": {"type": "channels"}},
    "body": [
        {"name": "c"},
        {
            "for": "i",
            "in": "len(channels)",
            "body": [
                {"from": "c[{i}]"},
                {"op": "conv", "out": "out", "kernel": 1, "bias": True}
                | {"as": "inner_blocks.{i}.0"},
                {"name": "p{i}"},
            ],
        },
        {
            "for": "k",
            "in": "len(channels) - 1",
            "body": [
                {"from": "p{len(channels) - 1 - k}"},
                {"op": "resize", "like": "p{len(channels) - 2 - k}", "mode": "nearest"},
                {"add": [[], {"from": "p{len(channels) - 2 - k}"}]},
                {"name": "p{len(channels) - 2 - k}"},
            ],
        },
        {
            "list": {
                "for": "i",
                "in": "len(channels)",
                "body": [
                    {"from": "p{i}"},
                    {"op": "conv", "out": "out", "kernel": 3, "bias": True}
                    | {"as": "layer_blocks.{i}.0"},
                ],
            }
        },
    ],
}


def spec(head: Any, **changes: Any) -> Json:
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 32, 32],
        "stem": "cifar",
        "stages": [STAGE | {"width": width} for width in (8, 16, 24)],
        "head": head,
    } | changes


def graph(value: Json) -> Graph:
    examined = examine(value)
    assert examined.errors == ()
    assert examined.graph is not None
    return examined.graph


def problems(head: Any) -> list[tuple[str, str]]:
    return [(p.code, p.place.pointer) for p in examine(spec(head)).errors]


def shapes(value: Json) -> dict[str, tuple[int, ...]]:
    made = graph(value)
    return {name: made.types[source].shape for name, source in made.outputs}


def test_a_head_gives_out_values_by_name_and_lists_by_number() -> None:
    head = {"outputs": {"maps": {"from": "stages[1:]"}, "pooled": "global_pool"}}
    assert shapes(spec(head)) == {
        "maps.0": (16, 16, 16),
        "maps.1": (24, 8, 8),
        "pooled": (24, 1, 1),
    }


def test_an_output_whose_condition_is_false_is_left_out() -> None:
    at = {"when": "input_shape[1] >= 32", "op": "global_pool"}
    head = {"outputs": {"a": at, "b": "act"}}
    assert shapes(spec(head)) == {"a": (24, 1, 1), "b": (24, 8, 8)}
    assert shapes(spec(head, input=[3, 16, 16])) == {"b": (24, 4, 4)}
    alone = {"outputs": {"a": at, "b": {"train_only": True, "op": "act"}}}
    (problem,) = examine(spec(alone, input=[3, 16, 16])).errors
    assert (problem.code, problem.place.pointer) == ("RG011", "/head")


def test_outputs_have_the_order_of_their_names() -> None:
    """Whatever the order of the keys: parameters would have another order with it."""
    conv = {"op": "conv", "out": 8, "kernel": 1}
    one = {"b": conv | {"as": "b"}, "a": conv | {"as": "a"}}
    other = dict(reversed(one.items()))
    first, second = (graph(spec({"outputs": outputs})) for outputs in (one, other))
    assert [name for name, _ in first.outputs] == ["a", "b"]
    assert first.parameters == second.parameters
    assert first.outputs == second.outputs


def test_the_input_and_single_stages_are_kept() -> None:
    head = {"outputs": {"first": {"from": "stages[0]"}, "last": {"from": "stages[-1]"}}}
    assert shapes(spec(head)) == {"first": (8, 32, 32), "last": (24, 8, 8)}
    resized = {"op": "resize", "like": "input", "mode": "nearest"}
    assert shapes(spec([resized])) == {"output": (24, 32, 32)}


def test_a_list_in_a_list_brings_its_items() -> None:
    head = [{"list": [{"from": "stages[1:]"}, "act"]}, {"outputs": {"y": []}}]
    assert list(shapes(spec(head))) == ["y.0", "y.1", "y.2"]


def test_channels_of_a_list_is_a_list() -> None:
    each = {
        "for": "i",
        "in": "len(channels)",
        "body": [{"item": "i"}, {"op": "conv", "out": "channels[i] * 2", "kernel": 1}],
    }
    block = {"params": {}, "body": [{"list": each}]}
    head = [{"from": "stages"}, "twice", {"outputs": {"y": []}}]
    made = shapes(spec(head, blocks={"twice": block}))
    assert [shape[0] for shape in made.values()] == [16, 32, 48]


def test_a_merge_takes_what_a_list_holds() -> None:
    branches = {"list": [[], "act", "act"]}
    whole = graph(spec([branches, {"concat": [[]]}]))
    assert whole.types[whole.outputs[0][1]].shape == (72, 8, 8)
    some = graph(spec([branches, {"name": "x"}, {"concat": {"from": "x[1:]"}}]))
    assert some.types[some.outputs[0][1]].shape == (48, 8, 8)


OUTPUTS = "/head/outputs"
TRAIN_ONLY = "/head/outputs/a/train_only"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ([{"list": [[], "act"]}, "act"], [("RG025", "/head/1")]),
        ([{"list": [[], "act"]}, {"residual": "act"}], [("RG025", "/head/1")]),
        ([{"item": 0}], [("RG025", "/head/0/item")]),
        ([{"list": [[], "act"]}, {"item": 2}], [("RG026", "/head/1/item")]),
        ([{"list": [[], "act"]}, {"item": "1/2"}], [("RG012", "/head/1/item")]),
        ([{"list": [[], "act"]}], [("RG025", "/head")]),
        ({"from": "stages[3]", "op": "act"}, [("RG026", "/head/from")]),
        ({"from": "stages[x]", "op": "act"}, [("RG026", "/head/from")]),
        ({"from": "stages[]", "op": "act"}, [("RG026", "/head/from")]),
        ({"from": "input[0]", "op": "act"}, [("RG025", "/head/from")]),
        ({"from": "stages", "op": "act"}, [("RG025", "/head")]),
        ([{"outputs": {"a": "act"}}, "act"], [("RG025", "/head/1")]),
        ({"list": [{"outputs": {"a": "act"}}, []]}, [("RG025", "/head")]),
        ({"outputs": {"a": {"outputs": {"b": "act"}}}}, [("RG025", "/head")]),
        ({"outputs": {}}, [("RG012", "/head/outputs")]),
        ({"ouputs": {"a": "act"}}, [("RG010", "/head/ouputs")]),
        ({"outputs": ["act"]}, [("RG012", "/head/outputs")]),
        ({"outputs": {"input": "act"}}, [("RG013", "/head/outputs/input")]),
        ({"outputs": {"a.0": "act"}}, [("RG013", "/head/outputs/a.0")]),
        ([{"from": "stages[3:]"}, {"add": [[]]}], [("RG011", "/head/1")]),
        ({"outputs": {"a": {"train_only": True, "op": "act"}}}, [("RG013", OUTPUTS)]),
        ({"outputs": {"a": {"train_only": 1, "op": "act"}}}, [("RG012", TRAIN_ONLY)]),
        ({"op": "act", "train_only": True}, [("RG010", "/head/train_only")]),
    ],
)
def test_what_is_no_list_or_no_item(head: Any, found: list[tuple[str, str]]) -> None:
    assert problems(head) == found


TWO: Json = {"list": [[], []]}
MANY: Json = {"list": {"for": "i", "in": 100_000, "body": []}}


def often(body: Any) -> Json:
    return {"for": "k", "in": 100_000, "body": body}


@pytest.mark.drawn(2)
@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        [often(TWO)],
        [TWO, often({"list": [[], {"from": "stages[0]"}]})],
        [MANY, {"name": "x"}, {"from": "x" + "[:]" * 50_000}],
        [MANY, {"name": "x"}, often({"from": "x[1:]", "name": "x"})],
        [TWO, {"name": "x"}, often({"from": "x" + "[:]" * 3_000})],
        [MANY, {"outputs": {f"y{i}": [] for i in range(2_000)}}],
    ],
)
def test_lists_that_grow_without_end_are_refused(head: list[Any]) -> None:
    """At the place that repeats; each would take hours or all memory."""
    ((code, place),) = problems(head)
    assert code == "RG050"
    assert place.startswith("/head/")


@pytest.mark.slow
def test_a_problem_of_each_item_of_a_long_loop_is_told_once() -> None:
    """Neither the list nor the search for a name that was meant is made each time."""
    loop = {"for": "k", "in": 30_000, "body": {"op": "act"}}
    assert problems([MANY, loop]) == [("RG025", "/head/1/body")]
    kept = {"for": "i", "in": 25_000, "body": {"name": "n{i}"}}
    loop = {"for": "k", "in": 25_000, "body": {"from": "m{k}"}}
    assert problems([kept, loop]) == [("RG024", "/head/1/body/from")]


def test_one_operator_called_twice() -> None:
    conv = {"op": "conv", "out": 24, "kernel": 3, "as": "twice"}
    made = graph(spec([conv, "act", conv | {"share": True}]))
    users = [node.name for node in made.nodes if node.owner == "twice"]
    assert len(users) == 2
    assert sum(p.name == "twice.weight" for p in made.parameters) == 1
    assert problems([conv | {"share": True}]) == [("RG027", "/head/0")]
    nameless = {"for": "i", "in": 2, "share": True, "body": "norm"}
    assert problems([nameless]) == [("RG027", "/head/0/body")]
    assert problems([conv, conv]) == [("RG108", "/head/1/out")]


AROUND: Json = {
    "params": {"width": {"type": "channels"}, "inside": {"type": "body"}},
    "body": [
        {"op": "conv", "out": "width", "kernel": 1, "as": "first"},
        {
            "concat": [
                {"op": "slice", "size": "width // 2"},
                [
                    {"op": "slice", "start": "width // 2"},
                    {"use": "$inside", "as": "blocks"},
                ],
            ]
        },
    ],
}


def test_a_block_around_the_blocks_of_a_stage() -> None:
    """Cross-stage partial networks: the blocks see a part of the channels."""
    stage = STAGE | {"width": 8, "depth": 2, "stride": 1, "wrap": "around"}
    made = graph(spec([], stages=[stage], blocks={"around": AROUND}))
    ends = {node.origin.block for node in made.nodes}
    assert ends == {None, 0, 1}
    names = [p.name for p in made.parameters]
    assert "layer1.first.weight" in names
    assert "layer1.blocks.1.conv2.weight" in names
    (section,) = (s for s in resgen.analyse(made).sections if s.kind == "stage")
    assert section.blocks == 2


@pytest.mark.parametrize(
    ("stage", "found"),
    [
        (STAGE | {"width": 8, "wrap": "nothing"}, ("RG020", "/stages/0/wrap")),
        (STAGE | {"width": 8, "wrap": "basic"}, ("RG023", "/stages/0/wrap")),
        ({"body": "act", "width": 8, "wrap": "around"}, ("RG010", "/stages/0/wrap")),
        (STAGE | {"width": 8, "wrap": ["act"]}, ("RG012", "/stages/0/wrap")),
    ],
)
def test_what_wraps_no_stage(stage: Json, found: tuple[str, str]) -> None:
    errors = examine(spec([], stages=[stage], blocks={"around": AROUND})).errors
    assert [(p.code, p.place.pointer) for p in errors] == [found]


@pytest.mark.peers
def test_a_pyramid_is_torchvisions(peers: Any) -> None:
    torch = pytest.importorskip("torch")
    torchvision = peers.torchvision

    head = {"outputs": {"p": [{"from": "stages"}, {"use": "fpn", "with": {"out": 4}}]}}
    network = spec(head, blocks={"fpn": PYRAMID})
    module = resgen.to_torch(graph(network)).eval()
    peer = torchvision.ops.FeaturePyramidNetwork([8, 16, 24], 4)
    own = {
        name: value
        for name, value in module.state_dict().items()
        if name.split(".")[0] in ("inner_blocks", "layer_blocks")
    }
    peer.load_state_dict(own)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    taps = {"outputs": {"c": {"from": "stages"}}}
    trunk = resgen.to_torch(graph(spec(taps))).eval()
    trunk.load_state_dict(module.state_dict(), strict=False)
    with torch.no_grad():
        found, maps = module(x), trunk(x)
        wanted = peer({str(i): maps[f"c.{i}"] for i in range(3)})
    for i in range(3):
        np.testing.assert_array_equal(found[f"p.{i}"], wanted[str(i)])


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"from": "stages[5:]", "use": "retina"}, "behind the end of a list of 4"),
        ({"from": "stages[4:]", "use": "retina"}, "an empty list enters retina"),
    ],
)
def test_a_head_that_taps_a_missing_stage_is_told_once(head: Json, said: str) -> None:
    (problem,) = resgen.examine("resnet18", {"/head": head}).errors
    assert (problem.code, said in problem.message) == ("RG026", True)


def test_a_rule_that_comes_to_no_block_is_told() -> None:
    (problem,) = resgen.examine("regnetx_002", {"/let/total": 0}).errors
    assert problem.code == "RG013"
    assert "no stage has a block" in problem.message
