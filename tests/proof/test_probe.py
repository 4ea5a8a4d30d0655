"""Probe parameters: finite and lively, where fresh ones are neither."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from resgen.expansion.expand import expand
from resgen.lower.torch import to_torch
from resgen.ops import VOCABULARY
from resgen.proof.probe import calibrate, draw
from resgen.spec.load import load
from resgen.spec.source import Problems

# Deep, plain, without norms, dense, with attention, with layer norms; small inputs.
NETWORKS = {
    "resnet/resnet152": 64,
    "cifar/resnet110_cifar": 32,
    "cifar/plain110_cifar": 32,
    "preact/preact_resnet164_cifar": 32,
    "vgg/vgg16": 32,
    "densenet/densenet121": 64,
    "attention/skresnet50": 64,
    "convnext/convnext_tiny": 64,
}
DEEPEST = {
    "cifar/resnet1202_cifar": 32,
    "cifar/plain1202_cifar": 32,
    "preact/preact_resnet1001_cifar": 32,
}


def spread(specs, name, size):
    """The standard deviation of every value by name, and the parameters."""
    change = [] if size == 32 and "cifar" in name else [f"/input=[3, {size}, {size}]"]
    graph = expand(load(specs / f"{name}.json", VOCABULARY, Problems(), change))
    drawn = draw(graph, 0)
    module = to_torch(graph, drawn).eval()
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = {
            node.name: float(value.std())
            for node, value in calibrate(graph, module, {"input": x})
        }
        # What was settled on the way is what the module then computes.
        output = module(x)
    assert abs(float(output.std()) / found[graph.outputs[0][1]] - 1) < 1e-3
    return graph, drawn, found


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_no_value_grows_or_dies(specs, name):
    _, _, found = spread(specs, name, NETWORKS[name])
    assert min(found.values()) > 1e-2
    assert max(found.values()) < 1e2


@pytest.mark.soak
@pytest.mark.parametrize("name", DEEPEST)
def test_no_value_of_the_deepest_grows_or_dies(specs, name):
    _, _, found = spread(specs, name, DEEPEST[name])
    assert min(found.values()) > 1e-2
    assert max(found.values()) < 1e2


def test_no_scale_is_one_and_no_shift_is_zero(specs):
    graph, drawn, _ = spread(specs, "cifar/resnet20_cifar", 32)
    norms = [n for n in graph.nodes if n.op.name == "norm"]
    assert norms
    for norm in norms:
        scale, shift = (drawn[f"{norm.name}.{role}"] for role in ("weight", "bias"))
        assert np.abs(scale).min() > 0.4
        assert np.abs(np.abs(scale) - 1).min() > 0.05
        assert np.abs(shift).min() > 1e-3
        assert drawn[f"{norm.name}.running_var"].std() > 0


def test_the_seed_decides(specs):
    graph = expand(load(specs / "cifar/resnet20_cifar.json", VOCABULARY, Problems()))
    first, again, other = (draw(graph, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])
