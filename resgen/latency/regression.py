"""Times of kernels that were not measured, from those of kernels that were.

Gaussian process regression (Rasmussen and Williams 2006, chapter 2) of the logarithm of
the time, about what a plain machine would take: where many alike were measured the
neighbours decide, far from them a trend, and where few were measured the plain machine,
by a factor. Kinds of kernel that do like work are told together: what one kind shows of
sizes is half of what is believed of another, until that has shown its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import log2
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resgen.latency.kernels import Kernel

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]

#: No kernel takes less, in seconds: what profilers tell apart.
LEAST: Final = 1e-7
#: What the clocks of profilers tick in, in seconds: no time is better known.
TICK: Final = 1e-6
#: So many of a family that are most alike tell of a kernel: the time that it takes to
#: ask them grows with their cube, and what the others would add is little.
NEAREST: Final = 150
#: Kernels that are asked for at once, which bounds the memory.
TOGETHER: Final = 64
#: Of a family so many tell what length and noise suit it.
TRIED: Final = 300
#: Lengths, in those of :func:`sizes`, and relative noises of times that are tried.
LENGTHS: Final = (0.5, 1.0, 2.0)
NOISES: Final = (0.03, 0.06, 0.12)
#: Variances of the logarithm of the time: about the trend, of how steep that is, and of
#: how far kinds, and all together, are from the plain machine.
AROUND: Final = 0.16
TREND: Final = 0.03
KINDS: Final = 0.25
ALL: Final = 1.0
#: How much of what is believed of one kind is believed of the others of its family.
SHARED: Final = 0.5
#: The plain machine: seconds of a kernel, multiply-adds and bytes a second.
START: Final = 2e-7
COMPUTE: Final = 60e9
BANDWIDTH: Final = 15e9
#: Channels that engines compute at once, in blocks and in several blocks.
BLOCK: Final = 16
BLOCKS: Final = 64


@cache
def sizes(kernel: Kernel) -> tuple[float, ...]:
    """What the regression is over, in lengths: so far apart, little is told.

    Logarithms of sizes are in lengths of two to four doublings. Channels that are no
    multiple of 4 or 8 may run in another way altogether, and what a last block lacks is
    computed as well.
    """
    inner, outer = kernel.channels // kernel.groups, kernel.out // kernel.groups
    logarithms = (
        (kernel.writes / kernel.out, 2.0),
        (kernel.reads / kernel.channels, 3.0),
        (inner, 2.0),
        (outer, 2.0),
        (kernel.groups, 2.0),
        (kernel.window, 1.5),
        (kernel.stride, 1.5),
        (1 + kernel.weights, 4.0),
        (_whole(inner, BLOCK), 1.0),
        (_whole(outer, BLOCK), 0.7),
        (_whole(outer, BLOCKS), 2.0),
    )
    flags = (
        (kernel.channels % 4 != 0, 0.5),
        (kernel.out % 4 != 0, 0.5),
        (inner % 8 != 0, 2.0),
        (outer % 8 != 0, 2.0),
        (inner < BLOCK, 1.0),
        (min(kernel.adds, 2), 1.0),
        (kernel.maps, 1.0),
        (kernel.others, 1.0),
    )
    return (
        *(log2(size) / length for size, length in logarithms),
        *(flag / length for flag, length in flags),
    )


def _whole(count: int, block: int) -> float:
    """What whole blocks compute, over what there is."""
    return -(-count // block) * block / count


def family(kernel: Kernel) -> str:
    """The kinds of kernel that are told together."""
    first = kernel.kind.split()[0]
    if first.startswith("conv"):
        return f"{kernel.kind} of one" if kernel.window == 1 else kernel.kind
    return "product" if first in {"linear", "matmul"} else "others"


class _Around(NamedTuple):
    """Points near to one of a family, from their ``centre``, and how each pulls."""

    centre: Numbers
    points: Numbers
    kinds: Places
    pulls: Numbers


@dataclass(frozen=True)
class Fit:
    """The regression of one family of kernels.

    ``told`` is the logarithm of what each takes over what the plain machine does, and
    ``noise`` the variance of that.
    """

    length: float
    points: Numbers
    kinds: Places
    told: Numbers
    noise: Numbers
    places: Mapping[str, int]
    _known: dict[int, _Around] = field(default_factory=dict)

    def alike(self, kernels: Sequence[Kernel]) -> Numbers:
        """How much the nearest of ours tells of each: 1 for one that is ours, to 0."""
        kinds = np.array([self.places.get(k.kind, -1) for k in kernels])
        near = _matern(_sizes(kernels), self.points, self.length)
        found: Numbers = (_same(kinds, self.kinds) * near).max(1)
        return found

    def seconds(self, kernels: Sequence[Kernel]) -> Numbers:
        """What kernels take."""
        points = _sizes(kernels)
        kinds = np.array([self.places.get(k.kind, -1) for k in kernels])
        parts = range(0, len(kernels), TOGETHER)
        told = [
            self._told(points[at : at + TOGETHER], kinds[at : at + TOGETHER])
            for at in parts
        ]
        found: Numbers = np.exp(np.concatenate(told) + _plain(kernels))
        return np.maximum(found, LEAST)

    def _told(self, points: Numbers, kinds: Places) -> Numbers:
        """The logarithms at some points, each by what is around the nearest of ours."""
        around = [self._around(at) for at in self._like(points, kinds).argmax(1)]
        near = _Around(*(np.stack(each) for each in zip(*around, strict=True)))
        alike = _alike(
            (points - near.centre)[:, None], near.points,
            kinds[:, None], near.kinds, self.length,
        )  # fmt: skip
        told: Numbers = (alike[:, 0] * near.pulls).sum(1)
        return told

    def _like(self, points: Numbers, kinds: Places) -> Numbers:
        """How alike ours are to some points, but for what all have in common."""
        near = _matern(points, self.points, self.length, self._lengths)
        near *= _same(kinds, self.kinds)
        return near

    @cached_property
    def _lengths(self) -> Numbers:
        return _lengths(self.points)

    def _around(self, at: int) -> _Around:
        """Those that are most alike to one, and how each of them pulls.

        Kernels that have the same one nearest to them are told by the same ones, so
        that this is solved once for all of them.
        """
        if at not in self._known:
            near = self._like(self.points[[at]], self.kinds[[at]])[0]
            count = min(NEAREST, len(self.points))
            chosen: Places = np.argpartition(-near, count - 1)[:count]
            centre: Numbers = self.points[chosen].mean(0)
            theirs, kinds = self.points[chosen] - centre, self.kinds[chosen]
            among = _alike(theirs, theirs, kinds, kinds, self.length)
            among += np.diag(self.noise[chosen])
            pulls: Numbers = np.asarray(np.linalg.solve(among, self.told[chosen]))
            self._known[at] = _Around(centre, theirs, kinds, pulls)
        return self._known[at]


def fit(kernels: Sequence[Kernel], seconds: Numbers) -> Fit:
    """The regression of some kernels, whose length and noise leave least when each is
    told by the others alone (leave-one-out; Rasmussen and Williams 2006, 5.12).
    """
    seconds = np.maximum(seconds, LEAST)
    told = np.log(seconds) - _plain(kernels)
    points = _sizes(kernels)
    places: dict[str, int] = {}
    kinds = np.array([places.setdefault(k.kind, len(places)) for k in kernels])
    ticks = np.square(np.minimum(TICK / seconds, 1.0))
    some = np.random.default_rng(0).permutation(len(told))[:TRIED]
    few = points[some] - points[some].mean(0)

    tried = []
    for length in LENGTHS:
        alike = _alike(few, few, kinds[some], kinds[some], length)
        for noise in NOISES:
            covariance = alike + np.diag(noise**2 + ticks[some])
            tried.append((_missed(covariance, told[some]), length, noise))
    _, length, noise = min(tried)
    return Fit(length, points, kinds, told, noise**2 + ticks, places)


def _missed(covariance: Numbers, told: Numbers) -> float:
    """How far each is off when it is told by the others: the mean square."""
    inverse = np.linalg.inv(covariance)
    return float(np.mean(np.square(inverse @ told / np.diag(inverse))))


class Regression:
    """Times of kernels by family, from those that were measured.

    A family of which none was measured is told by kernels of all together.
    """

    def __init__(self, measured: Mapping[Kernel, float]) -> None:
        self._measured = measured
        self._kinds = {kernel.kind for kernel in measured}
        self._families: defaultdict[str, list[Kernel]] = defaultdict(list)
        for kernel in measured:
            self._families[family(kernel)].append(kernel)
        self._fits: dict[str, Fit] = {}

    def seconds(self, kernels: Iterable[Kernel]) -> dict[Kernel, float]:
        """What each takes."""
        asked: defaultdict[str, list[Kernel]] = defaultdict(list)
        for kernel in dict.fromkeys(kernels):
            asked[family(kernel)].append(kernel)
        found: dict[Kernel, float] = {}
        for name, each in asked.items():
            told = self._fit(name).seconds(each)
            found.update(zip(each, told.tolist(), strict=True))
        return found

    def alike(self, kernels: Iterable[Kernel]) -> dict[Kernel, float]:
        """How much what was measured tells of each: from 1 to 0, of a new family."""
        found = dict.fromkeys(kernels, 0.0)
        asked: defaultdict[str, list[Kernel]] = defaultdict(list)
        for kernel in found:
            if kernel in self._measured:
                found[kernel] = 1.0
            elif family(kernel) in self._families:
                asked[family(kernel)].append(kernel)
        for name, each in asked.items():
            found.update(zip(each, self._fit(name).alike(each).tolist(), strict=True))
        return found

    def knows(self, kind: str) -> bool:
        """Whether kernels of a kind were measured."""
        return kind in self._kinds

    def _fit(self, name: str) -> Fit:
        """The regression of a family, which is made when it is first asked for."""
        if name not in self._fits:
            kernels = self._families.get(name) or list(self._measured)
            times = np.array([self._measured[kernel] for kernel in kernels])
            self._fits[name] = fit(kernels, times)
        return self._fits[name]


def _sizes(kernels: Sequence[Kernel]) -> Numbers:
    return np.array([sizes(kernel) for kernel in kernels])


def _same(one: Places, two: Places) -> Numbers:
    """How much of what is believed of one kernel's kind is believed of another's."""
    made: Numbers = np.where(one[..., :, None] == two[..., None, :], 1.0, SHARED)
    return made


def _plain(kernels: Sequence[Kernel]) -> Numbers:
    """The logarithm of what the plain machine takes."""
    return np.log([
        START + k.macs / COMPUTE + 4 * (k.reads + k.writes + k.weights) / BANDWIDTH
        for k in kernels
    ])  # fmt: skip


def _alike(
    one: Numbers, two: Numbers, kinds: Places, others: Places, length: float
) -> Numbers:
    """The covariance of what kernels take over what the plain machine does."""
    trend = TREND * one @ np.swapaxes(two, -1, -2)
    near = AROUND * _matern(one, two, length)
    made: Numbers = _same(kinds, others) * (near + trend + KINDS)
    return made + (ALL - KINDS * SHARED)


def _matern(
    one: Numbers, two: Numbers, length: float, lengths: Numbers | None = None
) -> Numbers:
    """How alike points are: times bend where blocks and caches end.

    Matern's class with 3/2 (Rasmussen and Williams 2006, 4.17). ``lengths`` are those
    of the points of ``two``, squared, where they are known.
    """
    far = -2 * one @ np.swapaxes(two, -1, -2)
    far += _lengths(one)[..., :, None]
    far += (_lengths(two) if lengths is None else lengths)[..., None, :]
    np.maximum(far, 0.0, out=far)
    far *= 3 / length**2
    np.sqrt(far, out=far)
    near: Numbers = np.exp(-far)
    near *= 1 + far
    return near


def _lengths(points: Numbers) -> Numbers:
    """The lengths of points, squared."""
    found: Numbers = np.einsum("...i,...i->...", points, points)
    return found
