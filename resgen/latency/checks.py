"""Networks held out of a table that predicts them, which tells what to expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any, Final

from resgen.records.profile import Interval
from resgen.words.numbers import count, seconds, share

#: By how much predictions are off of which the share is told.
TOLD: Final = (0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class Check:
    """A network's prediction and what it then took, in seconds.

    ``took`` has a median for each time that it was timed, some minutes apart.
    """

    name: str
    predicted: float
    interval: Interval | None
    took: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """What it took: the median of the times."""
        return median(self.took)

    @property
    def off(self) -> float:
        """By what share of what it took the prediction is off."""
        return abs(self.predicted / self.seconds - 1)

    @property
    def inside(self) -> bool:
        """Whether what it took is within the interval."""
        low, high = self.interval or (0.0, inf)
        return low <= self.seconds <= high

    @property
    def apart(self) -> float:
        """By how much the first time alone is off, which no prediction is to blame for.

        0 where it was timed once.
        """
        return abs(self.took[0] / median(self.took[1:] or self.took) - 1)

    def __str__(self) -> str:
        return f"{seconds(self.took[-1])}, predicted {seconds(self.predicted)}"


@dataclass(frozen=True, slots=True)
class Checks:
    """All that were held out; none where what was timed is too little to tell."""

    each: tuple[Check, ...]

    def close(self, off: float = 0.1) -> float | None:
        """The share of networks that were predicted within so much."""
        return self._share(sum(check.off <= off for check in self.each))

    def inside(self) -> float | None:
        """The share that took what the interval of their prediction says."""
        return self._share(sum(check.inside for check in self.each))

    def steady(self, off: float = 0.1) -> float | None:
        """The share whose times are so close: predictions cannot be closer."""
        return self._share(sum(check.apart <= off for check in self.each))

    def _share(self, number: int) -> float | None:
        return number / len(self.each) if self.each else None

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        return {
            "networks": len(self.each),
            "within_10_percent": self.close(),
            "inside_their_interval": self.inside(),
            "timed_again_within_10_percent": self.steady(),
        }

    def lines(self) -> Iterator[str]:
        """As the terminal shows it."""
        if not self.each:
            return
        told = ", ".join(
            f"{share(self.close(off) or 0, 1, 0)} within {share(off, 1, 0)}"
            for off in TOLD
        )
        inside, steady = self.inside() or 0, self.steady() or 0
        yield f"{count(len(self.each), 'network')} held out: {told}"
        yield f"  {share(inside, 1, 0)} took what their interval says"
        yield (
            f"  {share(steady, 1, 0)} took within 10 % of what they did at other times "
            "of this run"
        )
