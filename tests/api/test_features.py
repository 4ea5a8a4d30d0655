"""The trunk of a network, and timm's."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

import resgen
from resgen.errors import SpecError, UsageError

#: Four stages, without what timm counts of the stem.
LAST = (-4, -3, -2, -1)


def test_maps_have_customary_names() -> None:
    found = resgen.features("resnet50")
    assert dict(found.channels) == {"C2": 256, "C3": 512, "C4": 1024, "C5": 2048}
    assert dict(found.strides) == {"C2": 4, "C3": 8, "C4": 16, "C5": 32}
    assert [name for name, _ in found.graph.outputs] == ["C2", "C3", "C4", "C5"]
    assert not any(p.name.startswith("fc.") for p in found.graph.parameters)


def test_stages_of_one_stride_have_names_of_their_own() -> None:
    dilated = resgen.load("resnet50", ["/stages/3/dilate=true"])
    assert set(resgen.features(dilated).channels) == {"C2", "C3", "C4"}
    both = resgen.features(dilated, [2, 3])
    assert dict(both.strides) == {"stage3": 16, "stage4": 16}


def test_what_comes_after_the_last_stage_is_left_out() -> None:
    found = resgen.features("resnet50", [1, 0])
    assert dict(found.channels) == {"C3": 512, "C2": 256}
    assert not any(p.name.startswith("layer3.") for p in found.graph.parameters)


def test_a_stage_of_several_maps_gives_each() -> None:
    """As HRNet's last stage does, whose maps are of all strides that there are."""
    found = resgen.features("hrnet_w18_small")
    assert dict(found.channels) == {"C2": 16, "C3": 32, "C4": 64, "C5": 128}
    assert dict(found.strides) == {"C2": 4, "C3": 8, "C4": 16, "C5": 32}
    some = resgen.features("hrnet_w18_small", [1, 0])
    assert list(some.channels) == ["stage2_0", "stage2_1", "stage1"]


def test_a_stage_that_is_not_there() -> None:
    with pytest.raises(SpecError, match="no item 4"):
        resgen.features("resnet50", [4])
    with pytest.raises(UsageError, match="stages"):
        resgen.features("resnet50", ["C5"])


@pytest.mark.drawn(1)
@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "convnext_tiny", "seresnet50"])
def test_they_are_timms(name: str, peers: ModuleType) -> None:
    ours = resgen.features(name)
    peer = peers.timm.create_model(
        name, features_only=True, out_indices=(-4, -3, -2, -1)
    )
    assert list(ours.channels.values()) == peer.feature_info.channels()
    assert list(ours.strides.values()) == peer.feature_info.reduction()


@pytest.mark.peers
@pytest.mark.slow
def test_they_yield_what_timms_do(peers: ModuleType) -> None:
    ours = resgen.features("resnet50", [1, 2, 3])
    torch.manual_seed(0)
    peer = peers.timm.create_model(
        "resnet50", features_only=True, out_indices=(2, 3, 4)
    )
    module = resgen.to_torch(ours.graph).eval()
    module.load_state_dict(peer.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found, wanted = module(x), peer.eval()(x)
    for name, value in zip(ours.channels, wanted, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)
