"""How much a part of a network stretches the gradient that passes it back.

For a Jacobian J and random v with independent elements, |J^T v|^2 / |v|^2 is on the
average |J|_F^2 over the size of the output (Hutchinson 1990), so a few products tell
the mean square of the singular values; Saxe et al. 2014 say why it should be near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch.autograd.graph import GradientEdge

from resgen.diagnosis.seen.numbers import norm
from resgen.diagnosis.seen.sums import Sum

Tensor = torch.Tensor


def gains(
    out: Tensor,
    source: GradientEdge,
    total: Sum | None,
    probes: int,
    draw: torch.Generator,
) -> dict[str, float | None]:
    """Root mean squares over probes, from the output back to ``source``.

    They are of the whole part and of the two sides of its sum, by the names of
    :class:`~resgen.records.diagnosis.Measures`.

    No gradient of a parameter is computed, and the graph stays for the backward pass.
    A sum that the output does not come of is as good as none.
    """
    whole, branches, shortcuts = [], [], []
    for _ in range(probes):
        v = torch.randn(out.shape, generator=draw, dtype=out.dtype, device=out.device)
        size = norm(v)
        at = None if total is None else _back(out, total.result, v)
        if total is None or at is None:
            whole.append(_size(_back(out, source, v)) / size)
            continue
        del v  # these tensors are as large as any: no more of them than it takes
        branch = _back(total.branch_edge, source, at)
        shortcut = _back(total.shortcut_edge, source, at)
        b, s = _size(branch) / size, _size(shortcut) / size
        both = 0.0
        if branch is not None and shortcut is not None:
            both = float(torch.dot(branch.flatten(), shortcut.flatten())) / size**2
        whole.append(sqrt(max(b * b + s * s + 2 * both, 0.0)))
        branches.append(b)
        shortcuts.append(s)
        del at, branch, shortcut
    return {
        "gain": _root_mean(whole),
        "branch_gain": _root_mean(branches),
        "shortcut_gain": _root_mean(shortcuts),
    }


def _back(
    output: Tensor | GradientEdge | None, source: GradientEdge | None, v: Tensor
) -> Tensor | None:
    """The vector-Jacobian product; None where the output does not come of the source.

    From a place to itself it is the vector, also where that place is a leaf.
    """
    if output is None or source is None:
        return None
    if isinstance(output, GradientEdge) and output[:2] == source[:2]:
        return v
    (found,) = torch.autograd.grad(
        output, [source], [v], retain_graph=True, allow_unused=True
    )
    return found


def _size(x: Tensor | None) -> float:
    return 0.0 if x is None else norm(x)


def _root_mean(values: Sequence[float]) -> float | None:
    if not values:
        return None
    return sqrt(sum(value * value for value in values) / len(values))
