"""Commands run as children, in turn, and what their numbers say.

This process stays small: on Linux the peak memory of a child begins with that of the
process that started it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]
#: Units of ``ru_maxrss``.
RSS_BYTES = 1 if sys.platform == "darwin" else 1024
RESAMPLES = 2000

Quantity = Literal["wall", "peak", "said"]


@dataclass(frozen=True)
class Run:
    """Of one child: seconds, bytes at its peak, and the last line that it printed."""

    wall: float
    peak: float
    output: str

    @property
    def said(self) -> float:
        """The median of the seconds that a script reports (see clock.py)."""
        return median(json.loads(self.output))


class Failed(Exception):
    """A command ended with an error."""


def run(command: Sequence[str]) -> Run:
    """Run a command to its end; raises :class:`Failed` with what it said last."""
    places = [ROOT, ROOT / "tests", ROOT / "tests" / "bench"]
    given = filter(None, [os.environ.get("PYTHONPATH")])
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, [*places, *given]))
    }
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        printed, complaint = (f.read().decode(errors="replace") for f in (out, err))
    if child.returncode:
        last = (complaint.strip() or printed.strip() or "no output").splitlines()[-1]
        raise Failed(f"{' '.join(command)}: exit {child.returncode}: {last}")
    lines = printed.strip().splitlines()
    return Run(wall, usage.ru_maxrss * RSS_BYTES, lines[-1] if lines else "")


def in_turn(
    commands: Mapping[str, Sequence[str]], rounds: int
) -> tuple[dict[str, list[Run]], list[str]]:
    """Every command once a round, in an order that turns each time; and failures.

    A machine that is busy for a while slows all of them alike. A command that has
    failed is not tried again.
    """
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    failures: dict[str, str] = {}
    for turn in range(rounds):
        order = list(commands) if turn % 2 == 0 else list(commands)[::-1]
        for name in order:
            if name in failures:
                continue
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr)
            try:
                runs[name].append(run(commands[name]))
            except Failed as error:
                failures[name] = str(error)
                runs[name].clear()
    return runs, list(failures.values())


@dataclass(frozen=True)
class Line:
    """A line of the table: two commands' quantity and how they compare.

    ``spread`` is the smallest and the largest ratio of a round, or an interval.
    Without a ``target`` the line is for information.
    """

    what: str
    peer_name: str
    quantity: Quantity
    ours: float
    peer: float
    ratio: float
    spread: tuple[float, float]
    target: float | None
    met: bool | None
    runs: dict[str, list[float]] = field(default_factory=dict)


def compare(
    what: str, quantity: Quantity, ours: Sequence[Run], peer: Sequence[Run],
    peer_name: str, target: float | None,
) -> Line:  # fmt: skip
    """The ratio of medians."""
    mine = [float(getattr(r, quantity)) for r in ours]
    other = [float(getattr(r, quantity)) for r in peer]
    ratios = [a / b for a, b in zip(mine, other, strict=True)]
    ratio = median(mine) / median(other)
    return Line(
        what, peer_name, quantity, median(mine), median(other), ratio,
        (min(ratios), max(ratios)), target,
        None if target is None else ratio <= target,
        {"ours": mine, "peer": other},
    )  # fmt: skip


def compare_pairs(
    what: str, runs: Sequence[Mapping[str, Sequence[float]]],
    peer_name: str, target: float | None,
) -> Line:  # fmt: skip
    """The ratio from many short runs in several processes, with a 95 % interval.

    ``runs`` hold, for each process, the seconds of ``ours`` and of ``peer`` in ABBA
    order. The interval is a bootstrap over processes and over the pairs in each: what
    a process happened to get (memory, processor) is noise as well. Met is a ratio
    within the target whose interval reaches down to 1: not slower beyond noise. A
    target of 1 asks for no more than that, as equals exceed it half of the time.
    """
    pairs = [[a / b for a, b in zip(r["ours"], r["peer"], strict=True)] for r in runs]
    ratio = median(median(p) for p in pairs)
    low, high = _interval(pairs)
    mine = [s for r in runs for s in r["ours"]]
    other = [s for r in runs for s in r["peer"]]
    met = None
    if target is not None:
        met = low <= 1 and (ratio <= target or target == 1)
    return Line(
        what, peer_name, "said", median(mine), median(other), ratio,
        (low, high), target, met,
        {"ours": mine, "peer": other},
    )  # fmt: skip


def _interval(pairs: Sequence[Sequence[float]]) -> tuple[float, float]:
    drawn = random.Random(0)

    def ratios() -> Iterator[float]:
        for _ in range(RESAMPLES):
            chosen = drawn.choices(pairs, k=len(pairs))
            yield median(median(drawn.choices(p, k=len(p))) for p in chosen)

    found = sorted(ratios())
    return found[int(0.025 * RESAMPLES)], found[int(0.975 * RESAMPLES)]
