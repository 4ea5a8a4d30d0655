"""The rules of the language, each by the network that it makes."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from resgen.expansion.network import examine
from resgen.graph.ir import Graph
from resgen.ops import OPERATORS

Json = dict[str, Any]
STAGE = {"block": "basic", "width": 16, "depth": 1}


def spec(**changes: Any) -> Json:
    """A small network, changed."""
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 16, 16],
        "stem": "cifar",
        "stages": [STAGE],
        "head": "global_pool",
    } | changes


def bare(stem: Any, **changes: Any) -> Json:
    """Nothing but a stem."""
    return spec(stem=stem, stages=[], head=[]) | changes


def graph(value: Json, *assignments: str) -> Graph:
    examined = examine(value, assignments)
    assert examined.errors == ()
    assert examined.graph is not None
    return examined.graph


def codes(value: Json) -> set[str]:
    return {problem.code for problem in examine(value).errors}


def made(value: Json) -> list[str]:
    """The operators of the network, in order."""
    return [node.op.name for node in graph(value).nodes]


def weights(value: Json) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights by path; those of norms left out."""
    return {
        p.name.removesuffix(".weight"): p.shape
        for p in graph(value).parameters
        if p.name.endswith("weight") and len(p.shape) > 1
    }


def conv(out: Any, path: str | None = None, **more: Any) -> Json:
    found = {"op": "conv", "out": out, "kernel": 1, **more}
    return found if path is None else {**found, "as": path}


def outputs(value: Json) -> list[int]:
    """Channels that the convolutions give out."""
    return [n.type.channels for n in graph(value).nodes if n.op.name == "conv"]


# --- bodies ---------------------------------------------------------------------------


def test_an_empty_list_is_the_identity() -> None:
    assert made(bare([[], "act", []])) == ["act"]


def test_a_false_condition_is_as_if_nothing_were_written() -> None:
    left_out = {"when": "channels > 3", "op": "act", "name": "kept"}
    assert made(bare([left_out, conv(8)])) == ["conv"]
    assert made(bare({"add": [[], left_out]}, head="act")) == ["act"]
    assert codes(bare([left_out, {"add": [[], {"from": "kept"}]}])) == {"RG024"}


def test_a_kept_value_is_seen_from_loops_and_lists_and_may_be_rebound() -> None:
    body = [
        conv(3, "a", name="x"),
        {"seq": [conv(3, "b"), {"name": "x"}]},
        {"for": "i", "in": 2, "body": [{"from": "x"}, conv(3, "c{i}"), {"name": "x"}]},
    ]
    inputs = {n.name: n.inputs for n in graph(bare(body)).nodes}
    assert inputs == {"a": ("input",), "b": ("a",), "c0": ("b",), "c1": ("c0",)}


def test_a_kept_value_is_not_seen_inside_a_use() -> None:
    blocks = {"mine": {"body": {"add": [[], {"from": "x"}]}}}
    assert "RG024" in codes(bare([{"name": "x"}, "mine"], blocks=blocks))


def test_from_changes_here_but_not_channels() -> None:
    again = {"from": "a", **conv("here + channels", "c")}
    body = [conv(8, "a", name="a"), {"concat": [conv(4, "b"), again]}]
    blocks = {"mine": {"body": body}}
    assert outputs(bare("mine", blocks=blocks)) == [8, 4, 11]


def test_a_loop_repeats_in_sequence_and_branches_in_a_merge() -> None:
    loop = {"for": "i", "in": 3, "as": "{i}", "body": conv("4 * (i + 1)", "conv")}
    assert weights(bare(loop)) == {
        "0.conv": (4, 3, 1, 1),
        "1.conv": (8, 4, 1, 1),
        "2.conv": (12, 8, 1, 1),
    }
    merged = graph(bare({"concat": loop}))
    assert merged.nodes[-1].type.shape == (24, 16, 16)
    assert [n.inputs for n in merged.nodes[:3]] == [("input",)] * 3


