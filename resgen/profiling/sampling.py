"""Samples of one call, taken until they say what is to be known.

Warm-up lasts until successive windows agree. Then nothing is discarded: blocks of calls
run until the interval of the median is narrow enough, or time is up. The loop touches
nothing but two arrays, so that what is timed keeps its caches; collecting garbage waits
until the block is over.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final, Literal, TypeAlias

from resgen.records.profile import Samples

Stopped: TypeAlias = Literal["narrow", "time", "interrupted"]
Clock: TypeAlias = Callable[[], float]

#: Seconds that calls run between two looks at the clock's limit: long against the
#: jitter of a scheduler, short for a person.
BLOCK: Final = 0.05
#: Calls of a window at least, and windows that have to agree.
LEAST_CALLS: Final = 3
AGREEING: Final = 3
#: After this many times as many samples the interval is looked at again: looking takes
#: time, and warms other memory than the network's.
GROWTH: Final = 1.3
#: Calls that the loop's own cost is measured with, and how often: the least counts,
#: since what others take of the processor is no cost of the loop.
EMPTY_CALLS: Final = 200
TRIALS: Final = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop.

    ``seconds`` is the most that sampling takes, ``warm_up`` the most that settling
    takes before it. ``half_width`` is how narrow the median's 95 % interval has to be,
    as a share of the median; 0 is never. ``least`` samples and ``least_seconds`` are
    taken even if it is narrow before. ``interval`` is the time from one call to the
    next, as a camera paces them; None is at once.
    """

    seconds: float = 10.0
    warm_up: float = 5.0
    window: float = 0.1
    half_width: float = 0.01
    agree: float = 0.02
    least: int = 30
    least_seconds: float = 1.0
    most: int = 1_000_000
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was taken. ``late`` calls began after their time, where they were paced."""

    samples: Samples
    warm_up: Mapping[str, Any]
    stopped: Stopped
    late: int = 0


@dataclass(slots=True)
class _Loop:
    """The timed loop, and what it has taken."""

    call: Callable[[], float]
    before: Callable[[], object] | None
    interval: float | None
    clock: Clock
    sleep: Callable[[float], None]
    at: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    late: int = 0
    due: float | None = None

    def run(self, count: int) -> None:
        """``count`` more calls; an interrupt leaves those that ended."""
        done = len(self.at)
        room = array("d", bytes(8 * count))
        self.at.extend(room)
        self.seconds.extend(room)
        plain = self.before is None and self.interval is None
        at, seconds, call, clock = self.at, self.seconds, self.call, self.clock
        try:
            while done < len(at):
                if not plain:
                    self._ready()
                at[done] = clock()
                seconds[done] = call()
                done += 1
        finally:
            del at[done:]
            del seconds[done:]

    def _ready(self) -> None:
        if self.interval is not None:
            now = self.clock()
            self.due = now if self.due is None else self.due + self.interval
            if now < self.due:
                self.sleep(self.due - now)
            elif now > self.due:
                self.late += 1
                self.due = now  # a camera drops the frames that nobody was ready for
        if self.before is not None:
            self.before()


def sample(
    call: Callable[[], float],
    limits: Limits,
    *,
    clock: Clock = time.perf_counter,
    before: Callable[[], object] | None = None,
    warm: Callable[[], object] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[float], None] = lambda share: None,
) -> Sampled:
    """Sample ``call``, which returns the seconds that it took.

    ``before`` runs ahead of every call and is not timed, ``warm`` once between warm-up
    and the samples. ``progress`` is told the share of the time limit that has gone. An
    interrupt ends the sampling and keeps what was taken; before the first sample it is
    raised.
    """
    loop = _Loop(call, before, limits.interval, clock, sleep)
    with _collector_paused():
        warm_up = _warm_up(loop, limits)
        if warm is not None:
            warm()
            loop.run(1)  # what it read took the network's place in the caches
        loop = replace(loop, at=array("d"), seconds=array("d"), late=0, due=None)
        stopped = _take(loop, limits, progress)
    first = loop.at[0]
    block = _block_length(loop.seconds)
    samples = Samples(tuple(t - first for t in loop.at), tuple(loop.seconds), block)
    return Sampled(samples, warm_up, stopped, loop.late)


def overhead(wrap: Callable[[Callable[[], object]], Callable[[], float]]) -> float:
    """Seconds that the sampling code costs a call; ``wrap`` is what times one."""
    loop = _Loop(wrap(lambda: None), None, None, time.perf_counter, time.sleep)
    with _collector_paused():
        costs = []
        for _ in range(TRIALS):
            begin = time.perf_counter()
            loop.run(EMPTY_CALLS)
            costs.append((time.perf_counter() - begin) / EMPTY_CALLS)
    return min(costs)


def _warm_up(loop: _Loop, limits: Limits) -> dict[str, Any]:
    """Run windows until the last few agree, or the time for it is over."""
    begin = loop.clock()
    medians: list[float] = []
    settled = False
    while not settled and loop.clock() - begin < limits.warm_up:
        start, calls = loop.clock(), len(loop.seconds)
        while (
            loop.clock() - start < limits.window
            or len(loop.seconds) - calls < LEAST_CALLS
        ):
            loop.run(1)
            if loop.clock() - begin >= limits.warm_up:
                break
        medians.append(median(loop.seconds[calls:]))
        last = medians[-AGREEING:]
        settled = len(last) == AGREEING and max(last) <= min(last) * (1 + limits.agree)
    return {
        "seconds": loop.clock() - begin,
        "calls": len(loop.seconds),
        "windows": medians,
        "settled": settled,
    }


def _take(loop: _Loop, limits: Limits, progress: Callable[[float], None]) -> Stopped:
    begin, look = loop.clock(), limits.least
    try:
        while True:
            gone = loop.clock() - begin
            progress(min(gone / limits.seconds, 1.0) if limits.seconds else 1.0)
            done = len(loop.seconds)
            if done and (gone >= limits.seconds or done >= limits.most):
                return "time"
            if done >= look and gone >= limits.least_seconds:
                if narrow(loop.seconds, limits):
                    return "narrow"
                look = int(done * GROWTH) + 1
            loop.run(_count(loop, limits, limits.seconds - gone))
    except KeyboardInterrupt:
        if not loop.seconds:
            raise
        return "interrupted"


def _count(loop: _Loop, limits: Limits, left: float) -> int:
    """Calls of the next block: as many as fit into it and into what is left."""
    if not loop.seconds:
        return 1
    gone = loop.at[-1] - loop.at[0] + loop.seconds[-1]
    each = max(gone / len(loop.seconds), limits.interval or 0.0, 1e-9)
    room = limits.most - len(loop.seconds)
    return max(1, min(int(min(BLOCK, left) / each), room))


def narrow(seconds: Sequence[float], limits: Limits) -> bool:
    """Whether the interval of the median is as narrow as it has to be."""
    if not limits.half_width:
        return False
    import numpy as np

    from resgen.profiling.statistics.stats import block_length, median_interval

    taken = np.asarray(seconds)
    low, high = median_interval(taken, block_length(taken))
    return bool((high - low) / 2 <= limits.half_width * np.median(taken))


def _block_length(seconds: array[float]) -> int:
    import numpy as np

    from resgen.profiling.statistics.stats import block_length

    return block_length(np.asarray(seconds))


@contextmanager
def _collector_paused() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
