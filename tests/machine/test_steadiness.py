"""What is said of an unsteady machine, and that nothing is said of a steady one."""

from __future__ import annotations

from typing import Any

import pytest

from resgen.machine import unsteady
from resgen.records.profile import Samples

QUIET: dict[str, Any] = {
    "at": 100.0,
    "cores": 4,
    "busy": 50.0,
    "own": 10.0,
    "stolen": 1.0,
    "clocks_hz": [1.0e9, 3.4e9],
    "temperatures_c": {"package": 60.0},
    "throttles": 7,
    "quota": {"times": 3, "seconds": 1.0},
    "switches": {"voluntary": 10, "involuntary": 10},
    "pressure": {"memory": 1.0},
    "memory": {"available": 2**30, "swapped_pages": 5},
    "on_battery": False,
    "gpu": {
        "clock_hz": 1.98e9,
        "temperature_c": 50.0,
        "held": {"power": 1.0},
        "reasons": ["clocks set by an application"],
        "others": 0,
    },
}


def later(**changes: Any) -> dict[str, Any]:
    """Ten seconds later: two cores were busy with the process itself."""
    after = {**QUIET, "at": 110.0, "busy": 70.5, "own": 30.0}
    for name, value in changes.items():
        old = after[name]
        after[name] = {**old, **value} if isinstance(old, dict) else value
    return after


def test_a_steady_machine() -> None:
    assert unsteady(QUIET, later(), [1e-3] * 99 + [9e-3]) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"busy": 85.2}, "other processes took 38 % of the cores' time"),
        ({"stolen": 5.0}, "the hypervisor gave 10 % of the cores' time to others"),
        ({"clocks_hz": [2.1e9, 1e9]}, "ran at 3.40 GHz before and at 2.10 GHz after"),
        ({"temperatures_c": {"package": 82.0}}, "package warmed from 60 to 82 degrees"),
        ({"throttles": 9}, "slowed down for heat 2 times"),
        ({"quota": {"times": 41, "seconds": 2.25}}, "stopped it 38 times, for 1.25 s"),
        ({"switches": {"involuntary": 4010}}, "lost their core 400 times a second"),
        ({"pressure": {"memory": 3.0}}, "waited for memory 20 % of the time"),
        ({"memory": {"swapped_pages": 1005}}, "1000 pages were swapped"),
        ({"on_battery": True}, "battery"),
        ({"gpu": {"clock_hz": 1.2e9}}, "1980 MHz before and at 1200 MHz after"),
        ({"gpu": {"held": {"power": 5.0}}}, "held down 40 % of the time by power"),
        ({"gpu": {"temperature_c": 80.0}}, "the GPU warmed by 30 degrees"),
        ({"gpu": {"others": 2}}, "2 other processes had the GPU open"),
    ],
)
def test_what_was_seen_is_said_alone(changes: dict[str, Any], expected: str) -> None:
    (sentence,) = unsteady(QUIET, later(**changes))
    assert expected in sentence


def test_reasons_count_where_the_gpu_keeps_no_counters() -> None:
    after = later()
    after["gpu"] = {"reasons": ["power limit", "clocks set by an application"]}
    (sentence,) = unsteady(QUIET, after)
    assert sentence.endswith("power limit")


@pytest.mark.parametrize("name", sorted(QUIET.keys() - {"at"}))
def test_what_is_in_one_snapshot_only_is_no_reason(name: str) -> None:
    fewer = {key: value for key, value in QUIET.items() if key != name}
    assert unsteady(fewer, later()) == ()
    ended = {key: value for key, value in later().items() if key != name}
    assert unsteady(QUIET, ended) == ()


def test_ticks_tell_nothing_of_an_instant() -> None:
    assert unsteady(QUIET, later(at=100.05, busy=50.2, own=10.0)) == ()


def test_stalls_are_counted_but_one_is_none() -> None:
    seconds = (1e-3,) * 97
    stalls = (5e-3,) * 3
    samples = Samples(tuple(range(100)), seconds + stalls)
    (sentence,) = unsteady(QUIET, later(), samples)
    assert sentence == "3 of 100 samples took more than twice the median"
    assert unsteady(QUIET, later(), (1e-3, 1e-3, 1e-3, 5e-3)) == ()
