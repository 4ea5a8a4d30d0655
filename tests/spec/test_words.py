"""Every word of the language is listed, with an example that makes a network."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from resgen.cli import main
from resgen.expansion.network import examine
from resgen.spec.keys import KEY_DOCS
from resgen.spec.words import Word, words

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "mine",
    "input": [3, 32, 32],
    "stem": "cifar",
    "stages": [],
    "head": {"classes": 10},
}


@pytest.mark.parametrize(
    "word", [*words()], ids=lambda word: f"{word.where}-{word.name}"
)
def test_the_example_is_a_part_of_a_spec(word: Word) -> None:
    fragment = json.loads(word.example)
    assert f'"{word.name}"' in word.example
    if word.where == "spec":
        spec = {**SPEC, **fragment}
        if "extends" in fragment:
            spec = {"resgen": 1, **fragment}
        if "set" in fragment:
            spec = {"resgen": 1, "extends": "resnet20_cifar", **fragment}
    elif word.where == "stage" and "stages" in fragment:
        spec = {**SPEC, **fragment}
    elif word.where == "stage":
        spec = {**SPEC, "stages": [fragment]}
    else:
        spec = {**SPEC, "stem": ["cifar", fragment]}
    assert examine(spec).errors == ()


def test_every_key_has_one() -> None:
    assert {word.name for word in words()} == KEY_DOCS.keys() - {"$schema"}


@pytest.mark.parametrize("word", ["residual", "name", "from", "preprocess", "words"])
def test_it_is_listed(word: str) -> None:
    found = CliRunner().invoke(main, ["list", word, "--json"])
    assert found.exit_code == 0
    assert all(entry["example"] for entry in json.loads(found.stdout))
    assert (
        KEY_DOCS["residual"][:30] in CliRunner().invoke(main, ["list", "words"]).output
    )
