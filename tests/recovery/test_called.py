"""Blocks of a spec's own are called as a reader of their source knows them."""

from __future__ import annotations

from typing import Any

import pytest
from as_read import read

import resgen
from resgen.graph.identity import identity
from resgen.recovery.called import called


def spec(body: Any, own: str = "block") -> dict[str, Any]:
    """Two stages of a block of one's own."""
    block = {"params": {"width": {"type": "channels"}}, "body": body}
    return {
        "resgen": 1, "name": "n", "input": [3, 16, 16], "stem": [],
        "defaults": {"block": own},
        "stages": [{"width": 8, "depth": 2}, {"width": 16, "depth": 1}],
        "head": {"classes": 10}, "blocks": {own: block},
    }  # fmt: skip


CONV = {"op": "conv", "as": "conv", "out": "width", "kernel": 3}


@pytest.mark.parametrize(
    ("of", "told"),
    [
        ("timm.models.ghostnet.GhostBottleneck", "ghost_bottleneck"),
        ("my.Mixed5Block", "mixed5_block"),
        ("my.RepVGGBlock", "rep_vgg_block"),
        ("torchvision.models.resnet.Bottleneck", "bottleneck_b"),
        ("torch.nn.modules.container.Sequential", "conv_act"),
    ],
)
def test_as_the_classes_of_a_module_and_never_as_what_is_built_in(
    of: str, told: str
) -> None:
    given = spec([CONV, "act"])
    paths = ("layer1.0", "layer1.1", "layer2.0")
    made = called(given, dict.fromkeys(paths, of))
    assert list(made["blocks"]) == [told]
    assert made["defaults"] == {"block": told}
    graphs = [resgen.expand(resgen.load(each)) for each in (given, made)]
    assert identity(graphs[0]) == identity(graphs[1])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([CONV, {"op": "norm", "as": "bn"}, "act"], "conv_norm_act"),
        ([{"op": "norm", "as": "bn"}, "act", CONV], "norm_act_conv"),
        ({"concat": [[], CONV]}, "dense"),
        ([{"residual": {**CONV, "out": "here", "as": "own"}}, CONV], "residual_conv"),
    ],
)
def test_a_file_knows_no_classes_so_that_they_are_called_as_what_they_do(
    body: Any, told: str
) -> None:
    assert list(called(spec(body), {})["blocks"]) == [told]


def test_words_that_are_no_blocks_stay() -> None:
    given = spec([{**CONV, "as": "block"}, "act"])
    made = called(given, {})
    assert made["blocks"]["conv_act"]["body"][0]["as"] == "block"


def test_what_has_a_name_that_tells_keeps_it() -> None:
    given = spec([CONV, "act"], own="downsample")
    assert called(given, {}) == given


def test_a_dense_network_has_dense_blocks() -> None:
    from resgen.recovery.recover import design

    made = design(read("densenet121"))
    assert made["defaults"]["block"] == "dense"
