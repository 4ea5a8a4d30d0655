"""A network's design recovered from its graph is what people wrote for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from as_read import by_hand, read, size
from published import GOLDEN, sampled

import resgen
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.design.recover import design
from resgen.importing.flat import Flat


def parameters(graph: Graph) -> set[tuple[str, tuple[int, ...]]]:
    return {(each.name, each.shape) for each in graph.parameters}


def stages(spec: dict[str, Any]) -> list[tuple[int, int]]:
    """Depth and width of each stage."""
    return [(stage["depth"], stage["width"]) for stage in spec["stages"]]


def check(flat: Flat, spec: dict[str, Any]) -> None:
    """The spec is of the same operators, wired alike, under the same names."""
    made = resgen.expand(resgen.load(spec))
    assert identity(made) == identity(flat.graph)
    assert parameters(made) == parameters(flat.graph)


@pytest.mark.parametrize("name", sampled(GOLDEN, 3))
def test_a_recovered_design_is_of_the_same_network(name: str) -> None:
    flat = read(name)
    check(flat, design(flat))


def test_a_residual_network_comes_out_as_a_person_wrote_it() -> None:
    flat = read("resnet50")
    made = design(flat)
    check(flat, made)
    assert made == {
        "resgen": 1,
        "name": "resnet50",
        "input": [3, 224, 224],
        "stem": "imagenet",
        "defaults": {"block": "bottleneck"},
        "stages": [
            {"width": 256, "depth": 3},
            {"width": 512, "depth": 4},
            {"width": 1024, "depth": 6},
            {"width": 2048, "depth": 3},
        ],
        "head": {"classes": 1000},
    }


def test_blocks_of_ones_own_have_what_differs_as_parameters() -> None:
    made = design(read("densenet121"))
    assert [stage["depth"] for stage in made["stages"]] == [6, 12, 24, 16]
    assert size(made) < 1.1 * size(by_hand("densenet121"))
    bodies = [block["body"] for block in made["blocks"].values()]
    assert any("concat" in body for body in bodies)


@pytest.mark.slow
def test_mobile_networks_have_their_published_stages() -> None:
    made = design(read("efficientnet_b0"))
    assert stages(made)[-6:] == [
        (2, 24), (2, 40), (3, 80), (3, 112), (4, 192), (1, 320)
    ]  # fmt: skip
    assert size(made) < size(by_hand("efficientnet_b0"))


def test_nothing_is_read_twice_under_opposite_conditions() -> None:
    text = json.dumps(design(read("regnety_002")))
    assert "not " not in text
