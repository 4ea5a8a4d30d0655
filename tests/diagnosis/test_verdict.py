"""The verdict: what it finds, what mends it, and what must not change it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from diagnosis.benchmark.judging import CLASSES, RATE, Start, start
from diagnosis.benchmark.networks import FAN_IN, NONE, PREACT_PLAIN, network, normal

from resgen.diagnosis.verdict.findings import RULES, VERDICT, findings
from resgen.records.diagnosis import Finding, Measures, Moment, Part

Spec = dict[str, Any]

NORM = {"norm": "batch"}
SHORTCUT = {"shortcut": "projection"}
SKIP_INIT = {"shortcut": {"project": "projection", "scale": ["skip_init"]}}

#: Sums that are normalised afterwards never accumulate in the shortcut.
NORM_AFTER_SUM = {
    "resgen": 1,
    "block": "norm_after",
    "params": {
        "width": {"type": "channels"},
        "stride": {"type": "integer", "default": 1},
        "zero_init": {"type": "boolean", "default": False},
        "shortcut": {"type": "shortcut", "default": "projection"},
    },
    "body": {
        "residual": [
            {
                "op": "conv",
                "as": "conv1",
                "out": "width",
                "kernel": 3,
                "stride": "stride",
            },
            {"op": "norm", "as": "bn1"},
            "act",
            {"op": "conv", "as": "conv2", "out": "width", "kernel": 3},
            {
                "op": "norm",
                "as": "bn2",
                "init": {"weight": "0 if zero_init else 1"},
            },
        ],
        "shortcut": "$shortcut",
        "with": {"width": "width", "stride": "stride"},
        "post": [{"op": "norm", "as": "bn3"}, "act"],
    },
}


def norm_after(scale: int) -> Spec:
    spec = network("postnorm", 110, block="norm_after", scale=scale)
    return {**spec, "blocks": {"norm_after": NORM_AFTER_SUM}}


FAULTY: dict[str, tuple[Spec, list[str], Spec]] = {
    "gradient vanishes": (
        network("a", 32, **NONE, norm="none"),
        ["RG401"],
        {**NORM, **SHORTCUT},
    ),
    "scale fades": (
        network("a", 20, **NONE, norm="none", init=FAN_IN),
        ["RG406"],
        {**NORM, **SHORTCUT},
    ),
    "gradient vanishes before activations": (
        network("a", 20, **PREACT_PLAIN, norm="none"),
        ["RG401"],
        {**NORM, "shortcut": "preact"},
    ),
    "gradient explodes": (network("a", 56, **NONE), ["RG402"], SHORTCUT),
    "gradients shatter": (
        network("a", 56, **NONE, norm="group"),
        ["RG403"],
        {**NORM, **SHORTCUT},
    ),
    "scale grows": (network("a", 44, norm="none"), ["RG406"], NORM),
    "scale is small from the stem on": (
        network("a", 20, norm="none", scale=["skip_init"]),
        ["RG406"],
        NORM,
    ),
    "inputs look alike": (network("a", 56, norm="layer"), ["RG407"], NORM),
    "branches dominate": (norm_after(10), ["RG404"], {"zero_init": True}),
    "branches dominate, and a scale is to be learned": (
        norm_after(10),
        ["RG404"],
        SKIP_INIT,
    ),
    "not finite": (
        network("a", 110, norm="none", init=normal(1)),
        ["RG408"],
        NORM,
    ),
}


def biased(bias: int) -> Spec:
    """The bias of norms, by which every ReLU may be shut."""
    return network("a", 20, **NONE, norm={"type": "batch", "init": {"bias": bias}})


def mended(spec: Spec, mend: Spec) -> Spec:
    made = deepcopy(spec)
    made["defaults"].update(mend)
    return made


@cache
def seen(name: str) -> Start:
    return start(FAULTY[name][0], seeds=[0])


@pytest.mark.drawn(4)
@pytest.mark.parametrize("name", FAULTY)
@pytest.mark.slow
def test_a_fault_is_found_and_its_hint_mends_it(name: str) -> None:
    spec, codes, mend = FAULTY[name]
    (finding,) = seen(name).findings()
    assert [finding.code] == codes
    for key, value in mend.items():
        assert f'"{key}": {json.dumps(value)}' in finding.hint
    assert start(mended(spec, mend), seeds=[0]).codes == []


def test_units_that_never_fire_are_found() -> None:
    (finding,) = start(biased(-9), seeds=[0]).findings()
    assert finding.code == "RG405"
    assert finding.first == finding.last == "layer1.0"
    assert '"init": {"bias": 0}' in finding.hint
    assert start(biased(0), seeds=[0]).codes == []


@pytest.mark.slow
def test_a_rate_that_is_too_large_is_found_and_one_that_will_do_is_named() -> None:
    before = start(network("a", 56, norm="group"), seeds=[0])
    assert before.findings() == ()
    (finding,) = before.findings(rate=5.0)
    assert finding.code == "RG402"
    rate = float(finding.hint.split("learning rate of ")[1].split(",")[0])
    assert RATE / 10 < rate < 5
    assert before.findings(rate=rate) == ()


@pytest.mark.parametrize("name", ["gradient vanishes", "gradient explodes"])
def test_a_finding_says_where_and_by_how_much(name: str) -> None:
    (finding,) = seen(name).findings()
    parts = {part.path: part for part in seen(name).parts}
    assert finding.first.startswith("layer3.")
    assert finding.last.startswith("layer1.")
    assert finding.place == parts[finding.last].place
    assert finding.pointer == "/stages/0"
    assert finding.value is not None
    assert finding.value > finding.threshold
    for said in (finding.first, finding.last, "-fold"):
        assert said in finding.message


@pytest.mark.drawn(1)
@pytest.mark.slow
@pytest.mark.parametrize(
    "start_at_zero",
    [
        {"zero_init": True},
        {"scale": ["skip_init"]},
        {"scale": ["rezero"]},
        {"scale": ["layer_scale"]},
    ],
    ids=str,
)
def test_branches_that_start_at_zero_do_not_vanish(start_at_zero: Spec) -> None:
    before = start(network("a", 56, **start_at_zero), seeds=[0])
    inside = [m.relative_gradient for m in before.moments[0].parts[2:9]]
    assert max(g for g in inside if g is not None) < 1e-4
    assert before.codes == []


CLEAR = {
    "res56": (network("a", 56), []),
    "plain56": (network("a", 56, **NONE), ["RG402"]),
    "plain32, no norm": (network("a", 32, **NONE, norm="none"), ["RG401"]),
    "res44, no norm": (network("a", 44, norm="none"), ["RG406"]),
}


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", CLEAR)
@pytest.mark.slow
def test_batch_seed_classes_and_width_do_not_decide(name: str) -> None:
    spec, codes = CLEAR[name]
    assert start(spec, seeds=[0], batch=128).codes == codes
    assert start(spec, seeds=[7]).codes == codes
    told = {**spec, "head": {"classes": 40}}
    assert start(told, seeds=[1]).codes == codes
    wide = deepcopy(spec)
    wide["stem"]["with"]["width"] *= 2
    for stage in wide["stages"]:
        stage["width"] *= 2
    assert start(wide, seeds=[2]).codes == codes


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "codes"), [("plain56_cifar", ["RG402"]), ("resnet56_cifar", [])]
)
@pytest.mark.slow
def test_plain_and_residual_networks_of_the_paper(name: str, codes: list[str]) -> None:
    """He et al. 2015, section 4.2: what the whole diagnosis is about."""
    assert start(name, seeds=[0]).codes == codes


def test_the_size_of_the_loss_does_not_decide() -> None:
    """Gradients and loss ten times as large: a rate a tenth is the same training."""
    before = seen("scale grows")

    def larger(m: Measures) -> Measures:
        return replace(
            m,
            gradient=10 * (m.gradient or 0),
            parameter_gradient=10 * (m.parameter_gradient or 0),
        )

    scaled = [
        Moment(0, 10 * (m.loss or 0), tuple(map(larger, m.parts)))
        for m in before.moments
    ]
    found = findings(
        before.parts,
        scaled,
        graph=before.graph,
        classes=CLASSES,
        learning_rate=RATE / 10,
    )
    assert [f.code for f in found] == ["RG406"]


@pytest.mark.slow
def test_most_seeds_must_agree() -> None:
    bad, good = seen("gradient explodes"), start(CLEAR["res56"][0], seeds=[0])
    (faulty,), (sound,) = bad.moments, good.moments

    def codes(*moments: Moment) -> list[str]:
        found = findings(
            bad.parts, moments, graph=bad.graph, classes=CLASSES, learning_rate=RATE
        )
        return [f.code for f in found]

    assert codes(faulty, sound, faulty) == ["RG402"]
    assert codes(faulty, sound, sound) == []
    assert codes(faulty, sound) == []


def test_what_was_not_measured_is_no_finding() -> None:
    graph = seen("gradient explodes").graph
    parts = tuple(Part(f"features.{i}", "part", "part") for i in range(3))

    def found(count: int, *, measured: Measures) -> tuple[Finding, ...]:
        moment = Moment(0, 2.3, (measured,) * count)
        return findings(
            parts[:count], [moment], graph=graph, classes=CLASSES, learning_rate=RATE
        )

    for count in (1, 2, 3):
        assert found(count, measured=Measures()) == ()
        assert found(count, measured=Measures(mean=0.0, variance=1.0)) == ()


def test_every_code_is_explained() -> None:
    for rule in RULES:
        assert VERDICT[rule.code] is rule.explanation
        assert len(rule.explanation.text) > 100
