"""PyramidNet, which no library has: beside the paper's network written out in torch.

Widths and names are those of the authors' implementation (Han et al. 2017).
"""

from __future__ import annotations

import pytest
import torch
from published import GOLDEN
from torch import nn
from torch.nn import functional
from twin import assert_twins, hooked_macs, twin

import resgen


class Block(nn.Module):
    """Norm, then convolutions with a norm each and an activation between them."""

    def __init__(self, inside: int, width: int, stride: int, *, wide: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        kernels = (1, 3, 1) if wide else (3, 3)
        strides = (1, stride, 1) if wide else (stride, 1)
        outs = (width, width, 4 * width) if wide else (width, width)
        self.count = len(kernels)
        for i in range(self.count):
            conv = nn.Conv2d(
                inside, outs[i], kernels[i], strides[i], kernels[i] // 2, bias=False
            )
            self.add_module(f"conv{i + 1}", conv)
            self.add_module(f"bn{i + 2}", nn.BatchNorm2d(outs[i]))
            inside = outs[i]
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(x)
        for i in range(1, self.count + 1):
            y = y if i == 1 else functional.relu(y)
            y = self.get_submodule(f"bn{i + 1}")(self.get_submodule(f"conv{i}")(y))
        if self.stride > 1:
            x = functional.avg_pool2d(x, 2)
        y[:, : x.shape[1]] += x
        return y


class PyramidNet(nn.Module):
    def __init__(self, n: int, alpha: int, *, wide: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        inside, width = 16, 16.0
        for stage in range(3):
            blocks = []
            for i in range(n):
                width += alpha / (3 * n)
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Block(inside, round(width), stride, wide=wide))
                inside = round(width) * (4 if wide else 1)
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn_final = nn.BatchNorm2d(inside)
        self.fc = nn.Linear(inside, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn1(self.conv1(x))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(functional.relu(self.bn_final(x)).mean((2, 3)))


PUBLISHED = {
    "pyramidnet110_a48_cifar": (18, 48, False),
    "pyramidnet110_a84_cifar": (18, 84, False),
    "pyramidnet110_a270_cifar": (18, 270, False),
    "pyramidnet164_a270_cifar": (18, 270, True),
    "pyramidnet200_a240_cifar": (22, 240, True),
    "pyramidnet236_a220_cifar": (26, 220, True),
    "pyramidnet272_a200_cifar": (30, 200, True),
}


@pytest.mark.parametrize(
    "name", ["pyramidnet110_a84_cifar", "pyramidnet272_a200_cifar"]
)
@pytest.mark.slow
def test_counts(name: str) -> None:
    n, alpha, wide = PUBLISHED[name]
    with torch.device("meta"):
        paper = PyramidNet(n, alpha, wide=wide)
    ours = resgen.analyse(resgen.expand(resgen.load(name)))
    assert sum(p.numel() for p in paper.parameters()) == ours.params
    assert hooked_macs(paper, ours.input) == ours.macs == GOLDEN[name]["macs"]


@pytest.mark.parametrize(
    ("name", "alpha", "wide"),
    [("pyramidnet110_a48_cifar", 31, False), ("pyramidnet164_a270_cifar", 31, True)],
)
def test_outputs(name: str, alpha: int, wide: bool) -> None:
    torch.manual_seed(0)
    paper = PyramidNet(2, alpha, wide=wide)
    changes = ["/let/n=2", f"/let/alpha={alpha}"]
    assert_twins(twin(name, paper, (32, 32), changes))
