"""Whether the machine was steady while samples were taken, and if not, why.

An unsteady machine is labelled and its data kept: who reads a figure has to know what
else was going on. Limits are where an influence on a median becomes visible, and
:func:`unsteady` says what was seen, never what it must have caused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from resgen.machine.gpu import SLOWDOWNS
from resgen.machine.state import snapshot
from resgen.records.profile import Samples
from resgen.words.numbers import share

State = Mapping[str, Any]

#: Shares of the cores' time.
OTHERS: Final = 0.10
STOLEN: Final = 0.02
#: Shares of the time that passed.
HELD: Final = 0.02
PRESSED: Final = 0.02
#: Relative change of a clock.
CLOCK: Final = 0.10
#: Degrees by which it may warm up.
WARMER: Final = 15.0
#: Threads that lose a core, a second.
SWITCHES: Final = 50.0
#: Pages.
SWAPPED: Final = 256
#: So many times the median is a stall, and so many samples may be.
STALL: Final = 2.0
STALLS: Final = 0.01
#: Linux counts work in ticks of 10 ms: less than this tells nothing of shares.
SHORTEST: Final = 0.25


def unsteady(
    before: State, after: State, samples: Samples | Sequence[float] = ()
) -> tuple[str, ...]:
    """Sentences on what was unsteady between two snapshots; none for a steady machine.

    ``samples`` are what was taken in between, in seconds each.
    """
    seconds = samples.seconds if isinstance(samples, Samples) else samples
    passed = after["at"] - before["at"]
    found: list[str] = []
    if passed > 0:
        found += _load(before, after, passed)
        found += _held(before, after, passed)
    found += _clocks(before, after)
    found += _heat(before, after)
    found += _memory(before, after, passed)
    found += _gpu(before.get("gpu", {}), after.get("gpu", {}), passed)
    found += _stalls(seconds)
    return tuple(found)


def glance(device: str = "cpu") -> tuple[str, ...]:
    """What is unsteady of this machine while this process does nothing."""
    before = snapshot(device)
    time.sleep(2 * SHORTEST)
    return unsteady(before, snapshot(device))


def _grown(before: State, after: State, *names: str) -> float | None:
    """By how much a counter has grown; None where it is not in both."""
    one: Any = before
    two: Any = after
    for name in names:
        if name not in one or name not in two:
            return None
        one, two = one[name], two[name]
    return float(two) - float(one)


def _percent(part: float) -> str:
    """A share, which the grain of counters may bring above one.

    >>> _percent(0.384), _percent(1.01)
    ('38 %', '100 %')
    """
    return share(min(part, 1.0), 1, 0)


def _load(before: State, after: State, passed: float) -> Iterator[str]:
    if passed < SHORTEST:
        return
    busy, own = _grown(before, after, "busy"), _grown(before, after, "own")
    stolen = _grown(before, after, "stolen")
    whole = passed * after.get("cores", 1)
    if busy is not None and own is not None and (busy - own) / whole > OTHERS:
        share = _percent((busy - own) / whole)
        yield f"other processes took {share} of the cores' time"
    if stolen is not None and stolen / whole > STOLEN:
        share = _percent(stolen / whole)
        yield f"the hypervisor gave {share} of the cores' time to others"
    pushed = _grown(before, after, "switches", "involuntary")
    if pushed is not None and pushed / whole > SWITCHES:
        rate = pushed / passed
        yield f"threads of the process lost their core {rate:.0f} times a second"


def _held(before: State, after: State, passed: float) -> Iterator[str]:
    times = _grown(before, after, "quota", "times")
    seconds = _grown(before, after, "quota", "seconds")
    if times and seconds is not None and seconds / passed > HELD:
        yield (
            f"the container's quota of cores stopped it {times:.0f} times, for "
            f"{seconds:.2f} s in all"
        )
    if after.get("on_battery"):
        yield "the machine ran on its battery"


def _clocks(before: State, after: State) -> Iterator[str]:
    # The fastest core, since those that idle say nothing of the work.
    first, last = (max(s.get("clocks_hz") or [0]) for s in (before, after))
    if first and last and abs(last / first - 1) > CLOCK:
        yield (
            f"the fastest core ran at {first / 1e9:.2f} GHz before and at "
            f"{last / 1e9:.2f} GHz after"
        )


def _heat(before: State, after: State) -> Iterator[str]:
    throttles = _grown(before, after, "throttles")
    if throttles:
        yield f"the processor slowed down for heat {throttles:.0f} times"
    boards = before.get("jetson", {}), after.get("jetson", {})
    for one, two in ((before, after), boards):
        for name, degrees in two.get("temperatures_c", {}).items():
            first = one.get("temperatures_c", {}).get(name)
            if first is not None and degrees - first > WARMER:
                yield f"{name} warmed from {first:.0f} to {degrees:.0f} degrees Celsius"


def _memory(before: State, after: State, passed: float) -> Iterator[str]:
    swapped = _grown(before, after, "memory", "swapped_pages")
    if swapped is not None and swapped > SWAPPED:
        yield f"memory was short: {swapped:.0f} pages were swapped"
    waited = _grown(before, after, "pressure", "memory")
    if waited is not None and passed > 0 and waited / passed > PRESSED:
        yield f"processes waited for memory {_percent(waited / passed)} of the time"


def _gpu(before: State, after: State, passed: float) -> Iterator[str]:
    for cause in after.get("held", {}):
        seconds = _grown(before, after, "held", cause)
        if seconds is not None and passed > 0 and seconds / passed > HELD:
            share = _percent(seconds / passed)
            yield f"the GPU's clocks were held down {share} of the time by {cause}"
    if not after.get("held"):
        for reason in sorted(SLOWDOWNS.intersection(after.get("reasons", ()))):
            yield f"the GPU's clocks were held down in the end: {reason}"
    first, last = before.get("clock_hz"), after.get("clock_hz")
    if first and last and abs(last / first - 1) > CLOCK:
        yield (
            f"the GPU ran at {first / 1e6:.0f} MHz before and at {last / 1e6:.0f} MHz "
            "after"
        )
    degrees = _grown(before, after, "temperature_c")
    if degrees is not None and degrees > WARMER:
        yield f"the GPU warmed by {degrees:.0f} degrees Celsius"
    others = max(before.get("others", 0), after.get("others", 0))
    if others:
        more = "another process" if others == 1 else f"{others} other processes"
        yield f"{more} had the GPU open"


def _stalls(seconds: Sequence[float]) -> Iterator[str]:
    if len(seconds) == 0:
        return
    limit = STALL * median(seconds)
    stalls = sum(each > limit for each in seconds)
    if stalls > max(STALLS * len(seconds), 1):
        yield f"{stalls} of {len(seconds)} samples took more than twice the median"
