"""What a spec says of pictures, against its input and against itself."""

from __future__ import annotations

from typing import Any

import pytest

from resgen.expansion.network import Examined, examine


def said(shape: list[int], **preprocess: Any) -> Examined:
    return examine(
        {
            "resgen": 1,
            "name": "t",
            "input": shape,
            "stem": {"op": "conv", "out": 8, "kernel": 1},
            "stages": [],
            "head": {"classes": 2},
            "preprocess": preprocess,
        }
    )


#: Inputs and what timm resizes to for them: floor(size / 0.875).
TIMM = {64: 73, 160: 182, 224: 256, 288: 329, 299: 341, 320: 365, 384: 438}


@pytest.mark.parametrize("size", TIMM)
def test_resizing_follows_the_input(size: int) -> None:
    found = said([3, size, size])
    assert not found.problems
    assert found.spec is not None
    assert found.spec.preprocess.resize == TIMM[size]


def test_resizing_follows_a_crop_that_is_said() -> None:
    found = said([3, 224, 224], crop=160)
    assert found.spec is not None
    assert found.spec.preprocess.resize == TIMM[160]


@pytest.mark.parametrize(
    ("shape", "preprocess", "severity", "words"),
    [
        ([3, 64, 64], {"resize": 64, "crop": 72}, "error", "cannot be cut"),
        ([3, 320, 320], {"resize": 256}, "warning", "rim is black"),
        ([3, 64, 64], {"mean": [123.6, 116.2, 103.5]}, "warning", "mean above 1"),
        ([3, 64, 64], {"scale": 1}, "warning", "pictures become numbers up to 1,1"),
        ([3, 64, 64], {"std": [58, 57, 57]}, "warning", "white become numbers 0.018"),
        ([3, 64, 64], {"scale": 0}, "error", "which tell nothing of them"),
        ([3, 64, 64], {"scale": 1e30}, "error", "which tell nothing of them"),
        ([3, 64, 64], {"std": [1e-30] * 3}, "error", "which tell nothing of them"),
        ([3, 64, 64], {"std": [-1, 1, 1]}, "error", "all of it is above 0"),
        (
            [3, 64, 64],
            {"mean": [0, 1e307, 0], "scale": 1},
            "error",
            "which tell nothing of them",
        ),
        ([3, 64, 64], {"color": "gray"}, "error", "1 channels"),
        ([1, 64, 64], {"color": "rgb"}, "error", "3 channels"),
    ],
)
def test_contradictions_are_told_at_their_place(
    shape: list[int], preprocess: dict[str, Any], severity: str, words: str
) -> None:
    (problem,) = said(shape, **preprocess).problems
    assert (problem.severity, words in problem.message) == (severity, True)
    assert problem.place.pointer.startswith("/preprocess/")


@pytest.mark.parametrize(
    "preprocess",
    [
        {"resize": None},
        {"resize": 72, "crop": 64},
        {"mean": [123.6, 116.2, 103.5], "std": [58, 57, 57], "scale": 1},
        {"color": "bgr"},
    ],
)
def test_what_goes_together_is_taken(preprocess: dict[str, Any]) -> None:
    assert not said([3, 64, 64], **preprocess).problems


@pytest.mark.parametrize(
    "changes",
    [
        {"extends": "nothing-of-this-name", "name": "t"},
        {"lables": ["a"]},
        {"stem": "cifar", "heed": []},
    ],
)
def test_no_error_follows_from_another(changes: dict[str, Any]) -> None:
    whole: dict[str, Any] = {"resgen": 1, "name": "t", "input": [3, 8, 8]}
    whole |= {"stem": "cifar", "stages": [], "head": {"classes": 4}}
    spec = changes if "extends" in changes else {**whole, **changes}
    if "heed" in changes:
        del spec["head"]
    assert len(examine(spec).errors) == 1
