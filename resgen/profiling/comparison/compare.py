"""Is B faster than A? Both measured beside each other, in fresh processes.

The unit of evidence is a pair of processes. Within a pair the two take turns, ABBA or
BAAB as drawn, so that a clock that drifts slows both; between pairs everything begins
anew, memory included. Pairs that both ran A say what difference comes of nothing. They
are taken in between, by processes of their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Final

import numpy as np

from resgen.machine.process import Failure, Process
from resgen.profiling.bench import Job
from resgen.profiling.statistics.decide import (
    LEAST_PAIRS,
    LEVEL,
    Decision,
    decide,
    floor,
    schedule,
)
from resgen.profiling.worker import Worker
from resgen.words.numbers import share
from resgen.words.progress import SILENT, Progress

#: Pairs that both ran A. Fewer leave the floor to chance: of four pairs it is more than
#: twice the noise between pairs, of six a third more.
LEAST_FLOOR_PAIRS: Final = 6
#: Pairs of either kind, by turns: so many are always taken.
STEPS: Final = LEAST_PAIRS + LEAST_FLOOR_PAIRS
#: Above this floor "equal" would say nothing: the machine was not fit for a verdict.
MOST_FLOOR: Final = 0.1
#: Seconds that the two processes of a pair are measured for: at least, and at most.
SHORTEST, LONGEST = 0.12, 2.0
#: Of that, the share that goes into warming up, and the turns that the rest is cut to.
WARM_UP: Final = 0.25
TURNS: Final = 4
#: Engines of TensorRT that are built of each network. Kernels are chosen by measuring
#: them, so that one build says little about the network. Where builds differ by 1 %,
#: four find a difference of 5 % in 77 of 100 simulated cases, three in 32.
BUILDS: Final = 4
#: The verdict is looked for when there are enough pairs, and again when time is up.
LOOKS: Final = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """Two processes beside each other: medians in seconds, and all samples of each."""

    first: float
    second: float
    samples: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def ratio(self) -> float:
        """The second's time over the first's."""
        return self.second / self.first


@dataclass(frozen=True, slots=True)
class Measured:
    """Pairs of A and B, pairs of A and A, and what follows."""

    pairs: tuple[Pair, ...]
    alike: tuple[Pair, ...]
    decision: Decision
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def medians(self) -> tuple[float, float]:
        """Of A and of B, over the medians of their processes."""
        return median(p.first for p in self.pairs), median(p.second for p in self.pairs)

    @property
    def more_seconds(self) -> float | None:
        """About how much longer it would take to decide, None where that is open."""
        factor = self.decision.more_seconds_factor
        return None if factor is None else factor * self.seconds


def measured(
    a: Job,
    b: Job,
    seconds: float,
    *,
    seed: int | None = None,
    progress: Progress = SILENT,
) -> Measured:
    """Compare two jobs for about so many seconds; the least pairs are always taken.

    A process that fails is a ResgenError that says whose it was. ``seed`` draws the
    order of turns (anew each time unless given).
    """
    (found,) = among((a, b), ((0, 1),), seconds, seed=seed, progress=progress)
    return found


def among(
    jobs: tuple[Job, ...],
    pairs: tuple[tuple[int, int], ...],
    seconds: float,
    *,
    seed: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Measured, ...]:
    """As :func:`measured`, of several ``pairs`` (the places of A and B among the jobs).

    All are measured in one loop, a pair of processes of each in turn, so that none of
    them has the machine at a better time; each is granted so many ``seconds``.
    """
    from resgen import machine

    device, rng = jobs[0].device, np.random.default_rng(seed)
    contests = [_Contest(jobs[a], jobs[b], seconds, rng) for a, b in pairs]
    before = machine.snapshot(device)
    for number in range(STEPS):
        for place, contest in enumerate(contests):
            done = number * len(contests) + place
            progress.advance("comparing", done, STEPS * len(contests))
            contest.step((contest.left / (STEPS - number)) - contest.opening)
    going = [each for each in contests if each.decided().verdict == "undecided"]
    while going := [each for each in going if each.left > 0]:
        for contest in going:
            gone, granted = round(contest.gone), round(contest.seconds)
            progress.advance("comparing", gone, granted)
            contest.step(contest.left - contest.opening)
    seen = machine.unsteady(before, machine.snapshot(device))
    return tuple(contest.measured(seen) for contest in contests)


@dataclass(slots=True)
class _Contest:
    """Pairs as they come in."""

    a: Job
    b: Job
    seconds: float
    rng: np.random.Generator
    pairs: list[Pair] = field(default_factory=list)
    alike: list[Pair] = field(default_factory=list)
    spent: float = 0.0  # seconds, of this contest alone
    opening: float = 0.0  # seconds that two processes take to be ready

    @property
    def gone(self) -> float:
        """Seconds of those that were granted."""
        return self.spent

    @property
    def left(self) -> float:
        """Seconds of what was granted."""
        return self.seconds - self.gone

    def decided(self) -> Decision:
        """The verdict, at a level that allows for all looks."""
        least = floor([pair.ratio for pair in self.alike])
        level = 1 - (1 - LEVEL) / LOOKS
        builds = max(len(job.prepared.builds) for job in (self.a, self.b))
        found = decide(
            [pair.ratio for pair in self.pairs],
            least,
            level=level,
            builds=max(builds, 1),
        )
        if found.verdict == "equal" and found.floor > MOST_FLOOR:
            return replace(found, verdict="undecided")
        return found

    def measured(self, seen: tuple[str, ...]) -> Measured:
        """What came of it, on a machine of which so much was ``seen``."""
        decision = self.decided()
        if decision.floor > MOST_FLOOR:
            unfit = f"A differed from itself by up to {share(decision.floor, 1, 0)}"
            seen = (f"{unfit}: too much to call anything equal", *seen)
        seen = (*seen, *_built(self.a, self.b))
        return Measured(tuple(self.pairs), tuple(self.alike), decision, self.gone, seen)

    def step(self, seconds: float) -> None:
        """One pair more, of A and B or of A twice, for so long as bounds allow."""
        same = len(self.alike) * LEAST_PAIRS < len(self.pairs) * LEAST_FLOOR_PAIRS
        self._add(min(max(seconds, SHORTEST), LONGEST), same=same)

    def _add(self, seconds: float, *, same: bool) -> None:
        begin = time.perf_counter()
        number = len(self.alike) if same else len(self.pairs)
        # Two builds of A differ as well, which belongs to what comes of nothing.
        jobs = (
            (of_build(self.a, number), of_build(self.a, number + 1))
            if same
            else (of_build(self.a, number), of_build(self.b, number))
        )
        with Process(Worker) as one, Process(Worker) as other:
            sides = (_Side(one, jobs[0]), _Side(other, jobs[1]))
            for side in sides:
                side.process.tell("open", side.job)
            for side in sides:
                side.hear()
            self.opening = max(self.opening, time.perf_counter() - begin)
            pair = _in_turns(sides, seconds, self.rng)
        (self.alike if same else self.pairs).append(pair)
        self.spent += time.perf_counter() - begin


def of_build(job: Job, number: int) -> Job:
    """The job with the engine whose turn it is, where several were built."""
    builds = job.prepared.builds
    if not builds:
        return job
    engine = builds[number % len(builds)]
    return replace(job, prepared=replace(job.prepared, engine=engine))


def _built(a: Job, b: Job) -> tuple[str, ...]:
    """How many builds the verdict rests on, for engines of TensorRT."""
    if a.runtime != "tensorrt":
        return ()
    counts = [len(job.prepared.builds) or 1 for job in (a, b)]
    if min(counts) > 1:
        return (
            f"over {counts[0]} builds of A's engine and {counts[1]} of B's: the "
            "interval counts builds, not pairs",
        )
    return ("one build of an engine: a claim about architectures takes several",)


@dataclass(slots=True)
class _Side:
    process: Process
    job: Job
    samples: list[float] = field(default_factory=list)

    def ask(self, name: str, seconds: float) -> Any:
        self.process.tell(name, seconds)
        return self.hear()

    def hear(self) -> Any:
        answer = self.process.hear()
        if isinstance(answer, Failure):
            name = self.job.prepared.subject.name
            raise Failure(
                f"{name} on {self.job.runtime}: {answer.message}",
                answer.hint,
                answer.exit_code,
            ).error()
        return answer


def _in_turns(
    sides: tuple[_Side, _Side], seconds: float, rng: np.random.Generator
) -> Pair:
    """Warm both up, and measure them in ABBA or BAAB."""
    order = [sides["AB".index(letter)] for letter in schedule(TURNS // 2, rng)]
    for side in order[:2]:
        side.ask("settle", seconds * WARM_UP / 2)
    for side in order:
        side.samples += side.ask("block", seconds * (1 - WARM_UP) / TURNS)
    first, second = (side.samples for side in sides)
    return Pair(median(first), median(second), (tuple(first), tuple(second)))
