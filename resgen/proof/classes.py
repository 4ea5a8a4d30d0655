"""Classes that two computations tell of the same inputs: alike, and right."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Final, Literal

import numpy as np

from resgen.runtime.base import Array

#: Normal quantile of a two-sided 95 % interval.
Z95: Final = 1.959964
Verdict = Literal["within", "beyond", "undecided"]
#: How many of the first classes count as right in top-5.
FIRST: Final = 5


@dataclass
class SameClass:
    """Counts the inputs to which two computations give the same class, by output.

    Only vectors of scores tell classes: a lone number and a map tell none.
    """

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)

    def add(self, name: str, wanted: Array, found: Array) -> None:
        """An output, one row an input."""
        self.outputs.add(name)
        if wanted.ndim == 2 and wanted.shape[1] > 1:
            same, total = self.counts.get(name, (0, 0))
            same += int((wanted.argmax(1) == found.argmax(1)).sum())
            self.counts[name] = same, total + len(wanted)

    @property
    def least(self) -> str | None:
        """The output that agrees least, the first of equals; None without scores."""
        return min(self.counts, key=lambda name: self.counts[name][0], default=None)

    @property
    def top1(self) -> tuple[int, int] | None:
        """In that output, those of the same class, and all."""
        return None if self.least is None else self.counts[self.least]

    @property
    def named(self) -> str | None:
        """That output, if there are several outputs to tell apart."""
        return self.least if len(self.outputs) > 1 else None


def same_class(top1: tuple[int, int], output: str | None) -> str:
    """What a person reads of it.

    >>> same_class((3, 4), "scores")
    'the same class by "scores" for 3 of 4'
    """
    by = "" if output is None else f' by "{output}"'
    return f"the same class{by} for {top1[0]} of {top1[1]}"


@dataclass(frozen=True, slots=True)
class Classes:
    """How many of ``inputs`` each network tells right.

    Pairs are (float32, low precision). ``top5`` is None below six classes. ``loss`` is
    how much of top-1 the low precision loses, as a share of the inputs, and
    ``interval`` its 95 % interval from pairs: inputs that both tell right, or neither,
    say nothing of the difference (Agresti and Min 2005, with 1/2 added to each count).
    """

    inputs: int
    top1: tuple[int, int]
    top5: tuple[int, int] | None
    loss: float
    interval: tuple[float, float]


def classes(wanted: Array, found: Array, targets: Array) -> Classes:
    """Both networks' scores, (N, classes), against the right classes, (N,)."""
    exact, low = (_ranks(scores, targets) for scores in (wanted, found))
    right, rights = exact < 1, low < 1
    count = len(targets)
    lost = int((right & ~rights).sum())
    won = int((~right & rights).sum())
    a, b, n = lost + 0.5, won + 0.5, count + 2
    middle = (a - b) / n
    half = Z95 * sqrt(max(a + b - (a - b) ** 2 / n, 0.0)) / n
    top5 = None
    if wanted.shape[1] > FIRST:
        top5 = (int((exact < FIRST).sum()), int((low < FIRST).sum()))
    return Classes(
        count,
        (int(right.sum()), int(rights.sum())),
        top5,
        (lost - won) / count,
        (middle - half, middle + half),
    )


def verdict(found: Classes, tolerated: float) -> Verdict:
    """Whether the loss is surely beyond a share, surely not, or neither is known."""
    low, high = found.interval
    if low > tolerated:
        return "beyond"
    return "within" if high <= tolerated else "undecided"


def _ranks(scores: Array, targets: Array) -> Array:
    """How many classes come before the right one; of equals the first comes first."""
    own = scores[np.arange(len(targets)), targets][:, None]
    before = np.arange(scores.shape[1])[None] < targets[:, None]
    ranks: Array = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    # A score that is no number comes last.
    return np.where(np.isnan(own[:, 0]), scores.shape[1], ranks)
