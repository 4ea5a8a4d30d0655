"""A parent made wider, deeper or for larger pictures."""

from __future__ import annotations

from typing import Any

import pytest

import resgen
from resgen.expansion.network import examine

Json = dict[str, Any]


def scaled(scale: Any, parent: str = "resnet50", **changes: Any) -> Json:
    return {"resgen": 1, "extends": parent, "scale": scale} | changes


def widths(spec: Json) -> list[tuple[int, int]]:
    """Channels and number of blocks of each stage."""
    found = resgen.analyse(resgen.expand(resgen.load(spec)))
    return [(s.output[0], s.blocks) for s in found.sections if s.kind == "stage"]


def test_stages_are_made_wider_and_deeper() -> None:
    spec = scaled({"width": 1.25, "depth": 1.5, "resolution": 288})
    assert widths(spec) == [(320, 5), (640, 6), (1280, 9), (2560, 5)]
    assert resgen.load(spec).input == (3, 288, 288)


@pytest.mark.parametrize(
    ("rounding", "width"), [("divisible", 232), ("nearest", 232), ("whole", 230)]
)
def test_widths_are_rounded_by_name(rounding: str, width: int) -> None:
    spec = scaled({"width": 0.9, "rounding": rounding})
    assert widths(spec)[0][0] == width


def test_a_family_rounds_as_it_says_itself() -> None:
    """EfficientNet-B1 and B4 by their published multipliers."""
    one = scaled({"depth": 1.1, "resolution": 240}, "efficientnet_b0")
    assert resgen.analyse(resgen.expand(resgen.load(one))).params == 7_794_184
    four = scaled({"width": 1.4, "depth": 1.8}, "efficientnet_b0")
    assert resgen.analyse(resgen.expand(resgen.load(four))).params == 19_341_616


def test_what_the_spec_says_itself_is_not_scaled() -> None:
    stages = [{"width": 64, "depth": 1}]
    assert widths(scaled({"width": 2}, stages=stages)) == [(64, 1)]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (scaled({"widht": 2}), ("RG010", "/scale/widht")),
        (scaled({"width": 0}), ("RG013", "/scale/width")),
        (scaled({"width": "2"}), ("RG012", "/scale/width")),
        (scaled({"rounding": "up"}), ("RG013", "/scale/rounding")),
        (scaled({"resolution": 1.5}), ("RG012", "/scale/resolution")),
        (scaled(2), ("RG012", "/scale")),
        (scaled({"width": 2}, "densenet121"), ("RG017", "/scale/width")),
    ],
)
def test_what_scales_nothing(spec: Json, found: tuple[str, str]) -> None:
    assert [(p.code, p.place.pointer) for p in examine(spec).errors] == [found]


def test_it_is_of_a_parent() -> None:
    spec = {"resgen": 1, "name": "a", "scale": {"width": 2}}
    assert ("RG010", "/scale") in [
        (p.code, p.place.pointer) for p in examine(spec).errors
    ]
