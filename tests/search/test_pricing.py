"""What candidates cost, as the whole of their graphs says it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from latency.test_table import network, table

import resgen
from resgen.latency.table import Table
from resgen.searching.price import Bounds, Price, Refusal
from resgen.searching.pricing import Pricer
from resgen.searching.reading import load
from resgen.spec.source import plain
from resgen.spec.zoo import names

SPACES: dict[str, dict[str, Any]] = {
    "blocks and shortcuts": {
        "base": "resnet18",
        "vary": {
            "/stages/*/depth": [1, 2, 3],
            "/stages/*/width": {"from": 32, "to": 256, "step": 32},
            "/defaults/block": ["basic", "bottleneck"],
            "/defaults/shortcut": ["projection", "avg-projection"],
            "/input": [[3, 64, 64], [3, 96, 64]],
        },
    },
    "a rule": {
        "base": "regnetx_002",
        "vary": {"/let/w_0": [24, 48], "/let/w_a": [16, 36], "/let/total": [6, 9, 12]},
    },
    "values that let names": {
        "base": "resnet18",
        "vary": {
            "/let/a": [16, 32],
            "/let/c": [2, 4],
            "/defaults/width": ["a * 2 ** stage", "c * 16"],
            "/stages/*/width": [None, "a * 4"],
            "/stages/0/depth": ["a // 16", "c // 2"],
            "/defaults/act": ["relu", {"type": "silu"}],
            "/input": [[3, 64, 64]],
        },
    },
    "a rule that asks for the number of a block": {
        "base": "resnet18",
        "vary": {
            "/let/a": [16, 32],
            "/defaults/width": ["a * (1 + index)", "a * 2 ** min(index, 1)", "a"],
            "/stages/*/depth": [3],
            "/input": [[3, 64, 64]],
        },
    },
    "single operators": {
        "base": "resnet18",
        "vary": {
            "/widths/layer1.0.conv1": [16, 48],
            "/stages/3/width": [256, 512],
            "/input": [[3, 64, 64]],
        },
    },
    "attention, a stem, dilation": {
        "base": "resnet18",
        "vary": {
            "/stages/*/attention": [None, "se"],
            "/stem": ["imagenet", "cifar"],
            "/stages/3/dilate": [False, True],
            "/stages/2/depth": [1, 4],
        },
    },
    "values that are joined": {
        "base": "densenet121",
        "vary": {"/stages/*/depth": [1, 2, 5], "/input": [[3, 64, 64]]},
    },
    "stages that a head reads": {
        "base": {"extends": "retinanet_resnet50_fpn", "input": [3, 64, 64]},
        "vary": {"/stages/*/depth": [1, 2]},
    },
    "blocks in a row, and what enters them is read later": {
        "base": {
            "resgen": 1,
            "name": "later",
            "input": [3, 32, 32],
            "stem": {"use": "cifar", "with": {"width": 16}},
            "defaults": {"block": "basic", "stride": 1, "width": 16},
            "stages": [{"depth": 1}, {"depth": 2}],
            "head": [
                {"add": [{"seq": []}, {"seq": [{"from": "stages"}, {"item": 0}]}]},
                {"use": "classifier", "with": {"classes": 10}},
            ],
        },
        "vary": {"/stages/1/depth": [1, 2, 3, 6]},
    },
    "blocks that ask for their number": {
        "base": {"extends": "convnext_tiny", "input": [3, 64, 64]},
        "vary": {"/stages/*/depth": [1, 2, 3]},
    },
}


@pytest.mark.parametrize("told", SPACES.values(), ids=SPACES)
def test_a_price_is_what_the_whole_graph_costs(told: dict[str, Any]) -> None:
    space, pricer, random = load(told), Pricer(Bounds()), Random(0)
    for _ in range(4):
        tree = space.tree(space.draw(random))
        whole = resgen.analyse(resgen.expand(resgen.load(plain(tree))))
        found = pricer.price(tree)
        assert found == Price(whole.params, whole.macs, whole.peak_activation_bytes)
        assert pricer.price(tree) == found  # now of parts alone


@pytest.mark.parametrize("base", ["resnet20_cifar", "preact_resnet110_cifar"])
def test_a_latency_is_that_of_all_kernels(base: str) -> None:
    """Also where a kernel reaches across blocks: a norm before a convolution."""
    times = Table(table([network(width, 32) for width in (16, 20, 24)]))
    space = load({"base": base, "vary": {"/stages/*/depth": [1, 2]}})
    pricer = Pricer(Bounds(), times)
    for number in range(0, space.size, 3):
        tree = space.tree(space.at(number))
        found = pricer.price(tree)
        assert isinstance(found, Price)
        whole = times.seconds(resgen.expand(resgen.load(plain(tree))))
        assert found.latency == pytest.approx(whole, rel=1e-12)


def test_what_is_over_a_bound_is_thrown_out_by_it() -> None:
    tree = load({"base": "resnet50", "vary": {"/head/classes": [1000]}}).tree((0,))
    exact = resgen.analyse(resgen.expand(resgen.load("resnet50")))
    just = Bounds(exact.params, exact.macs, exact.peak_activation_bytes)
    assert isinstance(Pricer(just).price(tree), Price)
    for bound in (
        Bounds(params=exact.params - 1),
        Bounds(macs=exact.macs - 1),
        Bounds(memory=exact.peak_activation_bytes - 1),
    ):
        found = Pricer(bound).price(tree)
        assert isinstance(found, Refusal)
        assert getattr(bound, found.reason) is not None


def test_what_is_no_network_says_why_at_its_line() -> None:
    space = load({"base": "resnet50", "vary": {"/stages/1/shortcut": ["identity"]}})
    found = Pricer(Bounds()).price(space.tree((0,)))
    assert isinstance(found, Refusal)
    expected = resgen.examine(plain(space.tree((0,)))).errors
    assert [p.code for p in found.problems] == [p.code for p in expected]


@pytest.mark.soak
@pytest.mark.parametrize("name", names())
def test_every_network_of_the_zoo_has_its_price(name: str) -> None:
    tree = load({"base": name, "vary": {"/preprocess/resize": [None]}}).tree((0,))
    pricer = Pricer(Bounds())
    whole = resgen.analyse(resgen.expand(resgen.load(name)))
    exact = Price(whole.params, whole.macs, whole.peak_activation_bytes)
    assert pricer.price(tree) == pricer.price(tree) == exact