def test_shared_iterations_use_the_same_parameters() -> None:
    loop = {"for": "i", "in": 3, "body": conv(3, "conv")}
    assert codes(bare(loop)) == {"RG108"}
    shared = graph(bare({**loop, "share": True}))
    assert len(shared.nodes) == 3
    assert [p.name for p in shared.parameters] == ["conv.weight"]


@pytest.mark.parametrize("kind", ["add", "multiply", "maximum", "minimum"])
def test_merges_of_equal_shapes(kind: str) -> None:
    found = graph(bare({kind: [conv(8, "a"), conv(8, "b")]}))
    assert found.nodes[-1].inputs == ("a", "b")
    assert codes(bare({kind: [conv(8, "a"), conv(4, "b")]})) == {"RG104"}


def test_stack_makes_an_axis() -> None:
    found = graph(bare({"stack": {"for": "i", "in": 2, "body": conv(8, "{i}")}}))
    assert found.nodes[-1].type.shape == (2, 8, 16, 16)


# --- blocks and parameters ------------------------------------------------------------


def block(body: Any, params: Json | None = None, let: Json | None = None) -> Json:
    return {"mine": {"params": params or {}, "let": let or {}, "body": body}}


def test_blocks_are_lexical() -> None:
    blocks = block(conv("secret"))
    assert "RG032" in codes(bare("mine", blocks=blocks, let={"secret": 4}))


def test_with_is_evaluated_in_the_caller() -> None:
    blocks = {
        "outer": {"let": {"n": 5}, "body": {"use": "inner", "with": {"n": "n + 1"}}},
        "inner": {"params": {"n": {"type": "channels"}}, "body": conv("n")},
    }
    assert outputs(bare("outer", blocks=blocks)) == [6]


def test_a_default_may_use_other_parameters_and_channels() -> None:
    blocks = block(
        [conv("b", "x"), conv("c", "y")],
        {
            "a": {"type": "integer", "default": 2},
            "b": {"type": "channels", "default": "a * c"},
            "c": {"type": "channels", "default": "channels + 1"},
        },
    )
    assert outputs(bare("mine", blocks=blocks)) == [8, 4]


def test_let_is_in_any_order() -> None:
    blocks = block(conv("a"), let={"a": "b + 1", "b": "channels"})
    assert outputs(bare("mine", blocks=blocks)) == [4]


@pytest.mark.parametrize(
    ("param", "value", "code"),
    [
        ({"type": "integer"}, "1/2", "RG012"),
        ({"type": "integer", "min": 2}, 1, "RG013"),
        ({"type": "number", "max": "x"}, 1, "RG012"),
        ({"type": "channels"}, 0, "RG013"),
        ({"type": "boolean"}, 3, "RG012"),
        ({"type": "string"}, 3, "RG012"),
        ({"enum": ["a", "b"]}, "c", "RG013"),
        ({"type": ["integer"]}, 3, "RG012"),
        ({"type": ["integer"]}, [1, "x"], "RG032"),
        ({"type": "whole"}, 3, "RG013"),
    ],
)
def test_parameters_are_typed(param: Json, value: Any, code: str) -> None:
    use = {"use": "mine", "with": {"p": value}}
    found = codes(bare(use, blocks=block({"op": "act", "when": "p"}, {"p": param})))
    assert code in found


def test_null_is_not_given() -> None:
    params = {"n": {"type": "channels", "default": 6}}
    use = {"use": "mine", "with": {"n": None}}
    assert outputs(bare(use, blocks=block(conv("n"), params))) == [6]


def test_lists_nest_and_are_indexed() -> None:
    params = {"n": {"type": [["channels"]]}}
    use = {"use": "mine", "with": {"n": [[1, 2], [3]]}}
    blocks = block(conv("n[0][1] + n[1][0] + len(n)"), params)
    assert outputs(bare(use, blocks=blocks)) == [7]


