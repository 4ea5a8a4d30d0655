"""Outputs that only training has: torchvision's networks with auxiliary heads."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from twin import shake

import resgen

#: The options of torchvision's networks, and their outputs by our names.
LOSS = {"aux_loss": True, "weights_backbone": None}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "googlenet": (
        {"aux_logits": True, "init_weights": False},
        {"output": "logits", "aux1": "aux_logits1", "aux2": "aux_logits2"},
    ),
    "inception_v3": (
        {"aux_logits": True, "init_weights": False},
        {"output": "logits", "aux": "aux_logits"},
    ),
    "fcn_resnet50": (LOSS, {"output": "out", "aux": "aux"}),
    "deeplabv3_resnet50": (LOSS, {"output": "out", "aux": "aux"}),
}
#: The one that has its auxiliary head at 299 x 299 alone.
LARGE = "inception_v3"
#: ``num_params`` in the ``meta`` of torchvision's weights, which hold auxiliary heads
#: (those of GoogLeNet do, but are not counted there).
PUBLISHED = {
    "fcn_resnet50": 35_322_218,
    "fcn_resnet101": 54_314_346,
    "deeplabv3_resnet50": 42_004_074,
    "deeplabv3_resnet101": 60_996_202,
    "inception_v3": 27_161_264,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_in_training_are_the_published_ones(name: str) -> None:
    found = resgen.analyse(resgen.expand(resgen.load(name))).training
    assert found is not None
    assert found.params == PUBLISHED[name]


def without_chance(module: nn.Module) -> nn.Module:
    """In double, dropout taken out: two modules draw other numbers."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return module.double()


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    "name",
    [n for n in NETWORKS if n != LARGE] + [pytest.param(LARGE, marks=pytest.mark.soak)],
)
def test_it_trains_as_torchvisions(name: str, peers: ModuleType) -> None:
    """Outputs, gradients and statistics of one step, by the names of the peer."""
    options, names = NETWORKS[name]
    size = 299 if name == LARGE else 32
    sizes = [f"/input/1={size}", f"/input/2={size}"]
    graph = resgen.expand(resgen.load(name, sizes))
    torch.manual_seed(0)
    peer = peers.torchvision.models.get_model(name, **options)
    shake(peer, torch.randn(2, 3, size, size))
    peer = without_chance(peer.train())
    ours = without_chance(resgen.to_torch(graph))
    ours.load_state_dict(peer.state_dict(), strict=True)
    x = torch.randn(2, 3, size, size, dtype=torch.float64)
    found, wanted = ours(x), peer(x)
    if not isinstance(wanted, dict):
        wanted = wanted._asdict()
    assert found.keys() == names.keys()
    for own, theirs in names.items():
        torch.testing.assert_close(found[own], wanted[theirs], rtol=1e-9, atol=1e-9)
    for outputs in (found, wanted):
        sum(y.square().mean() for y in outputs.values()).backward()
    gradients = dict(peer.named_parameters())
    for path, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, gradients[path].grad, rtol=1e-7, atol=1e-9, msg=path
        )
    statistics = dict(peer.named_buffers())
    for path, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, statistics[path], msg=path)
