"""One mistake gives one error: what is refused is not judged any further."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from resgen.expansion.network import examine

BLOCK = "/blocks/own"
RESIDUAL = f"{BLOCK}/body/0"
SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "mine",
    "input": [3, 32, 32],
    "let": {"w": 16},
    "defaults": {"act": "relu", "norm": {"eps": 1e-5}},
    "blocks": {
        "own": {
            "params": {
                "width": {"type": "channels"},
                "stride": {"type": "integer", "default": 1},
                "keep": {"type": "boolean", "default": True},
            },
            "body": [
                {
                    "residual": [
                        {"op": "conv", "out": "width", "kernel": 3, "stride": "stride"},
                        "norm",
                        "act",
                        {"op": "conv", "out": "width", "kernel": 3},
                        "norm",
                    ],
                    "shortcut": "projection",
                    "with": {"width": "width", "stride": "stride"},
                    "post": "act",
                }
            ],
        }
    },
    "shortcuts": {
        "way": {
            "params": {
                "width": {"type": "channels"},
                "stride": {"type": "integer", "default": 1},
            },
            "project": [
                {"op": "conv", "out": "width", "kernel": 1, "stride": "stride"},
                "norm",
            ],
        },
    },
    "stem": {"use": "cifar", "with": {"width": 16}},
    "stages": [
        {"block": "own", "width": "w", "depth": 2, "stride": 1},
        {"block": "basic", "width": "2*w", "depth": 2, "shortcut": "way"},
    ],
    "head": {"classes": 10},
    "preprocess": {"resize": 40, "crop": 32},
}

WRONG: list[tuple[str, Any]] = [
    (f"{BLOCK}/params", [1]),
    (f"{BLOCK}/params/stride", {"default": 1}),
    (f"{BLOCK}/params/stride", 1),
    (f"{BLOCK}/params/stride", None),
    (f"{BLOCK}/params/stride/default", "a"),
    (f"{BLOCK}/params/stride/enum", 3),
    (f"{BLOCK}/params/stride/type", "int"),
    (f"{BLOCK}/params/width/type", ["channel"]),
    (f"{BLOCK}/params/width/type", "chanels"),
    (f"{RESIDUAL}/drop_path", "p"),
    (f"{RESIDUAL}/post", "relu"),
    (f"{RESIDUAL}/residual/0/kernel", 0),
    (f"{RESIDUAL}/residual/0/op", "cov"),
    (f"{RESIDUAL}/residual/0/out", "widht"),
    (f"{RESIDUAL}/residual/0/strde", 2),
    (f"{RESIDUAL}/residual/1", "nrm"),
    (f"{RESIDUAL}/shortcut", "$s"),
    (f"{RESIDUAL}/shortcut", "projecton"),
    (f"{RESIDUAL}/with", 3),
    ("/defaults/act", "rlu"),
    ("/defaults/norm/eps", "x"),
    ("/head", None),
    ("/head/classes", "many"),
    ("/input", [3, 32, "a"]),
    ("/let", 3),
    ("/let/w", "1 +"),
    ("/let/w", "w"),
    ("/names", {"stage": "a..b"}),
    ("/outputs", 3),
    ("/preprocess/crop", 50),
    ("/shortcuts/way", 3),
    ("/shortcuts/way", None),
    ("/shortcuts/way", {"body": {"op": "conv", "out": 32, "kernel": 1}}),
    ("/shortcuts/way", {"op": "conv", "out": 32, "kernel": 1}),
    ("/shortcuts/way", {"extends": "projection", "scale": ["skip_init"]}),
    ("/shortcuts/way", {"shortcut": "projection"}),
    ("/shortcuts/way/params/stride/type", "intger"),
    ("/shortcuts/way/project", "se"),
    ("/shortcuts/way/project", "way"),
    ("/shortcuts/way/project", {"use": "projection"}),
    ("/shortcuts/way/project/0/out", "widht"),
    ("/stages/0/block", "ownn"),
    ("/stages/0/depth", "two"),
    ("/stages/0/depth", "2 + index"),
    ("/stages/0/dilate", "index > 0"),
    ("/stages/0/stride", "no"),
    ("/stages/0/stride", ["1", "2 if index else 1"]),
    ("/stages/0/stride", "1 if index else 2"),
    ("/stages/0/width", [16, 16, 16]),
    ("/stages/0/width", True),
    ("/stages/1/act", "rlu"),
    ("/stages/1/block", "zzz"),
    ("/stages/1/entry", "nope"),
    ("/stages/1/norm", {"epss": 1}),
    ("/stages/1/precision", "fp12"),
    ("/stages/1/shortcut", "projecton"),
    ("/stages/1/shortcut", 3),
    ("/stages/1/shortcut", {"op": "conv", "out": 32, "kernel": 1}),
    ("/stages/1/shortcut", {"project": "projecton"}),
    ("/stem", "cifr"),
    ("/stem/use", "nothing"),
    ("/stem/with/wid", 16),
    ("/stem/with/width", 0),
]

#: A key in other words.
MISSPELT = [
    ("/blocks", "bloks"),
    ("/head/classes", "clases"),
    ("/input", "imput"),
    ("/let", "lets"),
    ("/shortcuts/way/params", "parms"),
    ("/shortcuts/way/project", "projct"),
    ("/stages", "stage"),
    ("/stages/0/block", "blok"),
    ("/stages/0/depth", "depht"),
    ("/stages/0/width", "widht"),
    ("/stem/with/width", "widht"),
    (f"{BLOCK}/body", "bdoy"),
    (f"{BLOCK}/params", "parms"),
    (f"{BLOCK}/params/width/type", "typ"),
    (f"{RESIDUAL}/residual/0/kernel", "kernal"),
    (f"{RESIDUAL}/residual/0/stride", "strides"),
    (f"{RESIDUAL}/shortcut", "shortcuts"),
]

FORGOTTEN = [
    "/let/w",
    "/stages/0/block",
    "/stages/0/depth",
    "/stages/1/width",
    f"{BLOCK}/params/width",
    f"{RESIDUAL}/residual/0/out",
]


def holder(spec: Any, pointer: str) -> tuple[Any, Any]:
    """The list or object around a place, and the place's index or key in it."""
    *above, last = pointer[1:].split("/")
    for part in above:
        spec = spec[int(part)] if isinstance(spec, list) else spec[part]
    return spec, int(last) if isinstance(spec, list) else last


