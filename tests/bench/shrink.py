"""Smaller networks by resgen and by Torch-Pruning 1.6.1, at equal multiply-adds.

``python tests/bench/shrink.py accuracy`` trains networks on scikit-learn's digits from
three seeds, takes channels away by each, and trains what is left alike;
``... latency resnet50 mobilenetv2_100`` times what either leaves in ONNX Runtime.
Torch-Pruning goes as its users do: one global ranking, in small steps until the
multiply-adds are met. Its rounding of channels is off unless said.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch
import torch_pruning
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import digits

import resgen
from resgen.api.asked.measure import Timing
from resgen.api.measure import conditions
from resgen.api.paced import job
from resgen.profiling.comparison.compare import measured

SEEDS = (0, 1, 2)
SHARES = (0.5, 0.25)
EPOCHS = 5
HEAD: dict[str, Any] = {
    "resgen": 1,
    "input": [1, 8, 8],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "head": {"classes": 10},
    "preprocess": {"resize": None, "color": "gray"},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet20": {
        **HEAD,
        "name": "resnet20",
        "defaults": {"block": "basic", "shortcut": "projection"},
        "stages": [{"width": width, "depth": 3} for width in (16, 32, 64)],
    },
    "mobilenet": {
        **HEAD,
        "name": "mobilenet",
        "defaults": {"block": "inverted"},
        "stages": [{"width": width, "depth": 2} for width in (16, 24, 40)],
    },
}
IMPORTANCE = {
    "taylor": torch_pruning.importance.GroupTaylorImportance,
    "magnitude": torch_pruning.importance.GroupMagnitudeImportance,
}


def pruned(
    module: nn.Module,
    x: torch.Tensor,
    share: float,
    kind: str,
    batches: list[tuple[torch.Tensor, torch.Tensor]],
    round_to: int | None = None,
) -> nn.Module:
    """What Torch-Pruning leaves of it."""
    module = copy.deepcopy(module).eval()
    last = [m for m in module.modules() if isinstance(m, nn.Linear)][-1:]
    pruner = torch_pruning.pruner.MetaPruner(
        module,
        x,
        importance=IMPORTANCE[kind](),
        global_pruning=True,
        pruning_ratio=0.9,
        max_pruning_ratio=0.9,
        iterative_steps=60,
        ignored_layers=last,
        round_to=round_to,
    )
    whole, _ = torch_pruning.utils.count_ops_and_params(module, x)
    for _ in range(60):
        module.zero_grad()
        for images, labels in batches if kind == "taylor" else []:
            nn.functional.cross_entropy(module(images), labels).backward()
        pruner.step()
        left, _ = torch_pruning.utils.count_ops_and_params(module, x)
        if left <= share * whole:
            break
    return module


def accuracy(name: str) -> None:
    """Top-1 on 500 digits that nothing has seen, before and after training."""
    spec = NETWORKS[name]
    found: dict[tuple[float, str], list[tuple[float, float, float]]] = {}
    for seed in SEEDS:
        images, targets = arrays(seed)
        graph = resgen.expand(resgen.load(spec))
        whole = resgen.to_torch(graph, seed=seed)
        train(whole, images, targets, 10)
        x = torch.zeros(1, *graph.inputs[0].type.shape)
        macs, _ = torch_pruning.utils.count_ops_and_params(whole.eval(), x)
        known = torch.from_numpy(images[:512]), torch.from_numpy(targets[:512])
        batches = list(zip(*(each.split(32) for each in known), strict=True))
        before = right(whole, images, targets)
        print(f"{name}, seed {seed}: the whole {before:.3f}", flush=True)
        for share in SHARES:
            made: dict[str, nn.Module] = {
                f"Torch-Pruning, {kind}": pruned(whole, x, share, kind, batches)
                for kind in IMPORTANCE
            }
            for step in (8, 1):
                with tempfile.TemporaryDirectory() as folder:
                    data = Path(folder, "x.npz")
                    train_on = slice(None, digits.TRAINED)
                    np.savez(data, x=images[train_on], y=targets[train_on])
                    small = resgen.shrink(
                        spec,
                        Path(folder, "a"),
                        state_dict=whole.state_dict(),
                        data=str(data),
                        macs=share,
                        round=step,
                    )
                made[f"resgen, multiples of {step}"] = resgen.to_torch(
                    small.graph, small.weights
                )
            for way, module in made.items():
                left = torch_pruning.utils.count_ops_and_params(module.eval(), x)[0]
                cut = right(module, images, targets)
                train(module, images, targets, EPOCHS)
                tuned = right(module, images, targets)
                found.setdefault((share, way), []).append((left / macs, cut, tuned))
                print(
                    f"  {share} {way}: {left / macs:.2f} {cut:.3f} {tuned:.3f}",
                    flush=True,
                )
    for (share, way), rows in found.items():
        left, cut, tuned = (fmean(column) for column in zip(*rows, strict=True))
        spread = stdev(row[2] for row in rows)
        print(
            f"{name} {share:.2f}x {way}: MACs {left:.2f}, top-1 cut {cut:.3f}, "
            f"trained {tuned:.3f} (s {spread:.3f})"
        )


def arrays(seed: int) -> tuple[Any, Any]:
    """The digits in an order of the seed's."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images[order, None] / 16).astype(np.float32)
    return images, data.target[order].astype(np.int64)


def train(module: nn.Module, images: Any, targets: Any, epochs: int) -> None:
    """On what is not held back."""
    digits.train(module, images[: digits.TRAINED], targets[: digits.TRAINED], epochs)


def right(module: nn.Module, images: Any, targets: Any) -> float:
    """The share of the others that is told right."""
    with torch.no_grad():
        scores = module.eval()(torch.from_numpy(images[digits.TRAINED :]))
    return float((scores.argmax(1).numpy() == targets[digits.TRAINED :]).mean())


def latency(name: str, share: float = 0.5) -> None:
    """ONNX Runtime on one thread, fp32, batch 1: ours over theirs."""
    graph = resgen.expand(resgen.load(name)).inference
    whole = resgen.to_torch(graph, seed=0)
    macs, shape = resgen.analyse(graph).macs, graph.inputs[0].type.shape
    told = conditions(Timing(threads=1))
    with tempfile.TemporaryDirectory() as folder:
        ours = resgen.shrink(
            name,
            Path(folder, "a"),
            state_dict=whole.state_dict(),
            macs=share,
            verify=False,
        ).graph
    rivals = {"the whole": graph}
    for round_to in (None, 8):
        module = pruned(whole, torch.zeros(1, *shape), share, "magnitude", [], round_to)
        spec, _ = resgen.from_torch(module, shape, verify=False)
        rivals[f"Torch-Pruning, round_to={round_to}"] = resgen.expand(spec)
    for way, other in rivals.items():
        with job(other, told) as a, job(ours, told) as b:
            found = measured(a, b, 40.0)
        low, high = found.decision.interval
        parts = [resgen.analyse(each).macs / macs for each in (ours, other)]
        print(
            f"{name}: resgen ({parts[0]:.2f} of the MACs) takes "
            f"{found.decision.ratio:.2f} ({low:.2f} to {high:.2f}) of {way} "
            f"({parts[1]:.2f}): {found.decision.verdict}",
            flush=True,
        )


if __name__ == "__main__":
    what, *names = sys.argv[1:]
    for each in names or NETWORKS:
        {"accuracy": accuracy, "latency": latency}[what](each)
