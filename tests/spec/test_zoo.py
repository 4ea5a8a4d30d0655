"""The zoo by name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from resgen.errors import ResgenError
from resgen.spec import zoo


def test_names_are_all_files_of_the_zoo(specs: Path) -> None:
    assert sorted(zoo.names().values()) == sorted(specs.rglob("*.json"))
    assert list(zoo.names()) == sorted(zoo.names())


def test_a_name_is_unique(specs: Path) -> None:
    count = Counter(path.stem for path in specs.rglob("*.json"))
    assert {name for name, times in count.items() if times > 1} == set()


def test_a_file_is_called_as_its_network() -> None:
    named = {
        name: json.loads(path.read_text())["name"] for name, path in zoo.names().items()
    }
    assert {name: said for name, said in named.items() if name != said} == {}


def test_find_gives_the_file(specs: Path) -> None:
    assert zoo.find("resnet50") == specs / "resnet50.json"


def test_a_near_miss_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(ResgenError, match=r'"resnet_50"; did you mean "resnet50"'):
        zoo.find("resnet_50")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("fcn", 'did you mean "fcn_resnet50"?'),
        ("retinanet", 'did you mean "retinanet_resnet50_fpn"?'),
        ("regnet_y_400mf", 'torchvision calls "regnety_004" so'),
        ("regnet_y_8gf", 'torchvision calls "regnety_080_tv" so'),
    ],
)
def test_a_familys_name_and_torchvisions_are_answered_with_a_network(
    name: str, meant: str
) -> None:
    with pytest.raises(ResgenError) as refused:
        zoo.find(name)
    assert str(refused.value) == f'the zoo has no network "{name}"; {meant}'
