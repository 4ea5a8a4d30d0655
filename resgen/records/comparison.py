"""Two networks beside each other: a verdict, what it rests on, and what is known.

Times are seconds, sizes are bytes, and what is compared is always B against A.
:data:`FORMAT` grows with every change that an older reader would misunderstand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Any, Final, Literal, TypeAlias

from resgen.records.profile import LONGEST, Interval

FORMAT: Final = 1
Verdict: TypeAlias = Literal["faster", "slower", "equal", "undecided"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians of two processes beside each other, and the second's over the first's."""

    first: float
    second: float
    ratio: float

    def __post_init__(self) -> None:
        _times(self.first, self.second)
        if not self.first or not isclose(self.ratio, self.second / self.first):
            raise ValueError("the ratio is not the second time over the first")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one side took: the median over the medians of its processes.

    ``interval`` is at 95 %, over processes; None where they are too few.
    """

    median: float
    interval: Interval | None
    processes: tuple[float, ...]
    samples: int

    def __post_init__(self) -> None:
        ends = self.interval or (self.median, self.median)
        _times(self.median, *ends, *self.processes)
        if not ends[0] <= self.median <= ends[1]:
            raise ValueError("the median is not within its interval")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What the manifest of an export knows: a share of ``inputs``, at 95 %.

    ``counts`` are inputs told ``right`` (of labelled ones), or those given the ``same``
    class as by the float32 network; ``float32`` is the share that this tells right.
    ``on`` is what was looked at, ``output`` the one that tells the classes where a
    network has several.
    """

    counts: Literal["right", "same"]
    share: float
    interval: Interval
    inputs: int
    on: str
    float32: float | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        shares = (self.share, *self.interval, self.float32 or 0.0)
        if not all(0 <= share <= 1 for share in shares) or self.inputs < 1:
            raise ValueError("an accuracy is a share of at least one input")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. ``bytes`` is the size of the files that its runtime opens.

    ``at`` is when it was measured, where that was in another session.
    """

    name: str
    sha256: str | None
    kind: str
    precision: str
    runtime: str
    weights: str | None = None
    params: int | None = None
    macs: int | None = None
    bytes: int | None = None
    latency: Latency | None = None
    accuracy: Accuracy | None = None
    at: str | None = None

    def __post_init__(self) -> None:
        counts = (self.params, self.macs, self.bytes)
        if any(count is not None and count < 0 for count in counts):
            raise ValueError("a count is never negative")


@dataclass(frozen=True, slots=True)
class Difference:
    """A part, what B takes more than A in it, and what was built otherwise.

    ``noise`` is the largest change of either side between two processes. ``blocks`` are
    those of the part that differ by more than their noise, the largest first.
    """

    part: str
    seconds: float
    noise: float
    why: str = ""
    blocks: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        _times(abs(self.seconds), self.noise, *(abs(s) for _, s in self.blocks))


@dataclass(frozen=True, slots=True)
class PartTimes:
    """A part's operator times in A and in B, and its multiply-adds for one input.

    ``path`` is a section, a block of it, ``shortcuts`` (which are then in no section),
    ``across`` or ``unknown``. Times are those under the profiler.
    """

    path: str
    kind: Literal["section", "block", "other"]
    first: float
    second: float
    noise: float
    macs: tuple[int | None, int | None] = (None, None)

    def __post_init__(self) -> None:
        _times(self.first, self.second, self.noise)


@dataclass(frozen=True, slots=True)
class Shared:
    """A run that two saved results have in common: their medians, B's over A's."""

    label: str
    ratio: float
    medians: tuple[float, float]

    def __post_init__(self) -> None:
        Pair(*self.medians, self.ratio)


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A. ``command`` is what compares them again.

    ``interval`` is of ``ratio`` at ``level``, ``floor`` what A differed from itself,
    ``more_seconds`` how much longer would decide it. Two saved results are of two
    sessions: these have ``runs`` in common and no ratio, and ``why`` says that nothing
    follows.
    """

    verdict: Verdict
    a: Side
    b: Side
    command: tuple[str, ...]
    created: str  # ISO 8601, UTC
    resgen: str
    device: str | None = None
    batch: int | None = None
    mode: str | None = None
    threads: int | None = None
    ratio: float | None = None
    interval: Interval | None = None
    level: float | None = None
    p: float | None = None
    floor: float | None = None
    medians: tuple[float, float] | None = None
    pairs: tuple[Pair, ...] = ()
    alike: tuple[Pair, ...] = ()
    seconds: float | None = None
    more_seconds: float | None = None
    differences: tuple[Difference, ...] = ()
    parts: tuple[PartTimes, ...] = ()
    runs: tuple[Shared, ...] = ()
    why: str | None = None
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        measured = (
            self.ratio, self.interval, self.level, self.floor, self.medians,
            self.seconds, self.batch, self.mode, self.a.latency, self.b.latency,
        )  # fmt: skip
        if any(value is None for value in measured):
            if self.verdict != "undecided" or self.ratio is not None:
                raise ValueError("a verdict lacks what it rests on")
            return
        if not self.pairs:
            raise ValueError("a verdict without pairs")
        (low, high), ratio = self.interval or (0.0, 0.0), self.ratio or 0.0
        _times(self.seconds or 0.0, self.more_seconds or 0.0, *(self.medians or ()))
        if not 0 < low <= ratio <= high < LONGEST or not 0 <= (self.floor or 0) < 100:
            raise ValueError("the ratio is not within its interval")
        if (self.verdict, True) in (("faster", high >= 1), ("slower", low <= 1)):
            raise ValueError(
                f"the interval {low:.3f} to {high:.3f} is not {self.verdict}"
            )


def _times(*seconds: float) -> None:
    if not all(0 <= value <= LONGEST for value in seconds):
        raise ValueError("times are seconds of a run")
