"""A cut that meets a latency: chosen by times of kernels, and then measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.artifact.shrunk import Latency, Pace
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.latency.measure import Recorder, beside, conditions
from resgen.latency.table import Conditions, Table
from resgen.leases.lease import leased
from resgen.machine.process import Failure
from resgen.profiling.comparison.compare import Measured
from resgen.profiling.statistics.stats import percentile
from resgen.shrinking.choose import Choice, Scores, choose
from resgen.shrinking.cut import Size, cut, size_without
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled, Labels
from resgen.weights.evaluate import Weights
from resgen.words.numbers import seconds
from resgen.words.progress import Progress

#: Shares of the multiply-adds of cuts that are timed to choose by.
TRIED: Final = (0.7, 0.4, 0.2)
#: Cuts that are compared with the whole, and about how many seconds each.
ROUNDS: Final = 6
COMPARED: Final = 20.0
#: Cuts that are timed kernel by kernel before one of them is compared.
TIMED: Final = 3
#: Less of the budget than this is worth another round.
USED: Final = 0.85
#: What is aimed at: a budget holds at the upper end of what is measured.
INSIDE: Final = 0.96

#: Gives scores from what the network costs without some classes.
Scoring = Callable[[Callable[[Labels], float]], Sequence[Scores]]


@dataclass(frozen=True)
class Paced:
    """What goes, and the latency of what is left."""

    choice: Choice
    latency: Latency


def paced(
    found: Labelled,
    free: Sequence[Group],
    weights: Weights,
    whole: Graph,
    asked: Shrinking,
    scoring: Scoring,
    fits: Callable[[Choice], bool],
    progress: Progress,
) -> Paced:
    """The largest cut, nearly, that meets the budget of latency.

    Each round chooses by predictions of a table, to which it adds what it has timed;
    the cut is then compared with the ``whole``, side by side in fresh processes, and
    what that says decides: by the 95th percentile, or by the upper end of the ratio's
    interval. ``fits`` tells whether other bounds are met. Raises ResgenError where no
    cut meets it, with what the fastest one takes.
    """
    budget = asked.latency
    with ExitStack() as stack:
        place = stack.enter_context(leased(asked.on, progress=progress))
        told = place.ask(
            conditions, asked.runtime, asked.threads, precision=asked.precision
        )
        file = asked.table
        if file is None:
            file = stack.enter_context(temporary_folder()) / "table.json"
        recorder = Recorder(file, told, place)
        stack.callback(recorder.done)
        cuts = _Cuts(found, free, weights, asked.step, recorder)
        table = cuts.begun(whole, progress)
        cuts.scores = scoring(cuts.seconds)
        least = cuts.chosen(lambda choice: False)
        aim = budget.number * (table.seconds(whole) if budget.relative else 1.0)
        aim *= INSIDE
        missed, fastest = math.inf, math.inf  # least multiply-adds and time of these
        best: Paced | None = None
        for number in range(1, ROUNDS + 1):
            met = None if best is None else best.choice
            choice = cuts.next(aim, met, missed, fits)
            if best is None and (choice is None or number == ROUNDS):
                choice = least
            if choice is None or choice.size.macs >= missed:
                break
            left = cuts.graph(choice.gone)
            compared = place.time(
                beside, whole, left, told, COMPARED, progress=progress
            )
            latency = _latency(compared, told, str(budget), number)
            progress.say("latency", str(latency))
            most = latency.interval[1] if budget.relative else latency.after.p95
            part = most / budget.number
            if part <= 1:
                best = Paced(choice, latency)
                if part >= USED:
                    break
            else:
                missed, fastest = choice.size.macs, min(fastest, most)
            aim = cuts.seconds(choice.gone) * INSIDE / part
    if best is not None:
        return best
    name = found.graph.name
    if budget.relative:
        said, reached = f"{budget} of its time", f"{fastest:.2f}x"
    else:
        said, reached = str(budget), f"p95 {seconds(fastest)}"
    raise ResgenError(
        f"no cut of {name} was found that takes {said}",
        hint=f"{reached} is what was reached",
    )


@dataclass
class _Cuts:
    """Cuts of a network, chosen by what a table says of their time."""

    found: Labelled
    free: Sequence[Group]
    weights: Weights
    step: int | None
    recorder: Recorder

    def begun(self, whole: Graph, progress: Progress) -> Table:
        """The table with the whole network, and with cuts that are even."""
        self.scores: Sequence[Scores] = [np.ones(g.classes.size) for g in self.free]
        self._time(whole)
        for number, portion in enumerate(TRIED):
            progress.advance("timing cuts", number, len(TRIED))
            tried = self.chosen(_macs(self.found, portion))
            self._time(self.graph(tried.gone))
        self.table = self.recorder.table()
        return self.table

    def chosen(self, enough: Callable[[Choice], bool]) -> Choice:
        """The largest one that is small enough."""
        return choose(self.found, self.free, self.scores, enough, step=self.step)

    def graph(self, gone: Labels) -> Graph:
        """What is left."""
        return cut(self.found, self.weights, gone).graph

    def seconds(self, gone: Labels) -> float:
        """What that takes, as the table says."""
        return self.table.seconds(self.graph(gone))

    def next(
        self,
        aim: float,
        met: Choice | None,
        missed: float,
        fits: Callable[[Choice], bool],
    ) -> Choice | None:
        """The largest that takes ``aim`` seconds, between what has met and missed.

        It is timed, and chosen again by what that has added to the table. Where the
        table's belief leads out of these bounds, it is the middle between them; None
        where there is nothing.
        """

        def within(choice: Choice) -> bool:
            return self.seconds(choice.gone) <= aim and fits(choice)

        choice = self.chosen(within)
        for _ in range(TIMED):
            if not self._time(self.graph(choice.gone)):
                break
            self.table = self.recorder.table()
            choice = self.chosen(within)
        low = 0 if met is None else met.size.macs
        if low < choice.size.macs < missed:
            return choice
        low = low or self.chosen(lambda choice: False).size.macs
        middle = math.sqrt(low * min(missed, _size(self.found).macs))
        choice = self.chosen(lambda c: c.size.macs <= middle and fits(c))
        return choice if low < choice.size.macs < missed else None

    def _time(self, graph: Graph) -> bool:
        """Time a network, unless it is in the table: then it is false."""
        found = self.recorder.time(graph)
        if isinstance(found, Failure):
            raise found.error()
        return found is not None


def _size(found: Labelled) -> Size:
    return size_without(found, np.empty(0, np.int64))


def _macs(found: Labelled, portion: float) -> Callable[[Choice], bool]:
    most = portion * _size(found).macs
    return lambda choice: choice.size.macs <= most


def _latency(found: Measured, told: Conditions, budget: str, rounds: int) -> Latency:
    """What came of both beside each other."""
    decision = found.decision
    return Latency(
        budget=budget,
        conditions=str(told),
        before=_pace(found, 0),
        after=_pace(found, 1),
        verdict=decision.verdict,
        ratio=decision.ratio,
        interval=decision.interval,
        rounds=rounds,
        notes=found.notes,
    )


def _pace(found: Measured, side: int) -> Pace:
    pooled = np.array([s for pair in found.pairs for s in pair.samples[side]])
    value, _ = percentile(pooled, 0.95)
    return Pace(found.medians[side], float(pooled.max() if value is None else value))