def only_error(spec: dict[str, Any]) -> str:
    """Where the one error of a spec stands."""
    (error,) = examine(spec).errors
    return error.place.pointer


def test_without_a_mistake_there_is_no_error() -> None:
    assert not examine(SPEC).problems


@pytest.mark.parametrize(("pointer", "value"), WRONG)
def test_a_wrong_value(pointer: str, value: Any) -> None:
    spec = copy.deepcopy(SPEC)
    around, key = holder(spec, pointer)
    around[key] = value
    found = only_error(spec)
    # At the mistake; or, where both are seen there, at what it is at odds with.
    assert found.startswith(pointer) or (pointer, found) in (
        ("/let/w", "/stages/0/width"),
        (f"{BLOCK}/params/stride", f"{BLOCK}/params/stride"),
    )


@pytest.mark.parametrize(("pointer", "name"), MISSPELT)
def test_a_misspelt_key(pointer: str, name: str) -> None:
    spec = copy.deepcopy(SPEC)
    around, key = holder(spec, pointer)
    renamed = {name if k == key else k: v for k, v in around.items()}
    around.clear()
    around.update(renamed)
    assert only_error(spec).rpartition("/")[2] == name


@pytest.mark.parametrize("pointer", FORGOTTEN)
def test_a_forgotten_part(pointer: str) -> None:
    spec = copy.deepcopy(SPEC)
    around, key = holder(spec, pointer)
    del around[key]
    assert only_error(spec)
