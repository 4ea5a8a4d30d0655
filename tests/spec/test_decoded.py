"""What a detector that is to give boxes can have wrong, told at its place."""

from __future__ import annotations

import pytest

import resgen
from resgen.errors import SpecError


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"/input/1": 500}, "/input", "does not divide an input of 500 x 800"),
        ({"/head/with/anchors": 6}, "/head", "4 numbers for each of 9 anchors"),
        ({"/input": [3, 800]}, "/head", "boxes lie on pictures"),
        (
            {"/head/with/ratios": [1, -1, 2]},
            "/head/with/ratios",
            "[1.0, -1.0, 2.0]",
        ),
    ],
)
def test_what_makes_no_boxes_is_told_at_its_place(
    changes: dict[str, object], pointer: str, words: str
) -> None:
    for giving in ("decode", "suppress"):
        given = {**changes, f"/head/with/{giving}": True}
        with pytest.raises(SpecError) as caught:
            resgen.load("retinanet_resnet50_fpn", given)
        (first, *_) = [p for p in caught.value.problems if words in p.message]
        assert first.place.pointer.startswith(pointer)


def test_nothing_to_choose_from_is_told_at_its_place() -> None:
    head = {"use": "classifier", "with": {"suppress": True}}
    for source, changes, pointer, words in (
        ("resnet18", {"/head": head}, "/head/with/suppress", 'no parameter "suppress"'),
        (
            "fcos_resnet50_fpn",
            {"/head/with/suppress": True, "/head/with/overlap": 2},
            "/head/with/overlap",
            "2 is too large",
        ),
    ):
        with pytest.raises(SpecError) as caught:
            resgen.load(source, changes)
        (problem,) = caught.value.problems
        assert problem.place.pointer == pointer
        assert words in problem.message
