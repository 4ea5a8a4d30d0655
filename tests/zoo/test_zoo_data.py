"""The zoo and the built-in definitions as files, before anything interprets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from published import GOLDEN

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = ROOT / "resgen" / "blocks"
SPECS = sorted((ROOT / "specs").rglob("*.json"))
DEFINITIONS = sorted(BLOCKS.glob("*/*.json"))

#: Counts that papers' authors, torchvision, timm and others have published.
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50d": 25_576_264,
    "resnet20_cifar": 269_722,
    "resnet32_cifar": 464_154,
    "resnet44_cifar": 658_586,
    "resnet56_cifar": 853_018,
    "resnet110_cifar": 1_727_962,
    "resnet1202_cifar": 19_421_274,
    "preact_resnet1001_cifar": 10_327_706,
    "wrn28_10_cifar": 36_479_194,
    "wrn40_2_cifar": 2_243_546,
    "wide_resnet50_2": 68_883_240,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "seresnet50": 28_088_024,
    "densenet121": 7_978_856,
    "vgg16": 138_357_544,
}


def by_stem(path: Path) -> str:
    return path.stem


def content(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def definitions_in(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The definition that a built-in file is, or those that a spec brings along."""
    found = content(path)
    if path.is_relative_to(BLOCKS):
        yield path.stem, found
    else:
        yield from found.get("blocks", {}).items()
        yield from found.get("shortcuts", {}).items()


def test_zoo_is_golden() -> None:
    assert sorted(GOLDEN) == sorted(path.stem for path in SPECS)


def test_golden_has_the_published_counts() -> None:
    assert {name: GOLDEN[name]["params"] for name in PUBLISHED} == PUBLISHED


def test_golden_states_its_sources() -> None:
    assert [name for name, row in GOLDEN.items() if not row["source"]] == []


def test_nothing_else_lies_under_specs() -> None:
    others = [p for p in (ROOT / "specs").rglob("*") if p.is_file()]
    assert sorted(others) == SPECS


@pytest.mark.parametrize("path", SPECS, ids=by_stem)
def test_spec_introduces_itself(path: Path) -> None:
    spec = content(path)
    assert spec["resgen"] == 1
    assert spec["doc"].endswith(".")


@pytest.mark.parametrize("path", SPECS, ids=by_stem)
def test_spec_extends_to_a_whole_network(path: Path) -> None:
    seen = [path.resolve()]
    keys = set(content(path))
    while "extends" in (spec := content(seen[-1])):
        parent = (seen[-1].parent / spec["extends"]).resolve()
        assert parent not in seen
        assert parent.is_relative_to(ROOT / "specs")
        seen.append(parent)
        keys |= set(content(parent))
    assert {"input", "stem", "stages", "head"} <= keys


@pytest.mark.parametrize("path", DEFINITIONS, ids=by_stem)
def test_builtin_goes_by_its_file_name(path: Path) -> None:
    kind = "shortcut" if path.parent.name == "shortcuts" else "block"
    assert content(path)[kind] == path.stem


def test_builtin_blocks_share_one_namespace() -> None:
    blocks = [p.stem for p in DEFINITIONS if p.parent.name != "shortcuts"]
    assert len(blocks) == len(set(blocks))


@pytest.mark.parametrize("path", DEFINITIONS + SPECS, ids=by_stem)
def test_definitions_are_documented(path: Path) -> None:
    for name, definition in definitions_in(path):
        assert definition["doc"].endswith("."), name
        for parameter, param in definition.get("params", {}).items():
            assert param["doc"].endswith("."), f"{name}.{parameter}"
