"""Reductions of large tensors to a few numbers, without a copy of the tensor.

Gradients of a deep network may be smaller than 1e-20, and activations larger than
1e20: their squares leave the range of float32, though they do not. So a norm that
comes near the ends of the range is taken again of the scaled tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

import torch

Tensor = torch.Tensor

#: Norms between these are safe in float32 up to a hundred million elements: what their
#: squares lose is below what the sum could hold.
SMALL: Final = 1e-15
LARGE: Final = 1e18
#: Below this share of the mean square, the variance is too small a difference.
CANCELS: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, variance and alikeness of a tensor; see :class:`Measures`."""

    mean: float | None
    variance: float | None
    alike: float | None
    nonfinite: int


def is_weight(x: Tensor) -> bool:
    """Whether a parameter mixes values; what only scales or moves channels does not."""
    return sum(length > 1 for length in x.shape) > 1


def norm(x: Tensor) -> float:
    """The L2 norm; infinite or NaN where an element is."""
    return _safe(x)[1]


def nonfinite(x: Tensor) -> int:
    """How many elements are infinite or NaN."""
    return x.numel() - int(torch.isfinite(x).sum())


def moments(x: Tensor) -> Moments:
    """Of a tensor whose first axis is the batch.

    ``alike`` is ``sum_f (mean_i x_if)^2 / sum_f mean_i x_if^2`` over the features f and
    the inputs i: 1 where all inputs give the same, and for zeros; None for one input.
    """
    size = norm(x)
    if not isfinite(size):
        return Moments(None, None, None, nonfinite(x))
    common = x.mean(0, dtype=_wide(x))
    mean = float(common.mean())
    power = size * size / x.numel()
    variance = power - mean * mean
    if variance < CANCELS * power:
        variance = float(torch.var(x.to(_wide(x)), correction=0))
    alike = None
    if len(x) > 1:
        alike = min(len(x) * (norm(common) / size) ** 2, 1.0) if size else 1.0
    return Moments(mean, variance, alike, 0)


def correlation(x: Tensor) -> float | None:
    """Mean cosine between the two halves of a batch, input by input.

    Inputs whose tensor is zero have no direction and do not count; None where no pair
    is left.
    """
    half = len(x) // 2
    if not half:
        return None
    x = _safe(x)[0]
    first, second = x[:half].flatten(1), x[half : 2 * half].flatten(1)
    lengths = torch.linalg.vector_norm(first, dim=1)
    lengths = lengths * torch.linalg.vector_norm(second, dim=1)
    dots = torch.bmm(first.unsqueeze(1), second.unsqueeze(2)).flatten()
    there = lengths > 0
    return float((dots[there] / lengths[there]).mean()) if there.any() else None


def _safe(x: Tensor) -> tuple[Tensor, float]:
    """The tensor, scaled if its squares would leave the range, and its true norm."""
    size = _plain_norm(x)
    if SMALL < size < LARGE or not x.numel():
        return x, size
    top = float(torch.linalg.vector_norm(x, inf))
    if top == 0 or not isfinite(top):
        return x, top
    x = x.to(_wide(x)) / top
    return x, _plain_norm(x) * top


def _plain_norm(x: Tensor) -> float:
    """Row by row, since a single sum of millions of squares loses four digits."""
    if x.ndim > 1:
        rows = tuple(range(1, x.ndim))
        x = torch.linalg.vector_norm(x, dim=rows, dtype=_wide(x)).double()
    return float(torch.linalg.vector_norm(x, dtype=_wide(x)))


def _wide(x: Tensor) -> torch.dtype:
    """The type to add up in: float32 for those that are narrower."""
    return torch.promote_types(x.dtype, torch.float32)
