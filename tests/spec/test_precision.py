"""``precision`` of a network, a stage, a block or an element: the innermost counts."""

from __future__ import annotations

from typing import Any

import pytest

from resgen.expansion.network import Examined, examine
from resgen.graph.ir import Graph
from resgen.graph.precision import NAMES, Precision, at_precision
from resgen.spec.canonical import canonical_form, digest
from resgen.spec.model import PRECISIONS

Json = dict[str, Any]


def spec(**changes: Any) -> Json:
    """A small network, changed."""
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 16, 16],
        "stem": {"op": "conv", "as": "stem", "out": 16, "kernel": 3},
        "defaults": {"block": "basic"},
        "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 2}],
        "head": {"classes": 10},
    } | changes


def graph(value: Json, *assignments: str) -> Graph:
    examined = examine(value, assignments)
    assert examined.errors == ()
    assert examined.graph is not None
    return examined.graph


def asked(value: Json, *assignments: str) -> dict[str, str]:
    """What each part asks for, by its first path component or two; one answer each."""
    found: dict[str, set[str]] = {}
    for node in graph(value, *assignments).nodes:
        parts = node.name.split(".")
        name = ".".join(parts[: 2 if parts[0].startswith("layer") else 1])
        found.setdefault(name, set()).add(node.precision)
    assert all(len(answers) == 1 for answers in found.values())
    return {name: answers.pop() for name, answers in found.items()}


def bare(stem: Any, **changes: Any) -> dict[str, str]:
    """What the operators of a stem ask for, by name."""
    found = graph(spec(stem=stem, stages=[], head=[], **changes))
    return {node.name: node.precision for node in found.nodes}


def conv(path: str, **more: Any) -> Json:
    return {"op": "conv", "as": path, "out": 3, "kernel": 1, **more}


def problem(value: Json) -> tuple[str, str, str]:
    """Code, message and pointer of the one error."""
    examined: Examined = examine(value)
    (found,) = examined.errors
    return found.code, found.message, found.place.pointer


PLAIN = ("stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1")


def test_the_language_and_the_passes_know_the_same_precisions() -> None:
    assert PRECISIONS == NAMES


def test_nothing_said_asks_for_nothing() -> None:
    assert set(asked(spec()).values()) == {""}


def test_defaults_speak_for_stem_stages_and_head() -> None:
    found = asked(spec(defaults={"block": "basic", "precision": "fp16"}))
    assert set(found.values()) == {"fp16"}
    assert {*PLAIN, "fc"} <= set(found)


def test_a_stage_says_its_own_for_entry_blocks_and_exit() -> None:
    stages = [
        {"width": 16, "depth": 2},
        {"width": 32, "depth": 2, "precision": "int8", "exit": conv("c")},
    ]
    found = asked(spec(stages=stages))
    assert {n for n, p in found.items() if p == "int8"} == {
        *("layer2.0", "layer2.1", "layer2.exit")
    }
    assert set(found.values()) == {"", "int8"}
    body = {"body": conv("c"), "precision": "int8"}
    assert asked(spec(stages=[body]))["layer1.c"] == "int8"


def test_a_list_is_one_value_a_block_and_null_says_nothing() -> None:
    stages = [
        {"width": 16, "depth": 2, "precision": [None, "fp32"], "exit": conv("c")},
        {"width": 32, "depth": 2, "precision": None},
    ]
    found = asked(spec(stages=stages))
    assert [found[name] for name in PLAIN] == ["", "", "fp32", "", ""]
    defaults = {"block": "basic", "precision": "int8"}
    found = asked(spec(stages=stages, defaults=defaults))
    assert [found[name] for name in PLAIN] == ["int8", "int8", "fp32", "int8", "int8"]
    assert found["layer1.exit"] == "int8"


def test_a_stem_and_a_head_say_theirs() -> None:
    value = spec(
        stem={"use": "cifar", "precision": "fp32"},
        defaults={"block": "basic", "precision": "int8"},
        head={"classes": 10, "precision": "fp16"},
    )
    found = asked(value)
    assert (found["conv1"], found["bn1"]) == ("fp32", "fp32")
    assert (found["layer1.0"], found["fc"]) == ("int8", "fp16")
    value["head"] = {"use": "classifier", "with": {"classes": 10}, "precision": "fp16"}
    assert asked(value) == found


@pytest.mark.parametrize(
    "outer",
    [
        {"seq": [conv("a"), conv("b", precision="fp32")]},
        {"concat": [conv("a"), conv("b", precision="fp32")]},
        {"residual": [conv("a"), conv("b", precision="fp32")]},
        {"for": "i", "in": 1, "body": [conv("a"), conv("b", precision="fp32")]},
        {"use": "mine", "with": {"b": [conv("b", precision="fp32")]}},
        {"use": "mine", "with": {"b": {"use": "other", "precision": "fp32"}}},
    ],
    ids=["seq", "concat", "residual", "for", "body argument", "use as argument"],
)
def test_the_innermost_counts(outer: Json) -> None:
    blocks = {
        "mine": {"params": {"b": {"type": "body"}}, "body": [conv("a"), "$b"]},
        "other": {"body": conv("b")},
    }
    stem = {"seq": [{**outer, "precision": "int8"}, "act"], "precision": "bf16"}
    found = bare(stem, blocks=blocks)
    assert (found.pop("a"), found.pop("b"), found.pop("act")) == (
        *("int8", "fp32", "bf16"),
    )
    assert set(found.values()) <= {"int8"}  # what merges is the element's own


