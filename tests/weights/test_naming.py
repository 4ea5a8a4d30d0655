"""The names of torchvision and of timm, each taken for the other's."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from published import GOLDEN
from torch import nn

import resgen
from resgen.errors import ResgenError, UsageError
from resgen.weights.checkpoint import fit, renamed
from resgen.weights.initialize import initialize
from resgen.weights.loading import Loading

#: Networks of the zoo, and both libraries' modules of each: torchvision's by its maker
#: and options, timm's by its name. Those that take seconds are for a soak.
VIT = {"image_size": 224, "patch_size": 16, "num_layers": 12, "num_heads": 3,
       "hidden_dim": 192, "mlp_dim": 768}  # fmt: skip
PAIRS: dict[str, tuple[str, dict[str, Any], str]] = {
    "resnet18": ("resnet18", {}, "resnet18"),
    "densenet121": ("densenet121", {}, "densenet121"),
    "vgg11_bn": ("vgg11_bn", {}, "vgg11_bn"),
    "regnety_008_tv": ("regnet_y_800mf", {}, "regnety_008_tv"),
    "convnext_tiny": ("convnext_tiny", {}, "convnext_tiny"),
    "efficientnet_b1": ("efficientnet_b1", {}, "efficientnet_b1"),
    "efficientnetv2_s": ("efficientnet_v2_s", {}, "efficientnetv2_s"),
    "mobilenetv2_100": ("mobilenet_v2", {}, "mobilenetv2_100"),
    "mobilenetv3_small_100": ("mobilenet_v3_small", {}, "mobilenetv3_small_100"),
    "mobilenetv3_large_100": ("mobilenet_v3_large", {}, "mobilenetv3_large_100"),
    "mnasnet1_0": ("mnasnet1_0", {}, "mnasnet_100"),
    "mnasnet_100": ("mnasnet1_0", {}, "mnasnet_100"),
    "deit_tiny_patch16_224": ("VisionTransformer", VIT, "deit_tiny_patch16_224"),
}
LONG = ("vgg11_bn", "efficientnetv2_s")

SMALL: dict[str, Any] = {"resgen": 1, "name": "small", "input": [3, 64, 64]}


def modules(name: str, peers: ModuleType) -> dict[str, nn.Module]:
    """Both libraries' modules of a network, with unlike weights and statistics."""
    maker, options, known = PAIRS[name]
    models = peers.torchvision.models
    make = getattr(models, maker, None) or models.get_model_builder(maker)
    torch.manual_seed(0)
    found = {
        "torchvision": make(**options),
        "timm": peers.timm.create_model(known),
    }
    for module in found.values():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = 1e-5  # torchvision's later ones have 1e-3
        for key, value in module.state_dict().items():
            if key.endswith("running_var") or ".gamma" in key or "layer_scale" in key:
                nn.init.uniform_(value, 0.5, 1.5)
            elif value.is_floating_point() and value.ndim <= 1:
                value += 0.1 * torch.randn_like(value)
        module.eval()
    return found


@pytest.mark.drawn(2)
@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.soak) if n in LONG else n for n in PAIRS],
)
@torch.no_grad()
def test_either_library_takes_what_the_other_has(name: str, peers: ModuleType) -> None:
    graph = resgen.expand(resgen.load(name))
    both = modules(name, peers)
    size = GOLDEN[name].get("size", [64, 64])
    for library, other in (("torchvision", "timm"), ("timm", "torchvision")):
        module, peer = both[library], both[other]
        state = module.state_dict()
        theirs = renamed(state, graph, other)
        into = peer.state_dict()  # whose version of its kind torchvision asks for
        assert into.keys() == theirs.keys()
        into.update(theirs)
        peer.load_state_dict(into, strict=True)
        x = torch.randn(1, 3, *size)
        torch.testing.assert_close(peer(x), module(x), rtol=1e-5, atol=1e-5)
        # From there and back, and what a build takes: the same numbers.
        back = renamed(theirs, graph, library)
        assert all(torch.equal(back[key], value) for key, value in state.items())
        own = resgen.to_torch(graph, renamed(state, graph)).eval()
        torch.testing.assert_close(own(x), module(x), rtol=1e-5, atol=1e-5)
        for given in (state, theirs):
            arrays = fit(given, graph).arrays
            assert all(
                np.array_equal(arrays[key], value)
                for key, value in own.state_dict().items()
            )


@pytest.mark.peers
@torch.no_grad()
def test_torchvisions_windows_have_timms_weights(peers: ModuleType) -> None:
    stages = [{"depth": 2, "heads": 3}, {"depth": 2, "heads": 6, "entry": "merge"}]
    small = {**SMALL, "extends": "swin_tiny_patch4_window7_224", "input": [3, 56, 56],
             "let": {"width": 24}, "stages": stages,
             "preprocess": {"resize": 64, "crop": 56}}  # fmt: skip
    graph = resgen.expand(resgen.load(small))
    torch.manual_seed(0)
    module = peers.torchvision.models.SwinTransformer(
        [4, 4], 24, [2, 2], [3, 6], [7, 7], stochastic_depth_prob=0
    ).eval()
    for name, parameter in module.named_parameters():
        if "table" in name:
            nn.init.normal_(parameter)
    state = module.state_dict()  # with indices into tables, which timm does not keep
    own = resgen.to_torch(graph, fit(state, graph).arrays).eval()
    x = torch.randn(2, 3, 56, 56)
    torch.testing.assert_close(own(x), module(x), rtol=1e-5, atol=1e-5)
    back = renamed(own.state_dict(), graph, "torchvision")
    assert back.keys() == {key for key in state if "index" not in key}