def test_a_body_is_evaluated_where_it_is_written_and_used_at_its_place() -> None:
    blocks = {
        "outer": {
            "let": {"n": 10},
            "body": {"use": "inner", "with": {"b": conv("n + channels")}},
        },
        "inner": {
            "params": {"b": {"type": "body"}, "n": {"type": "integer", "default": 1}},
            "body": [conv(4, "first"), "$b"],
        },
    }
    assert outputs(bare("outer", blocks=blocks)) == [4, 14]


def test_a_body_is_true_when_it_is_not_empty() -> None:
    params = {"b": {"type": "body", "default": []}}
    blocks = block([{"op": "act", "when": "b"}, "$b"], params)
    assert made(bare("mine", blocks=blocks)) == []
    use = {"use": "mine", "with": {"b": "softmax"}}
    assert made(bare(use, blocks=blocks)) == ["act", "softmax"]


def test_a_block_may_use_itself() -> None:
    params = {"n": {"type": "integer"}}
    again = {"use": "mine", "as": "inner", "when": "n > 1", "with": {"n": "n - 1"}}
    blocks = block([conv("n", "conv"), again], params)
    use = {"use": "mine", "with": {"n": 3}}
    assert list(weights(bare(use, blocks=blocks))) == [
        *("conv", "inner.conv", "inner.inner.conv")
    ]
    endless = block({"use": "mine"})
    assert codes(bare("mine", blocks=endless)) == {"RG051"}


def test_an_unknown_body_parameter_is_refused() -> None:
    assert codes(bare({"use": "$x"})) == {"RG032"}
    assert codes(bare("$x")) == {"RG032"}


# --- stages ---------------------------------------------------------------------------


def test_values_of_a_stage_are_evaluated_for_each_block() -> None:
    blocks = block([conv("n", "conv")], {"n": {"type": "channels"}})
    stages = [{"block": "mine", "depth": 3, "n": "4 + index"}]
    assert outputs(spec(stem=[], blocks=blocks, stages=stages)) == [4, 5, 6]
    stages = [{"block": "mine", "depth": 3, "n": [7, 8, "9"]}]
    assert outputs(spec(stem=[], blocks=blocks, stages=stages)) == [7, 8, 9]
    stages = [{"block": "mine", "depth": 2, "n": [7, 8, 9]}]
    assert codes(spec(stem=[], blocks=blocks, stages=stages)) == {"RG013"}


def test_let_of_the_spec_is_seen_in_stem_stages_and_head() -> None:
    blocks = block([conv("n", "conv")], {"n": {"type": "channels"}})
    value = spec(
        let={"n": 4},
        stem=conv("n", "stem"),
        defaults={"n": "n + stage"},
        stages=[{"block": "mine", "depth": "n - 2"}],
        head=conv("n * 2", "head"),
        blocks=blocks,
    )
    assert outputs(value) == [4, 4, 4, 8]


def test_positions_in_stem_stages_ends_and_head() -> None:
    says = "1 + stage + 10 * block + 100 * blocks + 1000 * index"
    blocks = block([conv("n", "c")], {"n": {"type": "channels"}})
    stage = {
        "block": "mine",
        "depth": 2,
        "n": says,
        "entry": conv(says, "e"),
        "exit": conv(says, "x"),
    }
    value = spec(
        stem=conv(says, "s"), stages=[stage, stage], head=conv(says, "h"), blocks=blocks
    )
    assert outputs(value) == [
        401,
        *(401, 401, 1411, 421),
        *(422, 422, 1432, 442),
        443,
    ]


def test_the_stride_goes_to_the_entry_if_it_takes_one() -> None:
    params = {"stride": {"type": "integer"}, "width": {"type": "channels"}}
    blocks = {
        "end": {"params": params, "body": conv("width", "c", stride="stride")},
        "flat": {"params": {"width": params["width"]}, "body": conv("width", "c")},
    }
    stage = {"block": "end", "width": 8, "depth": 1}
    for entry, strides in (("end", [2, 1]), ("flat", [1, 2])):
        value = spec(
            stem=[], blocks=blocks, stages=[{**stage, "entry": entry, "stride": 2}]
        )
        assert [n.op.stride for n in graph(value).nodes[:2]] == strides  # type: ignore[attr-defined]


