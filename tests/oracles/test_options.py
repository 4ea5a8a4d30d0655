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
from resgen.lower.modules import DropPath

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
    size: tuple[int, int] = SIZE,
    depths: tuple[int, ...] = DEPTHS,
    **defaults: Any,
) -> dict[str, Any]:
    top = 256 if "bottleneck" in block else 64
    stages: list[dict[str, Any]] = [
        {"width": top * 2**stage, "depth": depth} for stage, depth in enumerate(depths)
    ]
    for stage, dilated in zip(stages, dilate, strict=True):
        if dilated:
            stage["dilate"] = True
    return {
        "resgen": 1,
        "name": "options",
        "input": [channels, *size],
        "stem": stem,
        "defaults": {"block": block, **defaults},
        "stages": stages,
        "head": {"classes": CLASSES},
    }


@pytest.fixture(scope="module")
def resnet(peers: ModuleType) -> Callable[..., nn.Module]:
    """timm's ResNet of these depths."""
    from timm.layers import BlurPool2d
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    def make(block: str = "bottleneck", **options: Any) -> nn.Module:
        torch.manual_seed(0)
        unit = Bottleneck if block == "bottleneck" else BasicBlock
        if options.get("aa_layer") == "blur":
            options["aa_layer"] = BlurPool2d
        return ResNet(unit, DEPTHS, num_classes=CLASSES, **options)

    return make


LAST_TWO = (False, False, True, True)
LAST = (False, False, False, True)
DEEP = {"stem_type": "deep", "stem_width": 32, "avg_down": True}

