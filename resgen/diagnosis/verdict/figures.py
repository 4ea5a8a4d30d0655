"""What the rules ask of a network: ratios between its blocks, free of all scales.

A norm of a gradient says nothing by itself: it depends on the size of the batch, on the
loss and on the width. So every figure here compares one block with another, or a step
of the optimiser with the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, inf, log, sqrt
from statistics import median
from typing import Final

from resgen.graph.ir import Graph
from resgen.ops.norm import Norm
from resgen.records.diagnosis import Measures, Moment, Part

#: What stands for zero where a logarithm is taken.
TINY: Final = 1e-300
#: Logarithms beyond this have no number.
LONGEST: Final = 700.0
#: Share of a change, in logarithms, that the blocks named for it carry.
CARRIED: Final = 0.9


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure, and where most of it came about: indices of the first and last part.

    ``rate`` is what it comes to for each block in between.
    """

    value: float
    first: int
    last: int
    rate: float = 1.0


class Figures:
    """One network as initialised from one seed; ``rate`` is the learning rate.

    ``guessing`` is the loss of one that holds all classes alike; ``norms`` are the
    kinds of norms that the network has.

    ``blocks`` are the indices of the parts that are compared: blocks, or all parts but
    the last where there are fewer than two.
    """

    def __init__(
        self,
        graph: Graph,
        parts: Sequence[Part],
        moment: Moment,
        *,
        classes: int,
        rate: float,
    ) -> None:
        self.parts = parts
        self.measures = moment.parts
        self.loss = moment.loss
        self.rate = rate
        self.guessing = log(classes)
        self.norms = frozenset(
            node.op.type for node in graph.nodes if isinstance(node.op, Norm)
        ) - {"none"}
        self.blocks = _compared(parts)

    # --- per block --------------------------------------------------------------------

    @cached_property
    def scale(self) -> list[float] | None:
        """Mean square of what each block gives out."""
        return self._each(_power)

    @cached_property
    def common(self) -> list[float] | None:
        """One over the share of each block's output in which inputs differ."""
        return self._each(
            lambda m: None if m.alike is None else 1 / max(1 - m.alike, TINY)
        )

    @cached_property
    def told(self) -> list[float] | None:
        """Mean square of that in which inputs differ, at each block."""
        scale, common = self.scale, self.common
        if scale is None or common is None:
            return None
        return [s / c for s, c in zip(scale, common, strict=True)]

    @cached_property
    def gradient(self) -> list[float] | None:
        """Norm of the gradient at each block's output."""
        return self._each(lambda m: m.gradient)

    @cached_property
    def reach(self) -> list[float] | None:
        """How far the loss moves where each block's output changes by a share of it.

        Gradient times root mean square. In a stack of maps and ReLUs without norms it
        is the same at every depth, whatever their scales; so its growth is not one of
        scale, but says that small changes are amplified: chaos (Poole et al. 2016,
        "Exponential expressivity in deep neural networks through transient chaos").
        """
        scale, gradient = self.scale, self.gradient
        if scale is None or gradient is None:
            return None
        return [g * sqrt(s) for g, s in zip(gradient, scale, strict=True)]

    # --- of the network ---------------------------------------------------------------

    @cached_property
    def overshoot(self) -> float | None:
        """The first step's length over Polyak's: rate |gradient|^2 / loss.

        At 1 the loss, if it went on falling as it does at first, would be used up by
        one step. In a network with norms it is that of the last part alone: weights
        that a norm follows cannot overshoot for long, since a step makes them longer
        and their gradient smaller by as much (Hoffer et al. 2018, "Norm matters").
        """
        moved = self.measures[-1:] if self.norms else self.measures
        norms = [m.parameter_gradient for m in moved]
        known = [n for n in norms if n is not None]
        if not known or not self.loss or self.loss <= 0:
            return None
        return self.rate * sum(n * n for n in known) / self.loss

    @property
    def alike(self) -> float | None:
        """The share of the last block's output that all inputs have in common."""
        return self.measures[self.blocks[-1]].alike

    @cached_property
    def correlation(self) -> float | None:
        """Of gradients of neighbouring inputs, at the median block."""
        found = [self.measures[i].correlation for i in self.blocks]
        known = [c for c in found if c is not None]
        return median(known) if known else None

    @cached_property
    def shortcut(self) -> float | None:
        """Share of the shortcut in what the median block's sum adds up; None: no sum.

        Of second moments, as if branch and shortcut were uncorrelated.
        """
        shares = [
            m.shortcut**2 / (m.shortcut**2 + m.branch**2)
            for m in (self.measures[i] for i in self.blocks)
            if m.branch is not None and m.shortcut
        ]
        return median(shares) if shares else None

    @cached_property
    def has_shortcuts(self) -> bool:
        """Whether half of the blocks or more add something up."""
        adding = [i for i in self.blocks if self.measures[i].shortcut is not None]
        return 2 * len(adding) >= len(self.blocks)

    @property
    def preset(self) -> str:
        """The shortcut that suits its blocks, by name."""
        label = self.parts[self.blocks[0]].label
        return "preact" if label.startswith("preact") else "projection"

    # --- from block to block ----------------------------------------------------------

    def rise(
        self, values: Sequence[float] | None, *, back: bool = False
    ) -> Reading | None:
        """How many fold a value grows from first to last block, or on its way back."""
        return self._change(values, -1 if back else 1, back)

    def fall(
        self, values: Sequence[float] | None, *, back: bool = False
    ) -> Reading | None:
        """How many fold it falls."""
        return self._change(values, 1 if back else -1, back)

    def _change(
        self, values: Sequence[float] | None, sign: int, back: bool
    ) -> Reading | None:
        if values is None or len(values) < 2:
            return None
        logs = [sign * log(max(v, TINY)) for v in values]
        change = logs[-1] - logs[0]
        first, last = shortest(logs)
        value = exp(change) if change < LONGEST else inf
        rate = exp((logs[last] - logs[first]) / (last - first))
        if back:
            first, last = last, first
        return Reading(value, self.blocks[first], self.blocks[last], rate)

    def _each(self, of: Callable[[Measures], float | None]) -> list[float] | None:
        """A figure at every block; None where one of them was not measured."""
        found = [of(self.measures[i]) for i in self.blocks]
        known = [value for value in found if value is not None]
        return known if len(known) == len(found) else None


def shortest(logs: Sequence[float]) -> tuple[int, int]:
    """The fewest neighbours that carry nearly all of the rise from first to last."""
    wanted = CARRIED * (logs[-1] - logs[0])
    n = len(logs)
    if wanted <= 0:
        return 0, n - 1
    return min(
        (
            (i, j)
            for i in range(n)
            for j in range(i + 1, n)
            if logs[j] - logs[i] >= wanted
        ),
        key=lambda span: (span[1] - span[0], span[0]),
    )


def _compared(parts: Sequence[Part]) -> list[int]:
    blocks = [i for i, part in enumerate(parts) if part.kind == "block"]
    if len(blocks) > 1:
        return blocks
    return list(range(max(len(parts) - 1, 1)))


def _power(m: Measures) -> float | None:
    if m.variance is None or m.mean is None:
        return None
    return m.variance + m.mean**2