@pytest.mark.peers
def test_a_linear_map_is_a_convolution_over_there(peers: ModuleType) -> None:
    with torch.device("meta"):
        timm = peers.timm.create_model("vgg11").state_dict()
        torchvision = peers.torchvision.models.get_model("vgg11").state_dict()
    graph = resgen.expand(resgen.load("vgg11"))
    for given, library, wanted in (
        (torchvision, "timm", timm),
        (timm, "torchvision", torchvision),
        (timm, None, torchvision),
    ):
        found = renamed(given, graph, library)
        assert {n: v.shape for n, v in found.items()} == {
            n: v.shape for n, v in wanted.items()
        }


#: How older files name what a library has now, and who reads those names.
OLDER: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "torchvision before 0.2.1": (
        "densenet121",
        [(r"(denselayer\d+\.)(norm|conv)([12])\.", r"\1\2.\3.")],
    ),
    "torchvision before 0.13": (
        "deit_tiny_patch16_224",
        [(r"mlp\.0\.", "mlp.linear_1."), (r"mlp\.3\.", "mlp.linear_2.")],
    ),
    "its authors' code": (
        "convnext_tiny",
        [
            (r"^stem\.", "downsample_layers.0."),
            (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"\.blocks\.", "."),
            ("conv_dw", "dwconv"),
            (r"mlp\.fc", "pwconv"),
            (r"^head\.(norm\.)?(fc\.)?", lambda m: m[1] or "head."),
        ],
    ),
}


@pytest.mark.drawn(1)
@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("library", OLDER)
def test_names_of_older_files(library: str, peers: ModuleType) -> None:
    """Which the libraries themselves give their modules of today."""
    name, changes = OLDER[library]
    graph = resgen.expand(resgen.load(name))
    which = "timm" if library == "its authors' code" else "torchvision"
    module = modules(name, peers)[which]
    counters = "num_batches_tracked"  # which files of that age have not
    state = {k: v for k, v in module.state_dict().items() if counters not in k}
    old = dict(state)
    for pattern, new in changes:
        old = {re.sub(pattern, new, key): value for key, value in old.items()}
    assert old.keys() != state.keys()
    if name == "densenet121":
        read = peers.timm.models.densenet._filter_torchvision_pretrained(dict(old))
    elif name == "convnext_tiny":
        read = peers.timm.models.convnext.checkpoint_filter_fn(old, module)
    else:
        read = dict(old)
        module.load_state_dict(read, strict=True)
        read = module.state_dict()
    assert all(torch.equal(read[key], value) for key, value in state.items())
    found = fit(old, graph)
    assert found.notes[0].endswith(f" in {library}")
    now = fit(state, graph).arrays
    assert all(np.array_equal(found.arrays[key], value) for key, value in now.items())


# --- without the libraries -----------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> tuple[resgen.Graph, dict[str, Any]]:
    graph = resgen.expand(resgen.load("mobilenetv2_050"))
    return graph, initialize(graph.parameters, 0)


def test_other_names_are_taken_wherever_they_lie_and_told(small):
    graph, weights = small
    theirs = renamed(weights, graph, "torchvision")
    assert "features.18.0.weight" in theirs
    assert not theirs.keys() & weights.keys()
    saved = {"model": {f"module.{name}": v for name, v in theirs.items()}, "epoch": 1}
    for given in (theirs, saved):
        found = fit(given, graph)
        assert found.notes == ("named as MobileNetV2 in torchvision",)
        assert list(found.arrays) == list(weights)
        assert all(np.array_equal(found.arrays[n], v) for n, v in weights.items())
    assert fit(weights, graph).notes == ()


def test_as_many_numbers_in_another_order_are_refused(small):
    graph, weights = small
    theirs = renamed(weights, graph, "torchvision")
    for name, ours in (
        ("features.0.0.weight", "conv_stem.weight is 3 x 3 x 3 x 16"),  # Keras' order
        ("classifier.1.weight", "classifier.weight is 1280 x 1000"),
    ):
        for refuse in (fit, renamed):
            with pytest.raises(ResgenError, match=f"{ours}, the network has"):
                refuse({**theirs, name: theirs[name].T}, graph)


def test_a_parameter_by_two_names_is_refused(small):
    graph, weights = small
    theirs = renamed(weights, graph, "torchvision")
    own = {"conv_stem.weight": weights["conv_stem.weight"]}
    for given in ({**theirs, **own}, {**own, **theirs}):
        with pytest.raises(ResgenError, match=r'"conv_stem\.weight" by two libraries'):
            fit(given, graph)


