"""Which paths carry the gradient: Veit et al. 2016.

A network of n residual blocks is a bundle of 2^n paths, of which each passes the branch
of some blocks and the shortcut of the others ("Residual Networks Behave Like Ensembles
of Relatively Shallow Networks"). Most paths pass half of the branches; the gradient
comes along much shorter ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from resgen.records.diagnosis import Lengths, Moment, Part


def lengths_of(parts: Sequence[Part], moment: Moment) -> Lengths | None:
    """Of what was seen; None where a gain is missing, or nothing has a shortcut."""
    branches, shortcuts = [], []
    for part, seen in zip(parts, moment.parts, strict=True):
        if part.kind != "block":
            continue
        # All paths through a block without a shortcut pass what it does.
        branch = seen.gain if seen.shortcut is None else seen.branch_gain
        if branch is None or (seen.shortcut is not None and seen.shortcut_gain is None):
            return None
        branches.append(branch)
        shortcuts.append(seen.shortcut_gain)
    if not any(gain is not None for gain in shortcuts):
        return None
    return lengths(branches, shortcuts)


def lengths(
    branch_gains: Sequence[float], shortcut_gains: Sequence[float | None]
) -> Lengths:
    """Shares of the paths and of the gradient, by the number of branches passed.

    Gains are those of each block in order, root mean squares of |J^T v| / |v|. A block
    whose shortcut is None is a plain one: every path passes its branch. What follows a
    block's sum scales both sides alike and does not matter.

    Veit et al. measured the gradient by sampling paths. Here a path's squared norm is
    taken to be the product of its squared gains, and those of different paths to add
    up. That assumes that a block's gain is the same for whatever gradient arrives, and
    that the gradients of different paths are uncorrelated. The squared norm on the
    paths through k branches is then the sum of products over all choices of k blocks:
    the coefficient of x^k in the product of ``s^2 + b^2 x``. Each factor is divided by
    its sum, which leaves the law of independent choices with the probability
    ``b^2 / (s^2 + b^2)`` (Poisson's binomial), so that no depth overflows.

    Where a block lets nothing through, no path has any gradient and all shares are 0.
    Raises ValueError for gains that are negative, not finite or not as many.

    >>> lengths([1.0, 1.0], [1.0, 1.0])
    Lengths(paths=(0.25, 0.5, 0.25), gradient=(0.25, 0.5, 0.25))
    >>> lengths([1.0, 1.0], [2.0, None])
    Lengths(paths=(0.0, 0.5, 0.5), gradient=(0.0, 0.8, 0.2))
    """
    gains = list(zip(branch_gains, shortcut_gains, strict=True))
    for branch, shortcut in gains:
        if not all(isfinite(gain) and gain >= 0 for gain in (branch, shortcut or 0)):
            raise ValueError(f"no gains of a block: {branch}, {shortcut}")
    counted = _choices([(1.0, 0.0 if s is None else 1.0) for _, s in gains])
    carried = _choices([(b, s or 0.0) for b, s in gains])
    return Lengths(tuple(counted), tuple(carried))


def _choices(gains: Sequence[tuple[float, float]]) -> list[float]:
    """Coefficients of the product of ``s^2 + b^2 x``, over their sum; or zeros."""
    law = np.zeros(len(gains) + 1)
    law[0] = 1.0
    for pair in gains:
        largest = max(pair)
        if largest == 0:
            return [0.0] * len(law)
        branch, shortcut = ((gain / largest) ** 2 for gain in pair)
        total = branch + shortcut
        law[1:] = law[1:] * (shortcut / total) + law[:-1] * (branch / total)
        law[0] *= shortcut / total
    found: list[float] = law.tolist()
    return found