def test_a_loop_in_a_merge_has_one_for_all_its_branches() -> None:
    loop = {"for": "i", "in": 2, "body": conv("c{i}"), "precision": "fp8"}
    found = bare({"concat": loop})
    assert found == {"c0": "fp8", "c1": "fp8", "concat": ""}


def test_a_shortcut_is_part_of_its_block() -> None:
    found = graph(spec(stages=[{"width": 32, "depth": 1, "precision": "fp16"}]))
    down = [n.precision for n in found.nodes if n.origin.role == "shortcut"]
    assert down == ["fp16", "fp16"]


def test_null_of_an_element_is_whatever_holds_around_it() -> None:
    stem = {"seq": [conv("a", precision=None)], "precision": "int8"}
    assert bare(stem) == {"a": "int8"}


def test_a_block_may_take_it_as_a_parameter() -> None:
    param = {"enum": list(PRECISIONS), "default": None}
    blocks = {"mine": {"params": {"p": param}, "body": conv("a", precision="$p")}}
    use = {"use": "mine", "with": {"p": "fp16"}}
    assert bare(use, blocks=blocks) == {"a": "fp16"}
    assert bare({"use": "mine", "precision": "int8"}, blocks=blocks) == {"a": "int8"}


def test_it_is_part_of_what_the_network_is() -> None:
    low = spec(stem=conv("stem", precision="int8"))
    first, second = examine(spec(stem=conv("stem"))).spec, examine(low).spec
    assert first is not None
    assert second is not None
    assert digest(first) != digest(second)
    form = canonical_form(second)
    assert form["stem"]["precision"] == "int8"
    assert graph(form).nodes[0].precision == "int8"


def test_set_changes_it() -> None:
    found = asked(
        spec(), "/stages/1/precision=int8", '/stages/0/precision=["fp8",null]'
    )
    assert [found[name] for name in PLAIN] == ["", "fp8", "", "int8", "int8"]


def test_an_export_follows_the_spec_and_fills_in_the_rest() -> None:
    value = spec(stem=conv("stem", precision="fp32"))
    made = at_precision(graph(value), Precision("fp16", "tensorrt"))
    types = {node.name: node.type.dtype for node in made.nodes}
    assert types["stem"] == "float32"
    assert types["layer1.0.conv1"] == types["layer2.1.conv2"] == "float16"


@pytest.mark.parametrize(
    ("changes", "code", "message", "pointer"),
    [
        (
            {"defaults": {"block": "basic", "precision": "pf16"}},
            *("RG013", 'did you mean "fp16"?', "/defaults/precision"),
        ),
        (
            {"stem": conv("stem", precision="int4")},
            *("RG013", '"int4" is not one of "fp32"', "/stem/precision"),
        ),
        (
            {"stem": conv("stem", precision=16)},
            *("RG012", "not 16", "/stem/precision"),
        ),
        (
            {"stages": [{"width": 16, "depth": 2, "precision": ["fp16", "fp23"]}]},
            *("RG013", '"fp23" is not one of', "/stages/0/precision/1"),
        ),
        (
            {"stages": [{"width": 16, "depth": 2, "precision": ["fp16"]}]},
            *("RG013", "1 values for 2 blocks", "/stages/0/precision"),
        ),
        (
            {"stages": [{"body": conv("c"), "precision": ["fp16"]}]},
            *("RG013", "1 values for 0 blocks", "/stages/0/precision"),
        ),
        (
            {"defaults": {"block": "basic", "precision": ["fp16"]}},
            *("RG012", "not a list", "/defaults/precision"),
        ),
        (
            {"stages": [{"width": 16, "depth": 1, "precison": "fp16"}]},
            *("RG022", 'did you mean "precision"?', "/stages/0/precison"),
        ),
        (
            {"stem": [conv("stem"), {"name": "x", "precision": "fp16"}]},
            *("RG010", "an element without a form", "/stem/1/precision"),
        ),
        (
            {"stem": {"precision": "fp16"}},
            *("RG011", "an element needs one of", "/stem"),
        ),
        (
            {"defaults": {"block": "basic", "conv": {"precision": "fp16"}}},
            *("RG010", '"precision" is not a key', "/defaults/conv/precision"),
        ),
        (
            {"stem": conv("stem", precision="$p")},
            *("RG032", '"p" is not a parameter here', "/stem/precision"),
        ),
        (
            {"stages": [{"width": 16, "depth": 1, "precision": "$p"}]},
            *("RG032", '"p" is not a parameter here', "/stages/0/precision"),
        ),
    ],
)
def test_a_slip_is_named_at_its_place(
    changes: Json, code: str, message: str, pointer: str
) -> None:
    found = problem(spec(**changes))
    assert (found[0], found[2]) == (code, pointer)
    assert message in found[1]
