"""The groups that Torch-Pruning finds in a module, as sets of weights and axes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

Axes = frozenset[tuple[str, int]]


def groups(module: nn.Module, shape: tuple[int, ...]) -> set[Axes]:
    """By the names of weights, and the axis of each that loses a channel."""
    pruning = pytest.importorskip("torch_pruning")
    graph = pruning.DependencyGraph().build_dependency(module, torch.zeros(1, *shape))
    names = {each: name for name, each in module.named_modules()}
    kinds = (nn.Conv2d, nn.Linear)
    found: set[Axes] = set()
    for group in graph.get_all_groups(root_module_types=kinds):
        axes = set()
        for dependency, _ in group:
            target = dependency.target.module
            if not isinstance(target, kinds):
                continue
            reads = dependency.handler.__name__.endswith(("in_channels", "in_features"))
            alone = isinstance(target, nn.Conv2d) and target.groups > 1
            alone = alone and target.groups == target.in_channels
            axes.add((f"{names[target]}.weight", 1 if reads and not alone else 0))
        found.add(frozenset(axes))
    return found
