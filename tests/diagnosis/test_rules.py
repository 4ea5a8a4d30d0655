"""What each rule says of figures, and that it says so: the words a person reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import isnan, nan
from typing import Any

import pytest
from diagnosis.benchmark.networks import network

import resgen
from resgen.diagnosis.verdict.findings import RULES, findings
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Measures, Moment, Part

#: A stem, six blocks and a head.
PARTS = (
    Part("stem", "stem", "stem"),
    *(Part(f"layer1.{i}", "block", "basic", "/stages/0", "s:9:1") for i in range(6)),
    Part("head", "head", "head"),
)
Of = Callable[[int], float]


@cache
def graph(norm: str) -> Graph:
    return resgen.expand(resgen.load(network("a", 20, norm=norm)))


def one(i: int) -> float:
    return 1.0


def half(i: int) -> float:
    return 0.5


def change(factor: float) -> Of:
    """So many fold more with every part."""
    return lambda i: factor**i


def moment(
    loss: float | None = 2.3,
    variance: Of = one,
    alike: Of = half,
    gradient: Of = one,
    step: float = 0.1,
    **others: Any,
) -> Moment:
    return Moment(
        0,
        loss,
        tuple(
            Measures(
                mean=0.0,
                variance=None if isnan(variance(i)) else variance(i),
                alike=alike(i),
                gradient=gradient(i),
                parameter_gradient=step,
                nonfinite=int(isnan(variance(i))),
                **others,
            )
            for i in range(len(PARTS))
        ),
    )


SAID: dict[str, tuple[str, Moment, str, str]] = {
    "RG408": (
        "batch",
        moment(variance=lambda i: nan if i > 2 else 1.0),
        "layer1.2 gives or gets numbers that are infinite or NaN, before any training",
        'write "norm": "batch" in "defaults" if activations grow until there; '
        "else look at the initialisation, and at the data",
    ),
    "RG408 in the loss": (
        "batch",
        moment(loss=None),
        "head gives or gets numbers that are infinite or NaN, before any training",
        'write "norm": "batch" in "defaults" if activations grow until there; '
        "else look at the initialisation, and at the data",
    ),
    "RG405": (
        "batch",
        moment(dead=0.95),
        "dead units: 95 % of the channels of layer1.0 are zero for every "
        "input, and no gradient passes them",
        'start biases from zero ("init": {"bias": 0} of the norm or '
        'convolution before the activation); an "act" that is never flat, such '
        'as "leaky_relu", lets units come back',
    ),
    "RG406 grows": (
        "none",
        moment(variance=change(3.0), step=10.0),
        "a scale is lost: activations grow 240-fold in mean square, most of it "
        "from layer1.0 to layer1.5, about 3.0-fold a block; the loss is 2.3 "
        "where guessing has 2.3, and at learning rate 0.1 the first step is 35 "
        "times what would use it up",
        'write "norm": "batch" and "shortcut": "projection" in "defaults", or '
        "train with a learning rate of 0.003",
    ),
    "RG406 grows, with shortcuts": (
        "none",
        moment(variance=change(3.0), step=10.0, branch=1.0, shortcut=1.0),
        "a scale is lost: activations grow 240-fold in mean square, most of it "
        "from layer1.0 to layer1.5, about 3.0-fold a block; the loss is 2.3 "
        "where guessing has 2.3, and at learning rate 0.1 the first step is 35 "
        "times what would use it up",
        'write "norm": "batch" in "defaults", or train with a learning rate of 0.003',
    ),
    "RG401": (
        "none",
        moment(variance=change(0.3), gradient=change(2.0)),
        "the gradient vanishes: it shrinks 32-fold, most of it from layer1.5 "
        "back to layer1.0, about 2.0-fold a block; and forward what tells "
        "inputs apart shrinks 410-fold",
        'write "norm": "batch" and "shortcut": "projection" in "defaults": a '
        "norm keeps the scale, shortcuts keep the gradient",
    ),
    "RG406 fades": (
        "layer",
        moment(variance=change(0.3)),
        "a scale is lost: what tells inputs apart shrinks 410-fold in mean "
        "square, most of it from layer1.0 to layer1.5, about 3.3-fold a block; "
        "nothing is left for the head to learn from",
        'write "conv": {"init": {"weight": {"type": "kaiming_normal"}}} in '
        '"defaults": the initialisation that keeps the variance',
    ),
    "RG406 undershoots": (
        "none",
        moment(step=0.01),
        "a scale is lost: what tells inputs apart has a mean square of 0.50 at "
        "layer1.5, 50 % of what it gives out; at learning rate 0.1 the first "
        "step takes 0.0035 % off the loss",
        'write "norm": "batch" and "shortcut": "projection" in "defaults": a '
        "norm keeps the scale, shortcuts keep the gradient",
    ),
    "RG404": (
        "batch",
        moment(gradient=change(0.2), branch=9.0, shortcut=1.0),
        "branches dominate: shortcuts carry 1.2 % of what the median block "
        "adds up, so the gradient grows 3,100-fold from layer1.5 back to "
        "layer1.0 as in a plain stack",
        'write "zero_init": true in "defaults", so that each block starts as '
        'its shortcut; or "shortcut": {"project": "projection", "scale": '
        '["skip_init"]}, or a smaller scale',
    ),
    "RG402 explodes": (
        "batch",
        moment(gradient=change(0.2), correlation=-0.001),
        "the gradient explodes: against the activations it grows 3,100-fold, "
        "most of it from layer1.5 back to layer1.0, about 5.0-fold a block, "
        "and shatters: neighbouring inputs' gradients correlate by 0.00",
        'write "shortcut": "projection" in "defaults": the gradient then has a '
        "way around each block; or fewer blocks",
    ),
    "RG402 explodes, without a norm": (
        "none",
        moment(gradient=change(0.2), correlation=0.3, step=1.0),
        "the gradient explodes: against the activations it grows 3,100-fold, "
        "most of it from layer1.5 back to layer1.0, about 5.0-fold a block",
        'write "shortcut": "projection" and "norm": "batch" in "defaults"',
    ),
    "RG403": (
        "group",
        moment(gradient=change(0.5), correlation=0.04),
        "gradients shatter: those of neighbouring inputs correlate by 0.04, "
        "and against the activations they grow 32-fold, most of it from "
        "layer1.5 back to layer1.0, and inputs have 50 % of the last block's "
        "output in common",
        'write "shortcut": "projection" and "norm": "batch" in "defaults"',
    ),
    "RG402 overshoots": (
        "none",
        moment(step=3.0),
        "the gradient is too large for the learning rate: at 0.1, the first "
        "step is 3.1 times what would use up the whole loss",
        'train with a learning rate of 0.03, or write "norm": "batch" in "defaults"',
    ),
    "RG402 overshoots by the head": (
        "layer",
        moment(step=30.0, branch=1.0, shortcut=1.0),
        "the gradient is too large for the learning rate: at 0.1, the head's "
        "first step is 39 times what would use up the whole loss",
        'train with a learning rate of 0.003, or write "zero_init": true in '
        '"defaults", or a smaller "scale" of the shortcut, so that blocks add less',
    ),
    "RG402 overshoots by far": (
        "none",
        moment(step=300.0),
        "the gradient is too large for the learning rate: at 0.1, the first "
        "step is 31,000 times what would use up the whole loss",
        'write "norm": "batch" and "shortcut": "projection" in "defaults"',
    ),
    "RG407": (
        "group",
        moment(alike=lambda i: 1 - 0.5 * 0.6**i),
        "inputs look alike: they differ in 30 % of what layer1.0 gives out, "
        "and in 2.3 % at layer1.5; most is lost from layer1.0 to layer1.5",
        'write "norm": "batch" in "defaults": it takes away what all inputs '
        "have in common",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_a_rule_says(case: str) -> None:
    norm, seen, message, hint = SAID[case]
    (found,) = findings(PARTS, [seen], graph=graph(norm), classes=10, learning_rate=0.1)
    assert (found.code, found.message, found.hint) == (case[:5], message, hint)


def test_every_rule_has_words_here() -> None:
    assert {case[:5] for case in SAID} == {rule.code for rule in RULES}
