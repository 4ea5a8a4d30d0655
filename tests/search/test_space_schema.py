"""The JSON Schema of spaces: it takes what the reader takes, and refuses slips."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import resgen
from resgen.searching.reading import load
from resgen.searching.schema import schema

VALIDATOR = Draft202012Validator(schema())
DEPTHS = {"/stages/*/depth": [1, 2]}
TAKEN: dict[str, dict[str, Any]] = {
    "a list": {"vary": DEPTHS},
    "a range": {"vary": {"/stages/*/width": {"from": 16, "to": 64, "step": 16}}},
    "a sample": {
        "vary": {"/stages/0/width": {"from": 8, "to": 64, "sample": 3, "log": True}}
    },
    "together": {"vary": {"/stages/*/act": {"values": ["relu"], "together": True}}},
    "in step": {"zip": [{"/stages/0/depth": [1, 2], "/stages/1/depth": [2, 3]}]},
    "a spec": {"base": {"extends": "resnet20_cifar"}, "vary": DEPTHS},
    "rules": {"vary": DEPTHS, "where": ["depth[0] <= depth[1]"], "doc": "few"},
}
REFUSED: dict[str, dict[str, Any]] = {
    "a key misspelt": {"vary": DEPTHS, "were": []},
    "nothing that varies": {},
    "no pointer": {"vary": {"stem": ["cifar"]}},
    "no values": {"vary": {"/stages/0/depth": []}},
    "a range without an end": {"vary": {"/stages/0/depth": {"from": 1}}},
    "a key of a range misspelt": {"vary": {"/stages/0/depth": {"form": 1, "to": 2}}},
    "a step of 0": {"vary": {"/stages/0/depth": {"from": 1, "to": 2, "step": 0}}},
    "a rule that is no text": {"vary": DEPTHS, "where": [3]},
    "a value": {"vary": {"/stages/0/depth": 3}},
}


def space(told: dict[str, Any]) -> dict[str, Any]:
    return {"base": "resnet20_cifar", **told}


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("told", TAKEN.values(), ids=TAKEN)
def test_what_the_reader_takes_is_valid(told: dict[str, Any]) -> None:
    assert load(space(told)).size
    VALIDATOR.validate(space(told))


@pytest.mark.parametrize("told", REFUSED.values(), ids=REFUSED)
def test_what_is_not_valid_the_reader_refuses_too(told: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(space(told))
    with pytest.raises(resgen.SpecError):
        load(space(told))


def test_the_spaces_of_the_page_are_valid(root: Path) -> None:
    page = (root / ".docs/pages/search.md").read_text("utf-8")
    spaces = [json.loads(text) for text in re.findall(r"```js\n(.*?)```", page, re.S)]
    assert len(spaces) >= 2
    for each in spaces:
        VALIDATOR.validate(each)
