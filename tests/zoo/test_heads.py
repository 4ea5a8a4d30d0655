"""Heads on the trunks of other networks, beside the same heads by hand in torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from twin import EXACT, ROUNDED, assert_same, shake

import resgen
from resgen.expansion.network import examine

Json = dict[str, Any]
TRUNKS = ("resnet18", "regnety_002", "mobilenetv2_050")
SIZE = 64


def network(trunk: str, head: Any) -> Json:
    sizes = {"/input/1": SIZE, "/input/2": SIZE}
    return {"resgen": 1, "extends": trunk, "name": "n", "head": head, "set": sizes}


class Headed(nn.Module):
    """A head by hand on the maps of our stages, its parameters by the names of ours."""

    def __init__(self, trunk: str, head: nn.Module) -> None:
        super().__init__()
        spec = network(trunk, {"outputs": {"c": {"from": "stages"}}})
        self.trunk = resgen.to_torch(resgen.expand(resgen.load(spec)))
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(list(self.trunk(x).values()))


def conv_norm(into: int, out: int, act: nn.Module) -> nn.Module:
    made = nn.Sequential()
    made.add_module("conv", nn.Conv2d(into, out, 3, padding=1, bias=False))
    made.add_module("bn", nn.BatchNorm2d(out))
    made.add_module("act", act)
    return made


class UNet(nn.Module):
    def __init__(self, channels: list[int], width: int, classes: int, act: Any) -> None:
        super().__init__()
        self.decoder = nn.ModuleList()
        widths = [*(width * 2**i for i in range(len(channels) - 1)), channels[-1]]
        for level in reversed(range(len(channels) - 1)):
            into = widths[level + 1] + channels[level]
            two = [conv_norm(into, widths[level], act())]
            two.append(conv_norm(widths[level], widths[level], act()))
            self.decoder.append(nn.Sequential(*two))
        self.classes = nn.Conv2d(width, classes, 1)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        *skips, x = maps
        for step, skip in zip(self.decoder, reversed(skips), strict=True):
            x = step(torch.cat([F.interpolate(x, size=skip.shape[-2:]), skip], 1))
        y = self.classes(x)
        return F.interpolate(y, size=(SIZE, SIZE), mode="bilinear")


class Embedding(nn.Module):
    def __init__(self, channels: list[int], size: int) -> None:
        super().__init__()
        self.fc = nn.Linear(channels[-1], size) if size else nn.Identity()

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        y = self.fc(maps[-1].mean((2, 3)))
        return y / y.square().sum(1, keepdim=True).sqrt()


def compared(trunk: str, head: Any, made: Any) -> None:
    """Outputs and gradients of ours and of what ``made`` builds on these channels."""
    torch.manual_seed(0)
    ours = resgen.to_torch(resgen.expand(resgen.load(network(trunk, head))))
    taps = network(trunk, {"outputs": {"c": {"from": "stages"}}})
    found = resgen.analyse(resgen.expand(resgen.load(taps))).outputs
    peer = Headed(trunk, made([shape[0] for _, shape in found]))
    x = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        shake(ours, x)
    own = ours.state_dict()
    inside = peer.head.state_dict().keys()
    assert inside == own.keys() - peer.trunk.state_dict().keys()
    peer.head.load_state_dict({name: own[name] for name in inside})
    peer.trunk.load_state_dict({n: v for n, v in own.items() if n not in inside})
    with torch.no_grad():
        assert_same(ours.eval()(x), peer.eval()(x), ROUNDED)
    ours, peer, x = ours.double(), peer.double(), x.double()
    y, wanted = ours(x), peer(x)
    assert_same(y, wanted, EXACT)
    y.square().sum().backward()
    wanted.square().sum().backward()
    for name, parameter in peer.head.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)


ACTS = {"mobilenetv2_050": nn.ReLU6}


@pytest.mark.slow
@pytest.mark.drawn(1)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_unet_on_any_trunk(trunk: str) -> None:
    head = [
        {"from": "stages", "use": "unet", "with": {"classes": 5, "width": 4}},
        {"op": "resize", "like": "input", "mode": "bilinear"},
    ]
    act = ACTS.get(trunk, nn.ReLU)
    compared(trunk, head, lambda channels: UNet(channels, 4, 5, act))


@pytest.mark.slow
@pytest.mark.drawn(2)
@pytest.mark.parametrize("size", [0, 7])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_an_embedding_of_any_trunk(trunk: str, size: int) -> None:
    head = {"use": "embedding", "with": {"size": size or None}}
    compared(trunk, head, lambda channels: Embedding(channels, size))


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.drawn(1)
@pytest.mark.parametrize("trunk", TRUNKS)
def test_lraspp_on_any_trunk(trunk: str, peers: Any) -> None:
    """Torchvision's own head: it reads the finest and the coarsest map."""
    theirs = peers.torchvision.models.segmentation.lraspp.LRASPPHead

    class Head(nn.Module):
        def __init__(self, channels: list[int]) -> None:
            super().__init__()
            self.classifier = theirs(channels[0], channels[-1], 5, 16)

        def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
            return self.classifier({"low": maps[0], "high": maps[-1]})

    head = {"from": "stages", "use": "lraspp", "as": "classifier"}
    compared(trunk, {**head, "with": {"classes": 5, "width": 16}}, Head)


@pytest.mark.parametrize("head", ["unet", "lraspp"])
def test_a_head_of_several_maps_asks_for_them(head: str) -> None:
    spec = {"resgen": 1, "extends": "resnet18", "name": "n", "head": {"use": head}}
    problem = examine(spec).errors[0]
    assert (problem.code, problem.place.pointer) == ("RG025", "/head")
    assert '{"from": "stages"}' in str(problem.hint)