def test_dilate_turns_the_stride_into_dilation() -> None:
    stage = {"block": "basic", "width": 16, "depth": 2}
    dilated = {**stage, "dilate": True}
    found = graph(spec(stages=[stage, dilated, dilated]))
    convs = {n.name: n.op for n in found.nodes if n.op.name == "conv"}
    seen = [
        (convs[f"layer{s}.{b}.conv1"].dilation, convs[f"layer{s}.{b}.conv1"].stride)  # type: ignore[attr-defined]
        for s in (1, 2, 3)
        for b in (0, 1)
    ]
    assert seen == [(1, 1), (1, 1), (1, 1), (2, 1), (2, 1), (4, 1)]


def test_a_body_stands_for_block_and_depth() -> None:
    value = spec(defaults={"block": "basic"}, stages=[{"body": conv(8, "c")}])
    assert list(weights(value)) == ["conv1", "layer1.c"]
    assert codes(spec(stages=[{"body": [], "depth": 2}])) == {"RG010"}


def test_a_key_that_nothing_takes_is_an_error() -> None:
    assert codes(spec(stages=[{**STAGE, "foo": 1}])) == {"RG022"}
    assert codes(spec(defaults={"foo": 1})) == {"RG022"}


def test_defaults_speak_of_operators_where_an_element_does_not() -> None:
    value = spec(
        stem=[conv(16, "a"), conv(16, "b", bias=False), "act"],
        defaults={"conv": {"bias": True}, "act": "silu"},
        stages=[{**STAGE, "act": "gelu", "norm": {"type": "group", "groups": 4}}],
    )
    found = {n.name: n.op for n in graph(value).nodes}
    assert (found["a"].bias, found["b"].bias) == (True, False)  # type: ignore[attr-defined]
    acts = [op.type for op in found.values() if op.name == "act"]  # type: ignore[attr-defined]
    assert acts == ["silu", "gelu", "gelu"]
    assert found["layer1.0.bn1"].groups == 4  # type: ignore[attr-defined]


def test_names_and_trunk() -> None:
    names = {
        "trunk": "t",
        "stage": "s{stage}",
        "block": "",
        "entry": "/e{stage}",
        "exit": "x",
    }
    stage = {"body": conv(8, "c"), "entry": conv(8, "c"), "exit": conv(8, "c")}
    value = spec(stem=conv(8, "c"), stages=[stage], head=conv(8, "h"), names=names)
    assert list(weights(value)) == ["t.c", "e0.c", "t.s0.c", "t.s0.x.c", "h"]


def test_a_stage_may_have_a_name_of_its_own() -> None:
    value = spec(stages=[{"body": conv(8, "c"), "name": "early{stage}"}], stem=[])
    assert list(weights(value)) == ["early0.c"]


# --- residual elements ----------------------------------------------------------------

PRESETS = {
    "identity": ["conv", "add"],
    "projection": ["conv", "add"],
    "projection-all": ["conv", "conv", "norm", "add"],
    "avg-projection": ["conv", "add"],
    "conv": ["conv", "add"],
    "zero-pad": ["conv", "add"],
    "concat": ["conv", "concat"],
    "none": ["conv"],
}
#: The same where the branch changes channels and strides.
CHANGING = {
    "projection": ["conv", "conv", "norm", "add"],
    "projection-all": ["conv", "conv", "norm", "add"],
    "avg-projection": ["conv", "avg_pool", "conv", "norm", "add"],
    "conv": ["conv", "conv", "add"],
    "zero-pad": ["conv", "max_pool", "pad_channels", "add"],
    "concat": ["conv", "avg_pool", "concat"],
    "none": ["conv"],
}


