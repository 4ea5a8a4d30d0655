"""Times of kernels that were not measured, from those of kernels that were.

Gaussian process regression (Rasmussen and Williams 2006, chapter 2) of the logarithm of
the time over the logarithms of sizes, for each kind of kernel, about what a plain
machine would take and a linear map of the sizes: where many alike were measured the
neighbours decide, far from them the trend, and of a kind of which few were measured the
plain machine, by a factor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from resgen.latency.kernels import Kernel

Numbers = NDArray[np.float64]

#: No kernel takes less, in seconds: what profilers tell apart.
LEAST: Final = 1e-6
#: Kernels of a kind that are kept at most: the time of a fit grows with their cube.
MOST: Final = 1500
#: Of how many channels engines make blocks: what a last one lacks is computed as well.
BLOCKS: Final = (4, 8, 16)
#: And of these, so many tell what length and noise suit them.
TRIED: Final = 300
#: Lengths, in spreads of the sizes, and shares of noise that are tried.
LENGTHS: Final = (1.0, 2.0, 4.0, 8.0)
NOISES: Final = (0.02, 0.1, 0.4)
#: Of the trend, for each kernel and for all: keeps what few tell apart from growing.
RIDGE: Final = (0.01, 2.0)
#: The least spread of a size, in doublings, that others are held against.
SPREAD: Final = 0.5
#: The plain machine: seconds of a kernel, multiply-adds and bytes a second.
START: Final = 2e-6
COMPUTE: Final = 60e9
BANDWIDTH: Final = 15e9
#: Stands for all kinds.
ANY: Final = ""


def sizes(kernel: Kernel) -> list[float]:
    """What the regression is over: logarithms of sizes, and what blocks waste."""
    inner, outer = kernel.channels // kernel.groups, kernel.out // kernel.groups
    counted = (
        kernel.macs, kernel.reads, kernel.writes, kernel.weights, inner, outer,
        kernel.groups, kernel.window, kernel.stride,
    )  # fmt: skip
    wasted = [
        np.log2(-(-n // block) * block / n) for n in (inner, outer) for block in BLOCKS
    ]
    return [*(float(np.log2(1 + n)) for n in counted), *wasted, float(kernel.adds)]


@dataclass(frozen=True)
class Fit:
    """The regression of one kind of kernel."""

    centre: Numbers
    spread: Numbers
    trend: Numbers
    length: float
    points: Numbers
    pulls: Numbers

    def seconds(self, features: Numbers) -> Numbers:
        """What kernels of these sizes take."""
        scaled = (features - self.centre) / self.spread
        found = _trended(scaled) @ self.trend
        found += _near(scaled, self.points, self.length) @ self.pulls
        found += _plain(features)
        made: Numbers = np.maximum(np.exp(found), LEAST)
        return made


def fit(features: Numbers, seconds: Numbers) -> Fit:
    """The regression of some kernels, whose length and noise leave least when each is
    told by the others alone (leave-one-out; Rasmussen and Williams 2006, 5.12).
    """
    if len(seconds) > MOST:
        kept = np.random.default_rng(0).permutation(len(seconds))[:MOST]
        features, seconds = features[kept], seconds[kept]
    told = np.log(np.maximum(seconds, LEAST)) - _plain(features)
    centre, spread = features.mean(0), np.maximum(features.std(0), SPREAD)
    points = (features - centre) / spread
    design = _trended(points)
    each, whole = RIDGE
    weight = (each * len(told) + whole) * np.eye(design.shape[1])
    weight[-1, -1] = 0.0  # the mean is free
    solved = np.linalg.solve(design.T @ design + weight, design.T @ told)
    trend = np.asarray(solved, np.float64)
    left = told - design @ trend
    some = np.random.default_rng(0).permutation(len(left))[:TRIED]
    _, length, noise = min(
        (_missed(points[some], left[some], length, noise), length, noise)
        for length in LENGTHS
        for noise in NOISES
    )
    pulls = np.asarray(np.linalg.solve(_noisy(points, length, noise), left), np.float64)
    return Fit(centre, spread, trend, length, points, pulls)


def _missed(points: Numbers, left: Numbers, length: float, noise: float) -> float:
    """How far each is off when it is told by the others: the mean square."""
    inverse = np.linalg.inv(_noisy(points, length, noise))
    return float(np.mean(np.square(inverse @ left / np.diag(inverse))))


def _noisy(points: Numbers, length: float, noise: float) -> Numbers:
    return _near(points, points, length) + noise * np.eye(len(points))


class Regression:
    """Times of kernels by kind, from those that were measured.

    A kind of which none was measured is told by kernels of all kinds together.
    """

    def __init__(self, measured: Mapping[Kernel, float]) -> None:
        self._measured = measured
        self._kinds: defaultdict[str, list[Kernel]] = defaultdict(list)
        for kernel in measured:
            self._kinds[kernel.kind].append(kernel)
        self._fits: dict[str, Fit] = {}

    def seconds(self, kernels: Iterable[Kernel]) -> dict[Kernel, float]:
        """What each takes."""
        asked: defaultdict[str, list[Kernel]] = defaultdict(list)
        for kernel in dict.fromkeys(kernels):
            asked[kernel.kind].append(kernel)
        found: dict[Kernel, float] = {}
        for kind, each in asked.items():
            told = self._fit(kind).seconds(_sizes(each))
            found.update(zip(each, told.tolist(), strict=True))
        return found

    def knows(self, kind: str) -> bool:
        """Whether kernels of a kind were measured."""
        return kind in self._kinds

    def _fit(self, kind: str) -> Fit:
        """The regression of a kind, which is made when it is first asked for."""
        kind = kind if kind in self._kinds else ANY
        if kind not in self._fits:
            kernels = self._kinds[kind] if kind else list(self._measured)
            times = np.array([self._measured[kernel] for kernel in kernels])
            self._fits[kind] = fit(_sizes(kernels), times)
        return self._fits[kind]


def _sizes(kernels: Sequence[Kernel]) -> Numbers:
    return np.array([sizes(kernel) for kernel in kernels])


def _plain(features: Numbers) -> Numbers:
    """The logarithm of what the plain machine takes, from :func:`sizes`."""
    macs, *moved = np.exp2(features[:, :4].T) - 1
    made: Numbers = np.log(START + macs / COMPUTE + 4 * sum(moved) / BANDWIDTH)
    return made


def _trended(points: Numbers) -> Numbers:
    return np.hstack([points, np.ones((len(points), 1))])


def _near(one: Numbers, two: Numbers, length: float) -> Numbers:
    """How alike points are: 1 where they are the same (squared exponential)."""
    apart = np.square(one).sum(1)[:, None] + np.square(two).sum(1) - 2 * one @ two.T
    made: Numbers = np.exp(-0.5 * np.maximum(apart, 0.0) / length**2)
    return made
