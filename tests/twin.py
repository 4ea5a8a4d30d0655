"""A network of ours with the weights of a peer's, and the ways to compare the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from in_memory import to_model
from torch import nn

import resgen
from resgen.graph.analysis import Analysis
from resgen.graph.cost import node_costs
from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.weights.checkpoint import from_state_dict

#: How far outputs may differ, as a share of the peer's output range: in float64, which
#: rounds too little to excuse anything, and in a runtime's float32. A network of a
#: hundred layers rounds more than that on its own: there the runtime may be as far off
#: as two times the peer is in float32.
EXACT = 1e-9
ROUNDED = 1e-5

Norms = (nn.modules.batchnorm._BatchNorm,)


@dataclass
class Twin:
    """Ours and the peer's, holding the same numbers."""

    graph: Graph
    ours: nn.Module
    peer: nn.Module

    def picture(self, batch: int = 2, seed: int = 7) -> torch.Tensor:
        return picture(self.graph.inputs[0].type.shape, batch, seed)

    def in_onnxruntime(self, x: torch.Tensor) -> torch.Tensor:
        """The output of the ONNX file with its batch norms folded."""
        weights = from_state_dict(self.ours.state_dict())
        model = to_model(apply(self.graph, fold_norm), weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        return torch.from_numpy(y)


def twin(
    source: str | Path | Mapping[str, Any],
    peer: nn.Module,
    size: Sequence[int] = (),
    changes: Sequence[str] = (),
) -> Twin:
    """Shake the peer's parameters and give them to the network of the spec.

    ``size`` replaces the spatial sizes that the spec asks for. That the names are the
    same on both sides, none left over, is part of what a test wants to know.
    """
    sizes = [f"/input/{axis}={n}" for axis, n in enumerate(size, start=1)]
    graph = resgen.expand(resgen.load(source, [*sizes, *changes]))
    shake(peer, picture(graph.inputs[0].type.shape, 4, seed=1))
    state = peer.state_dict()
    assert {p.name: p.shape for p in graph.parameters} == {
        name: tuple(tensor.shape) for name, tensor in state.items()
    }
    copies = {name: array.copy() for name, array in from_state_dict(state).items()}
    return Twin(graph, resgen.to_torch(graph, copies), peer)


def hooked_macs(peer: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds that the peer's convolutions and linear maps do for one input."""
    total = 0

    def count(module: nn.Module, args: Any, y: torch.Tensor) -> None:
        nonlocal total
        total += y.numel() * module.weight[0].numel()

    for module in peer.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            module.register_forward_hook(count)
    peer.eval()(torch.empty(1, *shape, device="meta"))
    return total


def assert_same_size(graph: Graph, peer: nn.Module) -> Analysis:
    """The peer's names, shapes, parameters and multiply-adds; what ours come to."""
    theirs = {key: tuple(value.shape) for key, value in peer.state_dict().items()}
    assert {p.name: p.shape for p in graph.parameters} == theirs
    ours = resgen.analyse(graph)
    assert ours.params == sum(p.numel() for p in peer.parameters())
    costs = node_costs(graph)  # products are functions in a peer, which no hook sees
    maps = sum(cost.macs for cost in costs if cost.op not in ("matmul", "attention"))
    assert maps == hooked_macs(peer, ours.input)
    return ours


def picture(shape: Sequence[int], batch: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *shape, generator=generator)


@torch.no_grad()
def shake(model: nn.Module, x: torch.Tensor, seed: int = 0) -> None:
    """Leave no parameter where it starts: a zero or a one would hide a mistake.

    Scales move away from 0 and 1, shifts from 0. Statistics are those of ``x`` (so
    that nothing grows or dies on the way through many layers), then moved at random.
    """
    draw = torch.Generator().manual_seed(seed)

    def uniform(tensor: torch.Tensor, low: float, high: float) -> torch.Tensor:
        return tensor.clone().uniform_(low, high, generator=draw)

    for parameter in model.parameters():
        even = bool((parameter == parameter.flatten()[0]).all())
        if parameter.ndim < 2 or even:  # a map that starts at zero would hide the rest
            kept = 0 if even else parameter
            parameter.copy_(uniform(parameter, 0.5, 1.0) + kept)
    for module in model.modules():
        if getattr(module, "bias", None) is not None:
            module.bias.copy_(uniform(module.bias, -0.3, 0.3))
    norms = [m for m in model.modules() if isinstance(m, Norms)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        spread = norm.running_var.sqrt()
        norm.running_mean.add_(spread * uniform(spread, -0.3, 0.3))
        # Few samples of pooled values hardly vary: dividing by that would amplify
        # rounding alone.
        floor = 0.1 * norm.running_mean.square() + 1e-3
        norm.running_var.mul_(uniform(spread, 0.7, 1.4)).add_(floor)
        norm.num_batches_tracked.fill_(3)


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference as a share of the range of what is expected."""
    assert found.shape == expected.shape
    reach = (expected.max() - expected.min()).item()
    assert np.isfinite(reach)
    assert expected.std().item() > 1e-3 * reach > 0
    return float((found - expected).abs().max().item() / reach)


def assert_same(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Equal to ``tolerance`` of the range of what is expected, which varies."""
    apart = distance(found, expected)
    assert apart <= tolerance, f"{apart:.1e} of the output's range"


@torch.no_grad()
def assert_twins(pair: Twin, *, onnx: bool = True) -> None:
    """In inference the same outputs, in torch and in ONNX Runtime.

    Both are held against the peer in float64, so that the only rounding is the
    runtime's. Both models are left in float64.
    """
    x = pair.picture()
    found = pair.in_onnxruntime(x) if onnx else None
    wide = x.double()
    rounded = pair.peer.eval()(x)
    exact = pair.peer.double()(wide)
    assert_same(pair.ours.eval().double()(wide), exact, EXACT)
    if found is not None:
        own = distance(rounded.double(), exact)
        assert_same(found.double(), exact, max(ROUNDED, 2 * own))
