"""Detectors beside torchvision's, before anything is decoded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from published import GOLDEN
from torch import nn
from twin import EXACT, ROUNDED, assert_same, twin

import resgen

#: Outputs of ours and of torchvision's head, and how many numbers each place has.
OUTPUTS = {
    "retinanet_resnet50_fpn": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
    },
    "retinanet_resnet50_fpn_v2": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
    },
    "fcos_resnet50_fpn": {
        "logits": ("cls_logits", 91),
        "boxes": ("bbox_regression", 4),
        "centers": ("bbox_ctrness", 1),
    },
}

pytestmark = [pytest.mark.peers, pytest.mark.slow]


class Maps(nn.Module):
    """What a detector of torchvision computes of an image that is prepared."""

    def __init__(self, peer: Any) -> None:
        super().__init__()
        self.backbone, self.head = peer.backbone, peer.head

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(list(self.backbone(x).values()))


def create(name: str, peers: ModuleType) -> Maps:
    torch.manual_seed(0)
    make = getattr(peers.torchvision.models.detection, name)
    return Maps(make(weights=None, weights_backbone=None))


def ours(found: dict[str, torch.Tensor], name: str, size: int) -> torch.Tensor:
    """The maps of all levels as torchvision lays them out: one row an anchor."""
    rows = []
    for level in range(5):
        x = found[f"{name}.{level}"]
        n, channels, height, width = x.shape
        x = x.view(n, channels // size, size, height, width).permute(0, 3, 4, 1, 2)
        rows.append(x.reshape(n, -1, size))
    return torch.cat(rows, dim=1)


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_all_maps_are_the_peers(name: str, peers: ModuleType) -> None:
    pair = twin(name, create(name, peers), (128, 128))
    x = pair.picture(1)
    with torch.no_grad():
        wanted, found = pair.peer.eval()(x), pair.ours.eval()(x)
        for output, (known, size) in OUTPUTS[name].items():
            assert_same(ours(found, output, size), wanted[known], ROUNDED)
        wanted = pair.peer.double()(x.double())
        found = pair.ours.double()(x.double())
        for output, (known, size) in OUTPUTS[name].items():
            assert_same(ours(found, output, size), wanted[known], EXACT)
    counted = resgen.analyse(pair.graph).params
    assert (
        counted
        == GOLDEN[name]["params"]
        == sum(p.numel() for p in pair.peer.parameters())
    )