def residual(shortcut: Any, out: int = 3, stride: int = 1, **more: Any) -> Json:
    return {
        "residual": conv(out, "conv", stride=stride),
        "shortcut": shortcut,
        "with": {"width": out, "stride": stride},
        **more,
    }


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_where_nothing_changes(name: str) -> None:
    assert made(bare(residual(name))) == PRESETS[name]


@pytest.mark.parametrize("name", CHANGING)
def test_a_preset_where_the_shape_changes(name: str) -> None:
    found = graph(bare(residual(name, 8, 2)))
    assert [n.op.name for n in found.nodes] == CHANGING[name]
    assert found.nodes[-1].type.shape[1:] == (8, 8)


def test_the_preact_preset_projects_after_the_activation() -> None:
    pre = {"pre": ["act"]}
    first = graph(bare(residual("preact", **pre)))
    assert first.nodes[-1].inputs == ("conv", "act")  # block 0 taps even an identity
    changed = graph(bare(residual("preact", 8, 2, **pre)))
    down = next(n for n in changed.nodes if n.name == "downsample.conv")
    assert down.inputs == ("act",)


def test_an_object_changes_fields_of_the_blocks_own() -> None:
    value = spec(stages=[{**STAGE, "width": 8, "shortcut": {"scale": 0.5}}])
    operators = made(value)
    assert operators.count("scale") == 1
    assert "layer1.0.downsample.0" in weights(value)


@pytest.mark.parametrize(
    ("fields", "operators"),
    [
        ({"when": "always", "project": "act"}, ["conv", "add"]),
        ({"when": "always", "project": ["act"]}, ["conv", "act", "add"]),
        ({"when": False, "project": ["act"]}, ["conv", "add"]),
        ({"when": "here == 3", "project": ["act"]}, ["conv", "act", "add"]),
        ({"project": "projection-all", "when": "always"}, PRESETS["projection-all"]),
        ({"merge": "concat"}, ["conv", "concat"]),
        ({"merge": "none"}, ["conv"]),
        ({"merge": "if-same"}, ["conv", "add"]),
        ({"scale": "1/2"}, ["conv", "scale", "add"]),
        ({"scale": 1}, ["conv", "add"]),
        ({"scale": ["layer_scale"]}, ["conv", "channel_scale", "add"]),
    ],
)
def test_fields_of_a_shortcut(fields: Json, operators: list[str]) -> None:
    if fields.get("project") == "act":  # a name there is a preset's
        assert codes(bare(residual(fields))) == {"RG021"}
    else:
        assert made(bare(residual(fields))) == operators


def test_if_same_adds_only_what_fits() -> None:
    assert made(bare(residual({"merge": "if-same"}, 8))) == ["conv"]


def test_if_same_leaves_nothing_of_a_shortcut_that_does_not_fit() -> None:
    project = {"as": "skip", "seq": [conv(5, "0"), {"op": "norm", "as": "1"}]}
    shortcut = {"merge": "if-same", "project": project, "when": True}
    for out, operators in ((8, ["conv"]), (5, ["conv", "drop_path", "conv", "norm"])):
        value = bare([residual(shortcut, out, drop_path="1/5")])
        assert made(value) == (operators if out == 8 else [*operators, "add"])
        assert any("skip" in s.path for s in graph(value).scopes) == (out == 5)
        assert any("skip" in p.name for p in graph(value).parameters) == (out == 5)


def test_null_is_not_given_wherever_values_are_handed_on() -> None:
    inner = {"op": "conv", "as": "c", "out": "1 if n == m else 2", "kernel": 1}
    taken = {
        "params": {"n": {"type": "integer", "default": 7}, "m": {"type": "integer"}},
        "body": inner,
    }
    outer = {
        "params": {"part": {"type": "body"}},
        "body": {"use": "$part", "with": {"n": None, "m": 7}},
    }
    value = bare(
        {"use": "outer", "with": {"part": "taken"}},
        blocks={"taken": taken, "outer": outer},
    )
    assert weights(value) == {"c": (1, 3, 1, 1)}
    assert made(bare(residual("identity", **{"with": {"width": None}})))
    assert made(bare(residual("identity", **{"with": None})))