#: What a spec says, and how timm's constructor says the same.
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "output stride 16": ({"dilate": LAST}, {"output_stride": 16}),
    "output stride 8": ({"dilate": LAST_TWO}, {"output_stride": 8}),
    "output stride 8, avg-projection": (
        {"stem": "deep", "shortcut": "avg-projection", "dilate": LAST_TWO},
        {**DEEP, "output_stride": 8},
    ),
    "output stride 8, blurred": (
        {
            "stem": {"use": "imagenet", "with": {"antialias": "blur"}},
            "antialias": "blur",
            "dilate": LAST_TWO,
        },
        {"aa_layer": "blur", "output_stride": 8},
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
        {"block": "basic", "attention": "se"},
        {"block": "basic", "block_args": {"attn_layer": "se"}},
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
    "average instead of blur": (
        {
            "stem": {"use": "imagenet", "with": {"pool": "avg"}},
            "antialias": "avg_aa",
            "shortcut": "avg-projection",
            "size": (64, 64),
        },
        {"aa_layer": nn.AvgPool2d, "avg_down": True},
    ),
    "silu": ({"act": "silu"}, {"act_layer": nn.SiLU}),
    "gelu": ({"act": "gelu"}, {"act_layer": "gelu"}),
    "hardswish": ({"act": "hardswish"}, {"act_layer": nn.Hardswish}),
    "leaky relu": (
        {"act": {"type": "leaky_relu", "slope": 0.2}},
        {"act_layer": partial(nn.LeakyReLU, 0.2)},
    ),
    "group norm": (
        {"norm": "group"},
        {"norm_layer": "groupnorm"},
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


@pytest.mark.drawn(8)
@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_option(option: str, resnet: Callable[..., nn.Module]) -> None:
    said, theirs = OPTIONS[option]
    assert_twins(twin(spec(**said), resnet(**theirs)))


@pytest.mark.slow
def test_output_stride_of_torchvision(peers: ModuleType) -> None:
    torch.manual_seed(0)
    resnet = peers.torchvision.models.resnet
    peer = resnet.ResNet(
        resnet.Bottleneck,
        list(DEPTHS),
        num_classes=CLASSES,
        replace_stride_with_dilation=[False, True, True],
    )
    assert_twins(twin(spec(dilate=LAST_TWO), peer))


def test_stride_in_the_first_convolution(resnet: Callable[..., nn.Module]) -> None:
    # Neither peer has the paper's own form (v1), so the strides change places in one.
    peer = resnet()
    for stage in (peer.layer2, peer.layer3, peer.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    assert_twins(twin(spec(stride_at=1), peer))


@pytest.mark.slow
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_what_starts_at_zero(block: str, peers: ModuleType) -> None:
    models = peers.torchvision.models.resnet
    unit = models.BasicBlock if block == "basic" else models.Bottleneck
    peer = models.ResNet(unit, list(DEPTHS), zero_init_residual=True)
    zero = {n for n, p in peer.named_parameters() if not p.any() and "bias" not in n}
    assert len(zero) == sum(DEPTHS)
    ours = resgen.to_torch(resgen.expand(resgen.load(spec(block, zero_init=True))))
    weights = {n: p for n, p in ours.named_parameters() if "bias" not in n}
    assert {name for name, p in weights.items() if not p.any()} == zero


@pytest.mark.slow
def test_drop_path_grows_with_depth(resnet: Callable[..., nn.Module]) -> None:
    from timm.layers import DropPath as Theirs

    peer = resnet(drop_path_rate=0.3)
    rates = {
        name.removesuffix(".drop_path"): module.drop_prob
        for name, module in peer.named_modules()
        if isinstance(module, Theirs)
    }
    assert len(rates) == sum(DEPTHS) - 1
    ours = resgen.to_torch(resgen.expand(resgen.load(spec(drop_path_rate=0.3))))
    found = {
        name.rpartition(".")[0]: module.p
        for name, module in ours.named_modules()
        if isinstance(module, DropPath)
    }
    assert found == pytest.approx(rates)
    # In inference it is not there.
    assert_twins(twin(spec(drop_path_rate=0.3), peer))


@pytest.mark.drawn(1)
@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.slow
def test_weight_standardisation(norm: str, peers: ModuleType) -> None:
    """As Big Transfer has it (Kolesnikov et al. 2019), which pads its stem itself."""
    from timm.layers import BatchNormAct2d, GroupNormAct, StdConv2d
    from timm.models.resnetv2 import ResNetV2

    torch.manual_seed(0)
    peer = ResNetV2(
        layers=DEPTHS,
        num_classes=CLASSES,
        conv_layer=StdConv2d,
        norm_layer=GroupNormAct if norm == "group" else BatchNormAct2d,
        stem_type="fixed",
    )
    stem = {
        "as": "stem",
        "seq": [
            {"op": "conv", "as": "conv", "out": 64, "kernel": 7, "stride": 2},
            {"op": "pad", "begin": 1, "end": 1},
            {"op": "max_pool", "kernel": 3, "stride": 2},
        ],
    }
    ours = spec("preact_bottleneck", stem, norm=norm, conv={"standardize": True})
    ours["names"] = {"stage": "stages.{stage}", "block": "blocks.{index}"}
    # A classifier of timm's is no standardised convolution.
    classes = {"op": "conv", "as": "head.fc", "out": CLASSES, "kernel": 1, "bias": True}
    ours["head"] = [
        *({"op": "norm", "as": "norm"}, "act", "global_pool"),
        {**classes, "standardize": False},
        "flatten",
    ]
    assert_twins(twin(ours, peer))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("layer_scale", "gamma"),
        ("skip_init", "skipinit_gain"),
        ("rezero", "resweight"),
    ],
)
def test_learned_scale_of_the_branch(
    part: str, field: str, resnet: Callable[..., nn.Module]
) -> None:
    """timm's residual networks lack it, but take any module at the branch's end."""

    class Scale(nn.Module):
        def __init__(self, channels: int, **_: Any) -> None:
            super().__init__()
            shape = (channels,) if part == "layer_scale" else ()
            setattr(self, field, nn.Parameter(torch.ones(shape)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * getattr(self, field).view(-1, 1, 1)

    peer = resnet(block_args={"attn_layer": Scale})
    assert_twins(twin(spec(attention=part), peer))


#: Whole networks whose options stand together.
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet26t": {
        "stem": {"use": "deep", "with": {"widths": [24, 32, 64]}},
        "shortcut": "avg-projection",
        "depths": (2, 2, 2, 2),
    },
    "seresnext26d_32x4d": {
        "stem": "deep",
        "shortcut": "avg-projection",
        "ratio": "1/2",
        "groups": 32,
        "attention": "se",
        "depths": (2, 2, 2, 2),
    },
    "resnetblur18": {
        "block": "basic",
        "stem": {"use": "imagenet", "with": {"antialias": "blur"}},
        "antialias": "blur",
        "depths": (2, 2, 2, 2),
    },
}


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_networks_of_timm(name: str, peers: ModuleType) -> None:
    torch.manual_seed(0)
    peer = peers.timm.create_model(name, num_classes=CLASSES)
    assert_twins(twin(spec(**NETWORKS[name]), peer))
