"""What people do with a network in PyTorch, on one that has most operators.

The module as such, its scopes and hooks are tests of test_torch.py, on graphs by hand.
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from torch import nn

import resgen
from resgen.weights.checkpoint import fit

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "life",
    "input": [3, 33, 33],
    "stem": "deep",
    "defaults": {
        "block": "bottleneck",
        "shortcut": "avg-projection",
        "attention": {"use": "se", "with": {"reduction": "1/4"}},
        "act": "silu",
    },
    "stages": [
        {"width": 32, "depth": 2},
        {"width": 64, "depth": 1, "antialias": "blur"},
    ],
    "head": {"classes": 5},
}


@pytest.fixture(scope="module")
def graph() -> resgen.Graph:
    return resgen.expand(resgen.load(SPEC))


@pytest.fixture
def model(graph: resgen.Graph) -> nn.Module:
    return resgen.to_torch(graph)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, 33, 33, generator=torch.Generator().manual_seed(1))


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        found[name], parameter.grad = parameter.grad, None
    return found


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_training_is_the_same(model: nn.Module, images: torch.Tensor) -> None:
    """Through to machine code; test_torch.py compiles as far as that in seconds."""
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    expected = model(images)
    expected.square().mean().backward()
    eager = gradients(model)
    statistics = {name: b.clone() for name, b in model.named_buffers()}
    model.load_state_dict(state)
    found = compiled(images)
    found.square().mean().backward()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for name, gradient in gradients(model).items():
        reach = eager[name].abs().max().item()
        assert (gradient - eager[name]).abs().max().item() <= 1e-3 * reach + 1e-6, name
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, statistics[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_export_with_an_open_batch(model: nn.Module, images: torch.Tensor) -> None:
    model.eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(model, (images,), dynamic_shapes=({0: batch},))
    more = torch.cat([images, images.flip(0), images[:1]])
    torch.testing.assert_close(program.module()(more), model(more))


def test_training_in_bfloat16(model: nn.Module, images: torch.Tensor) -> None:
    """Autocast keeps parameters and gradients in float32, and the loss falls."""
    model = model.to(memory_format=torch.channels_last)
    step = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    labels = torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(10):
        with torch.autocast("cpu", torch.bfloat16):
            y = model(images.to(memory_format=torch.channels_last))
        assert y.dtype == torch.bfloat16
        loss = nn.functional.cross_entropy(y.float(), labels)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert {p.grad.dtype for p in model.parameters()} == {torch.float32}
    assert losses[-1] < losses[0] / 2


def test_an_average_of_the_weights_fits(
    graph: resgen.Graph, model: nn.Module, images: torch.Tensor
) -> None:
    """What torch's own averaging saves comes back as a network that computes it."""
    average = torch.optim.swa_utils.AveragedModel(model)
    average.update_parameters(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    average.update_parameters(model)
    weights = fit(average.state_dict(), graph).arrays
    made = resgen.to_torch(graph, weights).eval()
    assert torch.equal(made(images), average.eval()(images))
    assert not torch.equal(made(images), model.eval()(images))


def test_tuning_the_head_alone(model: nn.Module, images: torch.Tensor) -> None:
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    model(images).sum().backward()
    learned = {n for n, p in model.named_parameters() if p.grad is not None}
    assert learned == {"fc.weight", "fc.bias"}


def test_a_head_of_ones_own(model: nn.Module, images: torch.Tensor) -> None:
    model.fc = nn.Linear(model.fc.in_features, 2)
    assert model(images).shape == (4, 2)


def test_checkpointed_stages_have_the_same_gradients(
    model: nn.Module, images: torch.Tensor
) -> None:
    """Parts run on their own, so a training script may recompute them."""
    from torch.utils.checkpoint import checkpoint

    model.eval()
    kept = model.layer2.forward
    model(images).sum().backward()
    expected = gradients(model)
    model.layer2.forward = lambda x: checkpoint(kept, x, use_reentrant=False)
    model(images).sum().backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], msg=name)
