"""Networks that no library of peers has, beside torch modules written out here."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from published import GOLDEN
from torch import nn
from twin import EXACT, assert_same, assert_same_size, assert_twins, twin

import resgen

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


class Signals(nn.Module):
    """Wang et al. 2016, figure 1(c), with Keras's "same" padding and its norms."""

    class Block(nn.Module):
        def __init__(self, entering: int, width: int) -> None:
            super().__init__()
            kernels = {1: 8, 2: 5, 3: 3}
            for i, kernel in kernels.items():
                channels = entering if i == 1 else width
                conv = nn.Conv1d(channels, width, kernel, padding="same")
                self.add_module(f"conv{i}", conv)
                self.add_module(f"bn{i}", nn.BatchNorm1d(width, eps=1e-3))
            self.shortcut = nn.ModuleDict({"1": nn.BatchNorm1d(width, eps=1e-3)})
            if entering != width:
                self.shortcut["0"] = nn.Conv1d(entering, width, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.bn1(self.conv1(x)).relu()
            y = self.bn2(self.conv2(y)).relu()
            y = self.bn3(self.conv3(y))
            if "0" in self.shortcut:
                x = self.shortcut["0"](x)
            return (y + self.shortcut["1"](x)).relu()

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 64, 128, 128)
        blocks = [self.Block(*pair) for pair in pairwise(widths)]
        self.blocks = nn.ModuleList(nn.ModuleList([block]) for block in blocks)
        self.fc = nn.Linear(128, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for (block,) in self.blocks:
            x = block(x)
        return self.fc(x.mean(-1))


class ConvNorm(nn.Module):
    def __init__(self, entering: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        args = {"stride": stride, "padding": kernel // 2, "bias": False}
        self.conv = nn.Conv2d(entering, width, kernel, **args)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.leaky_relu(self.bn(self.conv(x)), 0.1)


class Dark(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, width // 2, 1)
        self.conv2 = ConvNorm(width // 2, width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(self.conv1(x))


class Yolo(nn.Module):
    """Darknet's yolov3.cfg; maps from the finest to the coarsest."""

    def __init__(self) -> None:
        super().__init__()
        stages = []
        for i, depth in enumerate((1, 2, 8, 8, 4)):
            width = 64 << i
            blocks = nn.ModuleList(Dark(width) for _ in range(depth))
            down = ConvNorm(width // 2, width, 3, stride=2)
            stages.append(nn.ModuleDict({"conv_down": down, "blocks": blocks}))
        stem = nn.ModuleDict({"conv1": ConvNorm(3, 32, 3)})
        trunk = {"stem": stem, "stages": nn.ModuleList(stages)}
        self.backbone = nn.ModuleDict(trunk)
        self.lateral = nn.ModuleList([ConvNorm(512, 256, 1), ConvNorm(256, 128, 1)])
        self.neck, self.head = nn.ModuleList(), nn.ModuleList()
        for entering, width in ((1024, 512), (768, 256), (384, 128)):
            five = [ConvNorm(entering, width, 1)]
            for _ in range(2):
                five += [ConvNorm(width, 2 * width, 3), ConvNorm(2 * width, width, 1)]
            self.neck.append(nn.Sequential(*five))
            wide = ConvNorm(width, 2 * width, 3)
            self.head.append(nn.Sequential(wide, nn.Conv2d(2 * width, 255, 1)))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.backbone["stem"]["conv1"](x)
        maps = []
        for stage in self.backbone["stages"]:
            x = stage["conv_down"](x)
            for block in stage["blocks"]:
                x = block(x)
            maps.append(x)
        found = []
        for k, fine in enumerate(reversed(maps[2:])):
            if k:
                x = self.lateral[k - 1](x).repeat_interleave(2, 2)
                fine = torch.cat([x.repeat_interleave(2, 3), fine], 1)
            x = self.neck[k](fine)
            found.append(self.head[k](x))
        return {f"maps.{2 - k}": x for k, x in enumerate(found)}


@pytest.mark.parametrize(
    ("name", "module"), [("resnet_signal", Signals), ("yolov3", Yolo)]
)
def test_names_and_counts(name: str, module: type[nn.Module]) -> None:
    with torch.device("meta"):
        peer = module()
    counted = assert_same_size(resgen.expand(resgen.load(name)), peer)
    assert counted.macs == GOLDEN[name]["macs"]


def test_a_signal_is_classified_as_the_module_does() -> None:
    torch.manual_seed(0)
    assert_twins(twin("resnet_signal", Signals(), [100]))


@pytest.mark.slow
def test_maps_of_three_levels_are_the_modules() -> None:
    torch.manual_seed(0)
    pair = twin("yolov3", Yolo(), [64, 96])
    x = pair.picture(1).double()
    with torch.no_grad():
        wanted = pair.peer.eval().double()(x)
        found = pair.ours.eval().double()(x)
    assert {name: y.shape[2:] for name, y in found.items()} == {
        "maps.0": (8, 12),
        "maps.1": (4, 6),
        "maps.2": (2, 3),
    }
    for name, map_ in wanted.items():
        assert_same(found[name], map_, EXACT)
