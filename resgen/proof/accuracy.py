"""What a low precision costs: outputs and blocks against the float32 network.

Rounding to 8 bits is no fault, so nothing here has to be equal: noise is measured, in
decibels below the signal, at the end of every block. What an engine computes from a
file comes from the file; what its blocks yield comes from the same graph, run operator
by operator without an engine's own optimisations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import inf, log10, sqrt
from typing import Any, Final

import numpy as np

from resgen.graph.ir import Graph
from resgen.graph.parts import Part, homes
from resgen.proof.classes import Z95, Classes, SameClass, classes
from resgen.proof.reach import reach
from resgen.runtime.base import Array

#: From how many inputs on the share of equal classes is a judge and not only advice:
#: at 300 a share of 99 % is known to 1.2 points (Wilson, 95 %).
ENOUGH: Final = 300


@dataclass(frozen=True, slots=True)
class BlockNoise:
    """The noise in what a block yields.

    ``snr`` is the signal's power over the noise's in dB, over all inputs. ``block`` is
    None for a section without blocks.
    """

    value: str
    section: str
    block: int | None
    snr: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far a low-precision network is from the float32 one, over ``inputs`` inputs.

    ``top1`` counts those whose largest element is the same in the vector of scores that
    agrees least, ``top1_output`` where there are several outputs; ``interval`` is the
    95 % interval of their share (Wilson 1927); None where there is none. ``outputs``
    are the signal-to-noise ratios of all in dB; ``output`` has the least, ``snr``, and
    the figures that follow are its: ``cosine`` is the mean over inputs, ``largest`` and
    ``p999`` are the largest and the 99.9th percentile of differences, in units of the
    output's range. ``judge`` is what ran the low-precision network. ``finite`` is false
    where the float32 network gives numbers that are not, and then nothing is known.
    ``classes`` compares both networks with the right classes, where those are known.
    """

    judge: str
    inputs: int
    output: str
    outputs: Mapping[str, float]
    top1: tuple[int, int] | None
    interval: tuple[float, float] | None
    cosine: float
    largest: float
    p999: float
    snr: float
    blocks: tuple[BlockNoise, ...]
    finite: bool = True
    classes: Classes | None = None
    top1_output: str | None = None

    @property
    def worst(self) -> BlockNoise | None:
        """The block with the most noise."""
        return min(self.blocks, key=lambda b: b.snr, default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain data; a signal-to-noise ratio without noise is null."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def block_values(graph: Graph) -> dict[str, tuple[str, int | None]]:
    """The value that each block, or section without blocks, ends with, in order."""
    ends: dict[Part, str] = {}
    at = homes(graph)
    for node in graph.nodes:
        ends.pop(at[node.name], None)
        ends[at[node.name]] = node.name
    return {value: (part.section.name, part.block) for part, value in ends.items()}


@dataclass
class Tally:
    """Collects what two networks yield, a batch at a time."""

    blocks: Mapping[str, tuple[str, int | None]]
    signal: dict[str, float] = field(default_factory=dict)
    noise: dict[str, float] = field(default_factory=dict)
    wanted: dict[str, list[Array]] = field(default_factory=dict)
    found: dict[str, list[Array]] = field(default_factory=dict)

    def add_blocks(
        self, wanted: Mapping[str, Array], found: Mapping[str, Array]
    ) -> None:
        """What blocks yield, by value; only sums are kept."""
        for value in self.blocks:
            exact = wanted[value].astype(np.float64)
            apart = found[value].astype(np.float64) - exact
            self.signal[value] = self.signal.get(value, 0.0) + float((exact**2).sum())
            self.noise[value] = self.noise.get(value, 0.0) + float((apart**2).sum())

    def add_output(self, name: str, wanted: Array, found: Array) -> None:
        """An output of the network, one row an input."""
        self.wanted.setdefault(name, []).append(wanted.astype(np.float32))
        self.found.setdefault(name, []).append(found.astype(np.float32))

    def accuracy(self, judge: str, targets: Array | None = None) -> Accuracy:
        """The sum of it all; of a network that overflows, figures are no numbers."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self._accuracy(judge, targets)

    def _accuracy(self, judge: str, targets: Array | None) -> Accuracy:
        pairs = {
            name: (np.concatenate(wanted), np.concatenate(self.found[name]))
            for name, wanted in self.wanted.items()
        }
        same = SameClass()
        for name, pair in pairs.items():
            same.add(name, *pair)
        right = None
        if targets is not None and same.least is not None:
            right = classes(*pairs[same.least], targets)
        ratios = {name: _ratio(*pair) for name, pair in pairs.items()}
        output = min(ratios, key=ratios.__getitem__)
        wanted, found = pairs[output]
        count = len(wanted)
        exact, low = (a.reshape(count, -1).astype(np.float64) for a in (wanted, found))
        shares = np.abs(low - exact) / reach(exact)
        lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(low, axis=1)
        products = (exact * low).sum(axis=1)
        cosines = np.divide(products, lengths, np.ones(count), where=lengths > 0)
        return Accuracy(
            judge=judge,
            inputs=count,
            output=output,
            outputs=ratios,
            top1=same.top1,
            interval=None if same.top1 is None else wilson(*same.top1),
            cosine=float(cosines.mean()),
            largest=float(shares.max()),
            p999=float(np.percentile(shares, 99.9)),
            snr=ratios[output],
            blocks=tuple(
                BlockNoise(value, *at, decibels(self.signal[value], self.noise[value]))
                for value, at in self.blocks.items()
                if value in self.signal
            ),
            finite=all(np.isfinite(wanted).all() for wanted, _ in pairs.values()),
            classes=right,
            top1_output=same.named,
        )


def _ratio(wanted: Array, found: Array) -> float:
    """The signal over the noise in dB."""
    exact = wanted.astype(np.float64)
    apart = found - exact
    return decibels(float((exact**2).sum()), float((apart**2).sum()))


def decibels(signal: float, noise: float) -> float:
    """The ratio of two powers; infinite where there is no noise, nan where no number.

    >>> decibels(100.0, 1.0)
    20.0
    """
    if noise == 0:
        return inf
    return 10 * log10(signal / noise) if 0 < signal < inf and noise < inf else -inf


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927, score interval).

    >>> low, high = wilson(297, 300)
    >>> round(low, 3), round(high, 3)
    (0.971, 0.997)
    """
    share, z2 = successes / trials, Z95**2 / trials
    middle = (share + z2 / 2) / (1 + z2)
    half = Z95 / (1 + z2) * sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
