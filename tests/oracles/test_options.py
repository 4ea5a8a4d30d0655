"""Every option of the residual networks against the peer that has it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from twin import assert_twins, twin

import resgen

DEPTHS = (1, 2, 1, 1)
CLASSES = 10
#: Odd, so that the pooling of a shortcut and the stride of its branch must agree.
SIZE = (65, 57)

pytestmark = pytest.mark.peers


def spec(
    block: str = "bottleneck",
    stem: Any = "imagenet",
    dilate: tuple[bool, ...] = (False,) * 4,
    channels: int = 3,
    **defaults: Any,
) -> dict[str, Any]:
    top = 256 if "bottleneck" in block else 64
    stages: list[dict[str, Any]] = [
        {"width": top * 2**stage, "depth": depth} for stage, depth in enumerate(DEPTHS)
    ]
    for stage, dilated in zip(stages, dilate, strict=True):
        if dilated:
            stage["dilate"] = True
    return {
        "resgen": 1,
        "name": "options",
        "input": [channels, *SIZE],
        "stem": stem,
        "defaults": {"block": block, **defaults},
        "stages": stages,
        "head": {"classes": CLASSES},
    }


@pytest.fixture(scope="module")
def resnet(peers: ModuleType) -> Callable[..., nn.Module]:
    """timm's ResNet of these depths."""
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    def make(block: str = "bottleneck", **options: Any) -> nn.Module:
        torch.manual_seed(0)
        unit = Bottleneck if block == "bottleneck" else BasicBlock
        return ResNet(unit, DEPTHS, num_classes=CLASSES, **options)

    return make


LAST_TWO = (False, False, True, True)
LAST = (False, False, False, True)
DEEP = {"stem_type": "deep", "stem_width": 32, "avg_down": True}

#: What a spec says, and how timm's constructor says the same.
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "output stride 16": ({"dilate": LAST}, {"output_stride": 16}),
    "output stride 8": ({"dilate": LAST_TWO}, {"output_stride": 8}),
    "output stride 8, basic": (
        {"block": "basic", "dilate": LAST_TWO},
        {"block": "basic", "output_stride": 8},
    ),
    "output stride 8, avg-projection": (
        {"stem": "deep", "shortcut": "avg-projection", "dilate": LAST_TWO},
        {**DEEP, "output_stride": 8},
    ),
    "avg-projection at odd sizes": (
        {"stem": "deep", "shortcut": "avg-projection"},
        DEEP,
    ),
    "tiered stem": (
        {
            "stem": {"use": "deep", "with": {"widths": [24, 32, 64]}},
            "shortcut": "avg-projection",
        },
        {"stem_type": "deep_tiered", "stem_width": 32, "avg_down": True},
    ),
    "stem without max pooling": (
        {"stem": {"use": "imagenet", "with": {"pool": "conv"}}},
        {"replace_stem_pool": True},
    ),
    "groups and base width": (
        {"groups": 4, "ratio": "3/8"},
        {"cardinality": 4, "base_width": 24},
    ),
    "narrower first convolution": ({"reduce": 2}, {"block_reduce_first": 2}),
    "squeeze-and-excitation": (
        {"attention": "se"},
        {"block_args": {"attn_layer": "se"}},
    ),
    "squeeze-and-excitation, basic": (
        {"block": "basic", "attention": {"use": "se", "with": {"reduction": "1/4"}}},
        {
            "block": "basic",
            "block_args": {"attn_layer": "se", "attn_kwargs": {"rd_ratio": 1 / 4}},
        },
    ),
    "efficient channel attention": (
        {"attention": "eca"},
        {"block_args": {"attn_layer": "eca"}},
    ),
    "blur": (
        {
            "stem": {"use": "imagenet", "with": {"antialias": "blur"}},
            "antialias": "blur",
        },
        {"aa_layer": "blur"},
    ),
    "silu": ({"act": "silu"}, {"act_layer": nn.SiLU}),
    "gelu": ({"act": "gelu"}, {"act_layer": nn.GELU}),
    "hardswish": ({"act": "hardswish"}, {"act_layer": nn.Hardswish}),
    "leaky relu": (
        {"act": {"type": "leaky_relu", "slope": 0.2}},
        {"act_layer": partial(nn.LeakyReLU, 0.2)},
    ),
    "group norm": (
        {"norm": {"type": "group", "groups": 16}},
        {"norm_layer": partial(nn.GroupNorm, 16)},
    ),
    "layer norm": (
        {"norm": {"type": "layer", "eps": 1e-6}},
        {"norm_layer": "layernorm2d"},
    ),
    "batch norm's epsilon": (
        {"norm": {"eps": 1e-3}},
        {"norm_layer": partial(nn.BatchNorm2d, eps=1e-3)},
    ),
    "grey pictures": ({"channels": 1}, {"in_chans": 1}),
    "four channels": ({"channels": 4}, {"in_chans": 4}),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_option(option: str, resnet: Callable[..., nn.Module]) -> None:
    said, theirs = OPTIONS[option]
    assert_twins(twin(spec(**said), resnet(**theirs)))
