"""The JSON Schema: fresh, takes every spec that resgen takes, and refuses slips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from published import sampled

from resgen.expansion.network import examine
from resgen.ops import VOCABULARY
from resgen.spec import zoo
from resgen.spec.schema import schema

SCHEMA = schema(VOCABULARY)
VALIDATOR = Draft202012Validator(SCHEMA)


def spec(**changes: Any) -> dict[str, Any]:
    """A small network, changed."""
    return {
        "resgen": 1,
        "name": "small",
        "input": [3, 32, 32],
        "stem": "cifar",
        "stages": [{"block": "basic", "width": 16, "depth": 1}],
        "head": {"classes": 10},
    } | changes


@pytest.mark.slow
def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_one_in_the_package_is_fresh(root: Path) -> None:
    kept = json.loads((root / "resgen/spec/schema.json").read_text("utf-8"))
    assert kept == SCHEMA, "run `make schema`"


TEXTS = {name: zoo.find(name).read_text("utf-8") for name in zoo.names()}
#: Those that a parent makes short are judged in no time, others in up to a second.
SHORT = sorted(name for name, text in TEXTS.items() if len(text) < 800)


@pytest.mark.parametrize("name", SHORT + sampled(TEXTS.keys() - set(SHORT), 8))
def test_the_zoo_is_valid(name: str) -> None:
    VALIDATOR.validate(json.loads(TEXTS[name]))


VALID = {
    "short": spec(),
    "a list is one value a block": spec(
        stages=[{"block": "basic", "width": [16, 16], "depth": 2, "ratio": [1, "1/2"]}]
    ),
    "own blocks, whose parameters no schema knows": spec(
        blocks={"mine": {"params": {"foo": {"type": "integer"}}, "body": []}},
        stages=[{"block": "mine", "depth": 1, "foo": 3}],
    ),
    "expressions": spec(
        let={"w": 8}, stages=[{"block": "basic", "width": "w * 2", "depth": "1 + 1"}]
    ),
    "a loop in a merge": spec(
        stem={
            "concat": {
                "for": "i",
                "in": 2,
                "as": "{i}",
                "body": {"op": "conv", "out": 8, "kernel": [1, 3], "padding": [0, 1]},
            }
        }
    ),
    "a shortcut by fields": spec(
        defaults={"shortcut": {"project": "zero-pad", "scale": "1/2", "merge": None}}
    ),
    "precisions": spec(
        defaults={"block": "basic", "precision": "int8"},
        stem={"use": "cifar", "precision": "fp32"},
        stages=[
            {"width": 16, "depth": 2, "precision": ["fp16", None]},
            {"width": 16, "depth": 1, "precision": None},
        ],
        head={"classes": 10, "precision": "bf16"},
    ),
    "operators in defaults": spec(
        defaults={
            "norm": {"type": "layer", "eps": 1e-6},
            "act": "silu",
            "conv": {"init": {"weight": {"type": "normal", "std": 0.1}}},
        }
    ),
}


@pytest.mark.parametrize("value", VALID.values(), ids=VALID)
def test_what_resgen_takes_is_valid(value: dict[str, Any]) -> None:
    assert examine(value).errors == ()
    VALIDATOR.validate(value)


BROKEN = {
    "unknown key": spec(colour="red"),
    "missing key": {k: v for k, v in spec().items() if k != "head"},
    "version": spec(resgen=2),
    "input is a number": spec(input=32),
    "input without sizes": spec(input=[3]),
    "stage key": spec(stages=[{"block": "basic", "with": 16, "depth": 1}]),
    "block name": spec(stages=[{"block": "basik", "width": 16, "depth": 1}]),
    "negative depth": spec(stages=[{"block": "basic", "width": 16, "depth": -1}]),
    "attribute": spec(stem={"op": "conv", "out": 8, "kernal": 3}),
    "operator": spec(stem={"op": "convolution", "out": 8, "kernel": 3}),
    "attribute's type": spec(stem={"op": "conv", "out": [8], "kernel": 3}),
    "attribute's range": spec(stem={"op": "conv", "out": 0, "kernel": 3}),
    "two forms": spec(stem={"seq": [], "add": []}),
    "no form": spec(stem={"kernel": 3}),
    "number as a body": spec(stem=3),
    "merge": spec(defaults={"shortcut": {"merge": "subtract"}}),
    "activation": spec(defaults={"act": "sliu"}),
    "operator's default": spec(defaults={"conv": {"kernal": 3}}),
    "default that nothing takes": spec(defaults={"cardinality": 3}),
    "head's argument": spec(head={"clases": 10}),
    "preprocess": spec(preprocess={"interpolation": "cubic"}),
    "parameter's type": spec(
        blocks={"mine": {"params": {"n": {"type": "int"}}, "body": []}}
    ),
    "block without a body": spec(blocks={"mine": {"doc": "Nothing."}}),
    "precision": spec(defaults={"precision": "fp64"}),
    "precision of a stage": spec(
        stages=[{"block": "basic", "width": 16, "depth": 1, "precision": ["int4"]}]
    ),
    "precision by itself": spec(stem={"precision": "fp16"}),
    "precision of nothing": spec(stem=["cifar", {"name": "x", "precision": "fp16"}]),
    "a list for the whole network": spec(defaults={"precision": ["fp16"]}),
    "set without a slash": spec(set={"stages/0/depth": 2}),
}


@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_a_slip_is_refused_by_both(value: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(value)
    assert examine(value).errors != ()


def completions(path: str) -> set[str]:
    """The constants that an editor offers at a definition."""
    return {choice["const"] for choice in SCHEMA["$defs"][path]["anyOf"][0]["anyOf"]}


def test_an_editor_is_told_all_names() -> None:
    assert {"basic", "se", "imagenet", "classifier"} <= completions("a-block")
    assert {"projection", "zero-pad", "none"} <= completions("a-shortcut")
    assert completions("an-operator") == set(VOCABULARY)
    stage = SCHEMA["$defs"]["stage"]["properties"]
    assert {"depth", "width", "ratio", "groups", "shortcut", "norm"} <= set(stage)


def test_everything_offered_is_explained() -> None:
    for name in ("a-block", "a-shortcut", "an-operator"):
        for choice in SCHEMA["$defs"][name]["anyOf"][0]["anyOf"]:
            assert choice["description"].endswith("."), choice["const"]
    stage = SCHEMA["$defs"]["stage"]["properties"]
    parameters = {k: v for k, v in SCHEMA["$defs"].items() if k.startswith("param")}
    explained = [*stage.items(), *SCHEMA["properties"].items(), *parameters.items()]
    bare = {k for k, v in explained if not v.get("description") and "anyOf" not in v}
    assert bare == set()