def test_other_names_are_adapted_as_the_network_s_own(small):
    graph, weights = small
    theirs = renamed(weights, graph, "torchvision")
    theirs["classifier.1.weight"] = np.ones((5, 1280), np.float32)
    with pytest.raises(ResgenError) as error:
        fit(theirs, graph)
    assert "named as MobileNetV2 in torchvision, do not fit" in error.value.message
    assert "classifier.weight is 5 x 1280, the network has 1000" in error.value.message
    assert "adapt=True loads all but classifier.weight" in str(error.value.hint)
    found = fit(theirs, graph, Loading(adapt=True))
    assert found.notes[1:] == (
        "classifier.weight: fresh, 1000 x 1280; 5 x 1280 in the weights",
    )


def test_where_batch_norms_divide_by_more_over_there_it_is_told(caplog):
    told = "batch norms have eps 0.001 in torchvision, here 1e-05"
    for changes, more in (([], [told]), (['/defaults/norm={"eps": 0.001}'], [])):
        graph = resgen.expand(resgen.load("mobilenetv3_small_050", changes))
        weights = initialize(graph.parameters, 0)
        caplog.clear()
        theirs = renamed(weights, graph, "torchvision")
        assert caplog.messages == more
        assert fit(theirs, graph).notes == (
            "named as MobileNetV3 in torchvision",
            *more,
        )


def test_a_build_says_whose_names_it_took(tmp_path, small):
    graph, weights = small
    theirs = renamed(weights, graph, "torchvision")
    lines: list[str] = []
    for folder, state in (("a", weights), ("b", theirs)):
        resgen.build(
            "mobilenetv2_050", tmp_path / folder, state_dict=state,
            verify=False, progress=lines.append,
        )  # fmt: skip
    assert sum("named as MobileNetV2 in torchvision" in line for line in lines) == 1
    a, b = ((tmp_path / f / "weights.safetensors").read_bytes() for f in "ab")
    assert a == b


def test_a_part_of_the_weights_is_renamed_and_values_stay_what_they_are(small):
    graph, _ = small
    part = {"_orig_mod.classifier.weight": torch.zeros(1000, 1280).half()}
    found = renamed(part, graph, "torchvision")
    assert list(found) == ["classifier.1.weight"]
    assert found["classifier.1.weight"] is part["_orig_mod.classifier.weight"]


def test_names_that_are_alike_stay_and_unknown_ones_are_refused():
    graph = resgen.expand(resgen.load("resnet20_cifar"))
    weights = initialize(graph.parameters, 0)
    for library in ("timm", "torchvision", None):
        assert list(renamed(weights, graph, library)) == list(weights)
    with pytest.raises(ResgenError, match=r"head\.weight"):
        renamed({**weights, "head.weight": np.ones(3)}, graph, "timm")
    with pytest.raises(UsageError, match=r"library: .keras. is not one of timm, torch"):
        renamed(weights, graph, "keras")
    other = resgen.expand(resgen.load("squeezenet1_1"))
    with pytest.raises(ResgenError, match="not known to have a network like squeeze"):
        renamed(initialize(other.parameters, 0), other, "timm")


def test_what_only_training_has_keeps_its_names():
    graph = resgen.expand(resgen.load("inception_v3"))
    assert graph.train_only
    every = (*graph.parameters, *graph.train_only)
    weights = {p.name: np.broadcast_to(np.zeros((), p.dtype), p.shape) for p in every}
    assert list(renamed(weights, graph, "timm")) == list(weights)


def test_names_of_another_family_are_one_sentence(small):
    graph, _ = small
    regnet = resgen.expand(resgen.load("regnety_002"))
    theirs = renamed(initialize(regnet.parameters, 0), regnet, "torchvision")
    with pytest.raises(ResgenError, match="none of the") as error:
        fit(theirs, graph)
    assert "\n" not in error.value.message


def test_a_trunk_takes_the_other_librarys_names_below_a_head_of_ones_own() -> None:
    trunk = resgen.expand(resgen.load({"extends": "regnety_004", **SMALL}))
    state = initialize(trunk.parameters, 1)
    theirs = renamed(state, trunk, "torchvision")
    retina = {"from": "stages[1:]", "use": "retina", "with": {"width": 8}}
    detector = resgen.load({"extends": "regnety_004", **SMALL, "head": retina})
    graph = resgen.expand(detector)
    loaded = fit(theirs, graph, Loading(adapt=True))
    assert loaded.notes[0] == "named as RegNet in torchvision"
    assert "fc.weight: left out" in loaded.notes
    name = "s4.b1.conv1.conv.weight"
    np.testing.assert_array_equal(loaded.arrays[name], state[name])
    with pytest.raises(ResgenError, match="named as RegNet in torchvision") as refused:
        fit(theirs, graph, spec=detector)
    assert str(refused.value.hint).startswith("adapt=True loads all but backbone.fpn")
    # Of a trunk that lacks a part no library is known to have the names.
    with pytest.raises(ResgenError, match="torchvision is not known"):
        renamed(loaded.arrays, graph, "torchvision")
