"""The language's worked examples under their peers' weights.

That each uses every key of its peer's state_dict and computes the same is the proof
that the language carries. The two CIFAR networks have no peer; theirs is written here
as the paper says (He et al. 2015, section 4.2).
"""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn import functional
from twin import assert_twins, twin

#: Sizes of the pictures: odd maps on the way, where the network takes them.
SIZE = 72
SIZES = {"resnetaa50d": 64}

TORCHVISION = ["densenet121", "resnet50"]
TIMM = [
    "convnext_tiny",
    "ecaresnet50t",
    "res2net50_26w_4s",
    "resnest50d",
    "resnet50d",
    "resnet50t",
    "resnetaa50d",
    "resnetblur50",
    "resnetrs50",
    "resnetv2_50",
    "seresnext50_32x4d",
    "skresnet50",
    "skresnext50_32x4d",
]


@pytest.mark.drawn(1)
@pytest.mark.peers
@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.slow
def test_torchvision(name: str, peers: ModuleType) -> None:
    torch.manual_seed(0)
    size = SIZES.get(name, SIZE)
    peer = peers.torchvision.models.get_model(name)
    assert_twins(twin(name, peer, (size, size)))


@pytest.mark.drawn(2)
@pytest.mark.peers
@pytest.mark.parametrize("name", TIMM)
@pytest.mark.slow
def test_timm(name: str, peers: ModuleType) -> None:
    torch.manual_seed(0)
    size = SIZES.get(name, SIZE)
    peer = peers.timm.create_model(name)
    assert_twins(twin(name, peer, (size, size)))


class CifarBlock(nn.Module):
    """Two 3x3 convolutions, beside them the input or nothing."""

    def __init__(self, before: int, width: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.grown, self.shortcut = stride, width - before, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.shortcut:
            kept = x[:, :, :: self.stride, :: self.stride]
            half = self.grown // 2
            y = y + functional.pad(kept, (0, 0, 0, 0, half, self.grown - half))
        return y.relu()


class Cifar20(nn.Module):
    """Section 4.2 with n = 3; shortcuts of option A, or none (the plain network)."""

    def __init__(self, *, shortcuts: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        before = 16
        for stage, width in enumerate((16, 32, 64)):
            blocks = []
            for index in range(3):
                stride = 2 if stage and index == 0 else 1
                blocks.append(CifarBlock(before, width, stride, shortcuts))
                before = width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("name", ["resnet20_cifar", "plain20_cifar"])
def test_cifar(name: str) -> None:
    torch.manual_seed(0)
    assert_twins(twin(name, Cifar20(shortcuts=name.startswith("resnet"))))
