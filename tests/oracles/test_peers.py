"""Networks that torchvision and timm have: interchangeable, in training as well.

Training is compared in float64, so that equal means equal: outputs, running statistics
and the gradient of every parameter to 1e-9 of their range.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from published import GOLDEN
from torch import nn
from twin import EXACT, Twin, assert_same, assert_same_size, assert_twins, twin

import resgen

TORCHVISION = [
    "resnet18",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet121",
    "vgg16_bn",
]
TIMM = ["resnet50", "seresnet50", "resnetv2_50", "resnet50d", "convnext_tiny"]
NAMES = [*TORCHVISION, *TIMM]

#: The widest has 69 million parameters, and nothing that the others lack.
TRAINED = [name for name in NAMES if name != "wide_resnet50_2"]

pytestmark = pytest.mark.peers


def create(name: str, peers: ModuleType, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    if name in TORCHVISION:
        return peers.torchvision.models.get_model(name, **options)
    return peers.timm.create_model(name, **options)


def small(name: str, peers: ModuleType) -> Twin:
    """The two on a picture of 64 x 64, without dropout."""
    if name != "vgg16_bn":
        return twin(name, create(name, peers), (64, 64))
    # 120 million weights less need no gradient.
    with torch.device("meta"):
        peer = create(name, peers, dropout=0.0)
    del peer.classifier
    peer.to_empty(device="cpu")
    for module in peer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    relu, drop = nn.ReLU(), nn.Dropout(0.0)
    peer.classifier = nn.Sequential(
        *(nn.Linear(512 * 7 * 7, 32), relu, drop),
        *(nn.Linear(32, 32), relu, drop),
        nn.Linear(32, 1000),
    )
    return twin(name, peer, (64, 64), ["/head/with/hidden=32", "/head/with/dropout=0"])


@pytest.mark.parametrize("name", NAMES)
def test_size_and_names(name: str, peers: ModuleType) -> None:
    graph = resgen.expand(resgen.load(name))
    with torch.device("meta"):
        peer = create(name, peers)
    ours = assert_same_size(graph, peer)
    assert ours.params == GOLDEN[name]["params"]
    assert ours.macs == GOLDEN[name]["macs"]
    if name in TORCHVISION:
        weights = peers.torchvision.models.get_model_weights(name).DEFAULT
        assert ours.params == weights.meta["num_params"]
        assert round(ours.macs / 1e9, 3) == weights.meta["_ops"]


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.slow
def test_training(name: str, peers: ModuleType) -> None:
    pair = small(name, peers)
    assert_twins(pair, onnx=False)
    ours, peer = pair.ours.train(), pair.peer.train()
    x = pair.picture().double()
    ahead = torch.randn(2, 1000, generator=torch.Generator().manual_seed(3))
    outputs = []
    for model in (ours, peer):
        y = model(x)
        (y * ahead).sum().backward()
        outputs.append(y.detach())
    assert_same(*outputs, EXACT)
    theirs = dict(peer.named_parameters())
    assert set(theirs) == {name for name, _ in ours.named_parameters()}
    for key, parameter in ours.named_parameters():
        assert_near(key, parameter.grad, theirs[key].grad)
        assert theirs[key].grad.abs().max() > 0, key

    # The step moved the statistics; what there is now is the other's without change.
    moved = peer.state_dict()
    for key, value in ours.state_dict().items():
        assert_near(key, value, moved[key])
    peer.load_state_dict(ours.state_dict(), strict=True)
    ours.load_state_dict(moved, strict=True)
    with torch.no_grad():
        assert_same(ours.eval()(x), peer.eval()(x), EXACT)


def assert_near(key: str, found: torch.Tensor, expected: torch.Tensor) -> None:
    reach = expected.abs().max().item()
    assert (found - expected).abs().max().item() <= EXACT * reach, key