@pytest.mark.parametrize("stem", [[], "cifar"])
@pytest.mark.parametrize("head", [[], "global_pool"])
@pytest.mark.parametrize("stages", [[], [STAGE | {"depth": 0}], [STAGE]])
def test_any_part_may_be_empty(stem: Any, head: Any, stages: list[Json]) -> None:
    value = spec(stem=stem, stages=stages, head=head)
    sections = graph(value).sections
    assert [s.kind for s in sections] == ["stem", *("stage" for _ in stages), "head"]


def test_drop_path_stands_between_branch_and_merge() -> None:
    assert made(bare(residual("identity", drop_path="1/5"))) == [
        *("conv", "drop_path", "add")
    ]
    assert made(bare(residual("identity", drop_path=0))) == ["conv", "add"]
    assert codes(bare(residual("identity", drop_path=2))) == {"RG013"}


def test_the_size_of_the_picture_never_decides_about_a_projection() -> None:
    assert "norm" in made(bare(residual("projection", 3, 2), input=[3, 1, 1]))


# --- extends, set ---------------------------------------------------------------------


def test_extends_merges_and_null_deletes(tmp_path: Path) -> None:
    parent = spec(
        defaults={"act": "silu", "norm": {"type": "layer", "eps": 0.01}, "groups": 2}
    )
    (tmp_path / "parent.json").write_text(json.dumps(parent))
    child = {
        "extends": "parent.json",
        "name": "child",
        "defaults": {"act": None, "norm": {"type": "batch"}},
        "stages": [{**STAGE, "width": 32}],
        "set": {"/defaults/groups": 4, "/stages/0/depth": 2},
    }
    path = tmp_path / "child.json"
    path.write_text(json.dumps(child))
    found = examine(path, ["/stages/0/width=64"]).graph
    assert found is not None
    ops = {n.name: n.op for n in found.nodes}
    norm, first = ops["layer1.1.bn1"], ops["layer1.0.conv1"]
    assert (norm.type, norm.eps) == ("batch", 0.01)  # type: ignore[attr-defined]
    assert (first.groups, first.out) == (4, 64)  # type: ignore[attr-defined]
    assert {op.type for op in ops.values() if op.name == "act"} == {"relu"}  # type: ignore[attr-defined]


def test_stem_and_head_are_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "parent.json").write_text(
        json.dumps(spec(stem={"use": "cifar", "with": {"width": 8}}))
    )
    path = tmp_path / "child.json"
    path.write_text(json.dumps({"extends": "parent.json", "stem": {"use": "cifar"}}))
    found = examine(path).graph
    assert found is not None
    assert found.nodes[0].type.channels == 16


def test_a_value_of_set_that_is_no_json_is_a_string() -> None:
    found = graph(spec(), "/defaults/act=silu")
    assert {n.op.type for n in found.nodes if n.op.name == "act"} == {"silu"}  # type: ignore[attr-defined]


def test_a_word_that_stands_elsewhere_is_shown_where() -> None:
    hints = [p.hint or "" for p in examine(spec(outputs={"maps": []})).problems]
    assert any('where it stands: {"head": {"outputs"' in hint for hint in hints)
    hints = [p.hint or "" for p in examine(spec(depth=2)).problems]
    assert any('where it stands: {"stages": ' in hint for hint in hints)


def test_what_comes_along_is_called_as_no_operator() -> None:
    """Else the canonical form, which has it among its own blocks, is refused."""
    blocks = files("resgen") / "blocks"
    names = {
        file.name.removesuffix(".json")
        for kind in ("blocks", "parts", "stems", "heads")
        for file in (blocks / kind).iterdir()
    }
    assert names.isdisjoint(OPERATORS)
