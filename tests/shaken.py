"""Modules none of whose numbers change nothing, as fresh ones do."""

from __future__ import annotations

import torch
from torch import nn


def shake(module: nn.Module) -> None:
    """No number of its checkpoint is one that changes nothing; fixed filters stay."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict(keep_vars=True).values():
            if tensor.is_floating_point():
                spread = 0.2 if tensor.ndim < 2 else 0.05 * float(tensor.std() + 1e-3)
                tensor.add_(torch.rand(tensor.shape, generator=draw) * spread)
