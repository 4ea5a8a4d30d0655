"""The parts that are found in modules of others, and of ours without a graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import resgen
from resgen.diagnosis.seen.found import found_parts


def kinds(module):
    """``stem block*8 head`` in short, and the paths of the blocks."""
    parts = found_parts(module)
    blocks = [part.path for part in parts if part.kind == "block"]
    return "".join(part.kind[0] for part in parts), blocks


def on_meta(make, *args, **options):
    with torch.device("meta"):
        return make(*args, **options)


TORCHVISION = {
    "resnet18": ("ss" + 8 * "b" + "h", "layer1.0", "layer4.1"),
    "densenet121": (
        "ss" + 6 * "b" + "p" + 12 * "b" + "p" + 24 * "b" + "p" + 16 * "b" + "hh",
        "features.denseblock1.denselayer1",
        "features.denseblock4.denselayer16",
    ),
    "mobilenet_v2": ("s" + 17 * "b" + "hh", "features.1", "features.17"),
    "convnext_tiny": ("sbbbpbbbpbbbbbbbbbpbbbh", "features.1.0", "features.7.2"),
    "efficientnet_b0": ("s" + 16 * "b" + "hh", "features.1.0", "features.7.0"),
    "vit_b_32": (
        "s" + 12 * "b" + "hh",
        "encoder.layers.encoder_layer_0",
        "encoder.layers.encoder_layer_11",
    ),
}
TIMM = {
    "resnet18": ("ss" + 8 * "b" + "h", "layer1.0", "layer4.1"),
    "vit_tiny_patch16_224": ("s" + 12 * "b" + "hh", "blocks.0", "blocks.11"),
    "convnext_atto": (
        "sbbpbbpbbbbbbpbbh",
        "stages.0.blocks.0",
        "stages.3.blocks.1",
    ),
    "regnetx_016": ("s" + 18 * "b" + "h", "s1.b1", "s4.b2"),
    "res2net50_14w_8s": ("ss" + 16 * "b" + "h", "layer1.0", "layer4.2"),
}


@pytest.mark.peers
@pytest.mark.parametrize("name", TORCHVISION)
def test_blocks_of_torchvision(peers, name):
    model = on_meta(peers.torchvision.models.get_model, name)
    found, blocks = kinds(model)
    assert (found, blocks[0], blocks[-1]) == TORCHVISION[name]


@pytest.mark.peers
@pytest.mark.parametrize("name", TIMM)
def test_blocks_of_timm(peers, name):
    found, blocks = kinds(on_meta(peers.timm.create_model, name))
    assert (found, blocks[0], blocks[-1]) == TIMM[name]


@pytest.mark.peers
def test_a_network_without_blocks_has_its_operators(peers):
    model = on_meta(peers.torchvision.models.vgg11_bn)
    parts = found_parts(model)
    assert len(parts) == 8 + 8 + 3
    assert all(
        isinstance(model.get_submodule(p.path), (nn.Conv2d, nn.BatchNorm2d, nn.Linear))
        for p in parts
    )
    assert "".join(p.kind[0] for p in parts) == "s" + 17 * "p" + "h"


@pytest.mark.peers
@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_a_wrapper_is_looked_through(peers, wrap):
    model = on_meta(peers.torchvision.models.resnet18)
    inner, outer = found_parts(model), found_parts(wrap(model))
    assert [p.path.partition(".")[2] for p in outer] == [p.path for p in inner]
    assert [p.kind for p in outer] == [p.kind for p in inner]


@pytest.mark.parametrize("name", ["resnet20_cifar", "densenet121", "convnext_tiny"])
@pytest.mark.slow
def test_ours_without_its_graph(name):
    graph = resgen.expand(resgen.load(name))
    weights = {p.name: np.zeros(p.shape, p.dtype) for p in graph.parameters}
    found, blocks = kinds(resgen.to_torch(graph, weights))
    expected = {
        "resnet20_cifar": ("ss" + 9 * "b" + "h", "layer1.0"),
        "densenet121": (
            TORCHVISION["densenet121"][0],
            "features.denseblock1.denselayer1",
        ),
        "convnext_tiny": (TORCHVISION["convnext_tiny"][0], "stages.0.blocks.0"),
    }
    assert (found, blocks[0]) == expected[name]


def test_a_sequence_of_layers():
    layers = [nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)]
    parts = found_parts(nn.Sequential(*layers))
    assert [(p.path, p.kind) for p in parts] == [
        ("0", "stem"),
        ("2", "part"),
        ("4", "head"),
    ]


def test_one_block_between_others():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return x + self.second(self.first(x))

    parts = found_parts(nn.Sequential(nn.Linear(3, 3), Block(), nn.Linear(3, 2)))
    assert [(p.path, p.kind) for p in parts] == [
        ("0", "stem"),
        ("1", "block"),
        ("2", "head"),
    ]


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.Sequential(nn.ReLU())])
def test_nothing_to_find(module):
    assert found_parts(module) == ()
