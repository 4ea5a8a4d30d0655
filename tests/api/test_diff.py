"""What differs between two networks, as a person would say it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import resgen
from resgen.cli import main

#: A small network in a plain spelling, and in another.
PLAIN: dict[str, Any] = {
    "resgen": 1,
    "name": "plain",
    "doc": "In plain words.",
    "input": [3, 32, 32],
    "stem": {"op": "conv", "out": 16, "kernel": 3, "as": "conv1"},
    "stages": [
        {"block": "basic", "width": 16, "depth": 2, "shortcut": "projection"},
        {"block": "basic", "width": 32, "depth": 3, "shortcut": "projection"},
    ],
    "head": {"classes": 10},
}


def but(**keys: Any) -> dict[str, Any]:
    """The plain network with other members."""
    return copy.deepcopy(PLAIN) | keys


def stages(**keys: Any) -> list[dict[str, Any]]:
    """Its stages, the last with other keys."""
    first, last = copy.deepcopy(PLAIN["stages"])
    return [first, last | keys]


def told(a: Any, b: Any, **options: Any) -> list[str]:
    """Where, which operators, and what, of every change."""
    return [
        f"{c.where}: {' '.join((*c.operators, c.text))}"
        for c in resgen.diff(a, b, **options).changes
    ]


def test_another_spelling_is_the_same_network() -> None:
    stem = {"op": "conv", "out": 16, "kernel": [3, 3], "padding": 1, "as": "first",
            "init": {"type": "normal", "std": 0.1}}  # fmt: skip
    found = resgen.diff(PLAIN, but(stem=stem, name="other", doc="In other words."))
    assert found.same
    assert found.equal
    assert found.changes == found.facts == ()
    assert found.remarks == (
        "name: plain -> other",
        "1 of 69 tensors have other names: conv1.weight -> first.weight",
        "documentation differs",
    )
    begun = resgen.diff(PLAIN, but(stem=stem | {"as": "conv1"}))
    assert begun.remarks == ("initialisers of 1 tensor differ: conv1.weight",)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (but(stages=stages(depth=2)), ["layer2: depth 3 -> 2"]),
        (
            but(stages=stages(stride=1)),
            [
                "layer2: stride 2 -> 1",
                "block 0 of layer2: conv1 downsample conv stride 2 -> 1",
            ],
        ),
        (
            but(stages=stages(act="silu")),
            ["every block of layer2: act act_1 type relu -> silu"],
        ),
        (
            but(stages=stages(width=48)),
            [
                "layer2: width 32 -> 48",
                "every block of layer2: conv1 conv2 out 32 -> 48",
                "block 0 of layer2: downsample conv out 32 -> 48",
            ],
        ),
        (
            but(stages=stages(attention="se")),
            ["every block of layer2: added se (global_pool, 2 conv, 2 act, multiply)"],
        ),
        (
            but(stages=[*PLAIN["stages"], {**PLAIN["stages"][1], "width": 64}]),
            ["layer3: added 3 x basic"],
        ),
        (
            but(stages=stages(block="bottleneck")),
            ["every block of layer2: block basic -> bottleneck"],
        ),
        (but(head={"classes": 5}), ["head: fc out 10 -> 5"]),
    ],
    ids=["depth", "stride", "act", "width", "se", "stage", "block", "head"],
)
def test_what_was_changed_is_what_is_told(
    other: dict[str, Any], said: list[str]
) -> None:
    assert told(PLAIN, other) == said


def test_runs_of_stages_are_told_once() -> None:
    assert told("resnet50", "seresnet50") == [
        "every block of layer1 to layer4: added se (global_pool, 2 conv, 2 act, "
        "multiply)"
    ]
    assert told("resnet50", "resnext50_32x4d") == [
        "every block of layer1 to layer4: conv1 conv2 out x 2",
        "every block of layer1 to layer4: conv2 groups 1 -> 32",
    ]
    assert told("vgg16", "vgg16_bn") == [
        "every block of stage1 to stage5: added features (norm)"
    ]
    assert told("resnet50", "resnet50", set={"/stages/3/dilate": True}) == [
        "layer4: stride 2 -> 1",
        "block 0 of layer4: conv2 downsample conv stride 2 -> 1",
        "blocks 1-2 of layer4: conv2 padding 1 -> 2",
        "blocks 1-2 of layer4: conv2 dilation 1 -> 2",
    ]


def test_another_number_of_axes_is_no_change_of_each_kernel() -> None:
    changes = told(but(input=[3, 64]), but(input=[3, 64, 64]))
    assert changes == ["head: flatten axes 0, 1 -> 0, 2"]


def test_what_reads_another_value_is_told() -> None:
    def body(source: str) -> list[dict[str, Any]]:
        conv = {"op": "conv", "out": 16, "kernel": 3}
        return [
            {"body": [
                conv | {"as": "a", "name": "u"},
                conv | {"as": "b", "name": "v"},
                {"op": "act", "as": "c"},
                {"add": [[], [{"from": source}]]},
            ]}
        ]  # fmt: skip

    assert told(but(stages=body("u")), but(stages=body("v"))) == [
        "layer1: add reads c, a -> c, b"
    ]


@pytest.mark.parametrize(
    ("other", "fact"),
    [
        (but(input=[3, 40, 40]), "input: 3 x 32 x 32 -> 3 x 40 x 40"),
        (but(preprocess={"std": [1, 1, 0.5]}), "preprocessing, std: "),
        (
            but(defaults={"precision": "fp16"}),
            "precision of 41 operators: fp32 -> fp16",
        ),
    ],
    ids=["input", "preprocess", "precision"],
)
def test_what_is_of_the_whole(other: dict[str, Any], fact: str) -> None:
    found = resgen.diff(PLAIN, other)
    assert not found.equal
    assert str(found.facts[0]).startswith(fact)
    assert found.same == ("input" not in fact)


def test_outputs_by_name() -> None:
    def named(name: str) -> dict[str, Any]:
        return but(head={"outputs": {name: "global_pool"}})

    facts = resgen.diff(named("p"), named("q")).facts
    assert list(map(str, facts)) == ["outputs: p -> q"]
    found = resgen.diff("resnet50", "fcn_resnet50").facts
    assert str(found[-1]) == "output output: 1000 -> 21 x 520 x 520"
    aux = {"train_only": True, "from": "stages[0]", "op": "global_pool"}
    aided = but(head={"outputs": {"p": "global_pool", "aux": aux}})
    found = resgen.diff(named("p"), aided).facts
    assert list(map(str, found)) == ["outputs in training: p -> aux, p"]


def test_what_only_training_has_differs_too() -> None:
    def aided(kernel: int) -> dict[str, Any]:
        aux = {"from": "stages[0]", "op": "conv", "out": 4, "kernel": kernel}
        outputs = {"p": "global_pool", "aux": {"train_only": True, **aux}}
        return but(head={"outputs": outputs})

    found = resgen.diff(aided(3), aided(5))
    assert (found.same, found.equal) == (True, False)
    told = [change.text for change in found.changes]
    assert told == ["kernel 3 -> 5", "padding 1 -> 2"]
    assert "are the same network, but" in next(found.lines())
    assert resgen.diff(aided(3), aided(3)).equal


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["diff", *words], catch_exceptions=False)


def test_costs_stand_side_by_side() -> None:
    shown = run("resnet18", "resnet34")
    assert shown.exit_code == 1
    # As torchvision publishes them.
    assert "11.69 M -> 21.80 M" in shown.stdout.splitlines()[-1]
    assert not any(line.startswith("head") for line in shown.stdout.splitlines())


def test_the_exit_code_says_it() -> None:
    assert run("resnet18", "resnet18", "--quiet").exit_code == 0
    other = run("resnet18", "resnet18", "-q", "--set", "/stages/0/depth=3")
    assert (other.exit_code, other.stdout) == (1, "")
    assert run("resnet18").exit_code == 2


def test_json_is_the_same_record() -> None:
    found = resgen.diff("resnet18", "resnet34")
    shown = run("resnet18", "resnet34", "--json")
    assert json.loads(shown.stdout) == json.loads(json.dumps(found.to_dict()))
    assert not found.to_dict()["equal"]
    assert found.to_dict()["a"]["params"] == 11_689_512  # torchvision's


@pytest.mark.slow
def test_a_folder_is_its_spec(tmp_path: Path) -> None:
    resgen.build(PLAIN, tmp_path / "made", verify=False)
    found = resgen.diff(tmp_path / "made", PLAIN)
    assert (found.equal, found.remarks) == (True, ())
