"""Several requests in flight: how many inputs a second get through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from resgen.profiling.sampling import GROWTH, Limits, Sampled, Stopped, narrow
from resgen.records.profile import Samples

#: Seconds between two looks at what got through, and looks that have to agree.
LOOK: Final = 0.25
AGREEING: Final = 3
#: How far they may differ: a look counts few requests, so it is coarser than a median.
AGREE: Final = 0.1


@dataclass(slots=True)
class _Lane:
    """One request after another, in a thread of its own; (begin, end) of each."""

    work: Callable[[], object]
    stop: threading.Event
    taken: list[tuple[float, float]] = field(default_factory=list)
    failure: BaseException | None = None

    def run(self) -> None:
        clock, work, stop = time.perf_counter, self.work, self.stop
        try:
            while not stop.is_set():
                begin = clock()
                work()
                self.taken.append((begin, clock()))
        except BaseException as failure:  # handed to the thread that waits
            self.failure = failure


def flow(
    works: Sequence[Callable[[], object]],
    limits: Limits,
    *,
    warm: Callable[[], object] = lambda: None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Sampled, float]:
    """Samples of single requests, and how many of them ended in a second.

    ``works`` run beside each other, one a lane. Warm-up lasts until as many get through
    in one look as in the next; ``warm`` runs between it and the samples. An interrupt
    ends the sampling and keeps what was taken; before the first sample it is raised.
    """
    stop = threading.Event()
    lanes = [_Lane(work, stop) for work in works]
    threads = [threading.Thread(target=lane.run, daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    try:
        warm_up = _settle(lanes, limits)
        warm()
        begin = time.perf_counter()
        end, stopped = _watch(lanes, begin, limits, progress)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    done = _between(lanes, begin, end)
    first = done[0][0]
    samples = Samples(
        tuple(a - first for a, _ in done), tuple(b - a for a, b in done), len(lanes)
    )
    return Sampled(samples, warm_up, stopped), len(done) / (end - begin)


def _watch(
    lanes: Sequence[_Lane],
    begin: float,
    limits: Limits,
    progress: Callable[[float], None],
) -> tuple[float, Stopped]:
    """Wait until enough got through since ``begin``: when that was, and why."""
    looked = 0
    try:
        while True:
            time.sleep(min(LOOK, limits.seconds))
            end = time.perf_counter()
            _check(lanes)
            gone, done = end - begin, _between(lanes, begin, end)
            progress(min(gone / limits.seconds, 1.0))
            if gone >= limits.seconds and done:
                return end, "time"
            enough = len(done) >= max(limits.least, looked * GROWTH)
            if enough and gone >= limits.least_seconds:
                looked = len(done)
                if narrow([b - a for a, b in done], limits):
                    return end, "narrow"
    except KeyboardInterrupt:
        end = time.perf_counter()
        if not _between(lanes, begin, end):
            raise
        return end, "interrupted"


def _settle(lanes: Sequence[_Lane], limits: Limits) -> dict[str, Any]:
    begin = time.perf_counter()
    rates: list[float] = []
    settled = False
    while not settled and time.perf_counter() - begin < limits.warm_up:
        start, before = time.perf_counter(), sum(len(lane.taken) for lane in lanes)
        done = 0
        while done < len(lanes) and time.perf_counter() - begin < limits.warm_up:
            time.sleep(LOOK)
            _check(lanes)
            done = sum(len(lane.taken) for lane in lanes) - before
        rates.append(done / (time.perf_counter() - start))
        last = rates[-AGREEING:]
        settled = len(last) == AGREEING and max(last) <= min(last) * (1 + AGREE)
    return {
        "seconds": time.perf_counter() - begin,
        "calls": sum(len(lane.taken) for lane in lanes),
        "windows": rates,
        "settled": settled,
    }


def _between(
    lanes: Sequence[_Lane], begin: float, end: float
) -> list[tuple[float, float]]:
    """Requests that ended in this time, by when they began."""
    found = [t for lane in lanes for t in lane.taken[:] if begin < t[1] <= end]
    return sorted(found)


def _check(lanes: Sequence[_Lane]) -> None:
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
