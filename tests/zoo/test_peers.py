"""The zoo's networks beside torchvision's and timm's: names, counts and outputs.

Each commit compares others in full (``make soak`` compares all).
"""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from published import GOLDEN, sampled
from torch import nn
from twin import assert_same_size, assert_twins, twin

import resgen

PAIRED = [name for name, entry in GOLDEN.items() if "peer" in entry]

pytestmark = pytest.mark.peers


def create(name: str, peers: ModuleType) -> nn.Module:
    entry = GOLDEN[name]
    library, _, known = entry["peer"].partition(":")
    options = entry.get("options", {})
    torch.manual_seed(0)
    if library == "torchvision":
        model = peers.torchvision.models.get_model(known or name, **options)
    else:
        model = peers.timm.create_model(known or name, **options)
    if "output" in entry:  # of those that it gives out by name
        forward = model.forward
        model.forward = lambda x: forward(x)[entry["output"]]
    return model


@pytest.mark.parametrize("name", sampled(PAIRED, 8))
@pytest.mark.slow
def test_names_and_counts(name: str, peers: ModuleType) -> None:
    graph = resgen.expand(resgen.load(name))
    with torch.device("meta"):
        peer = create(name, peers)
    assert assert_same_size(graph, peer).macs == GOLDEN[name]["macs"]


@pytest.mark.parametrize("name", sampled(PAIRED, 4, large=30e6))
@pytest.mark.slow
def test_outputs(name: str, peers: ModuleType) -> None:
    """Under the peer's weights: in float64, and in ONNX Runtime."""
    size = GOLDEN[name].get("size", [64, 64])
    assert_twins(twin(name, create(name, peers), size))
