"""A cut that meets a latency: chosen by times of kernels, and then measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.api.measure import conditions
from resgen.artifact.shrunk import Latency, Pace
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.latency.measure import Recorder, written
from resgen.latency.table import Conditions, Table
from resgen.machine.process import Failure
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import Measured, measured
from resgen.profiling.statistics.stats import percentile
from resgen.runtime.engines import find
from resgen.shrinking.choose import Choice, Scores, choose
from resgen.shrinking.cut import cut, size_without
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
#: Less of the budget than this is worth another round.
USED: Final = 0.85
#: What is aimed at after a round that missed.
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
    what that says decides. ``fits`` tells whether other bounds are met. Raises
    ResgenError where no cut meets it, with what is reached.
    """
    budget = asked.latency
    told = conditions(asked.runtime, asked.threads)

    def graph(gone: Labels) -> Graph:
        return cut(found, weights, gone).graph

    def within(table: Table, aim: float) -> Callable[[Choice], bool]:
        return lambda c: table.seconds(graph(c.gone)) <= aim and fits(c)

    with ExitStack() as stack:
        file = asked.table
        if file is None:
            file = stack.enter_context(temporary_folder()) / "table.json"
        recorder = Recorder(file, told)
        even = [np.ones(group.classes.size) for group in free]
        _time(recorder, whole)
        for number, portion in enumerate(TRIED):
            progress.advance("timing cuts", number, len(TRIED))
            tried = choose(found, free, even, _macs(found, portion), step=asked.round)
            _time(recorder, graph(tried.gone))
        table = recorder.done()
        scores = scoring(lambda gone: table.seconds(graph(gone)))
        aim = budget.number * (table.seconds(whole) if budget.relative else 1.0)
        best: Paced | None = None
        last, reached, met, missed = None, "", 0.0, math.inf
        for number in range(ROUNDS):
            choice = choose(found, free, scores, within(table, aim), step=asked.round)
            if last is not None and np.array_equal(choice.gone, last):
                aim *= INSIDE**2  # a step of a layer's is more than that
                continue
            left, last = graph(choice.gone), choice.gone
            latency = _compared(whole, left, told, str(budget), number + 1, progress)
            used = latency.ratio if budget.relative else latency.after.p95
            part = used / budget.number
            progress.say("latency", str(latency))
            if part > 1:
                reached = f"{used:.2f}x" if budget.relative else f"p95 {seconds(used)}"
                missed = min(missed, aim)
            elif best is None or choice.size.macs > best.choice.size.macs:
                best, met = Paced(choice, latency), aim
            if USED <= part <= 1:
                break
            _time(recorder, left)
            table = recorder.done()
            aim = table.seconds(left) * INSIDE / part
            if not met < aim < missed:
                aim = math.sqrt(max(met, missed / 4) * missed)
        if best is not None:
            return best
    raise ResgenError(
        f"no cut was found that takes {budget} of the time of {found.graph.name}"
        if budget.relative
        else f"no cut of {found.graph.name} was found that takes {budget}",
        hint=f"{reached} is what was reached",
    )


def _macs(found: Labelled, portion: float) -> Callable[[Choice], bool]:
    most = portion * size_without(found, np.empty(0, np.int64)).macs
    return lambda choice: choice.size.macs <= most


def _time(recorder: Recorder, graph: Graph) -> None:
    found = recorder.time(graph)
    if isinstance(found, Failure):
        raise found.error()


def _compared(
    whole: Graph,
    left: Graph,
    told: Conditions,
    budget: str,
    rounds: int,
    progress: Progress,
) -> Latency:
    """Both measured side by side."""
    with job(whole, told) as a, job(left, told) as b:
        found = measured(a, b, COMPARED, progress=progress)
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


@contextmanager
def job(graph: Graph, told: Conditions) -> Iterator[Job]:
    """A network as it is timed under these conditions."""
    with written(graph, {find(told.runtime).takes}) as prepared:
        yield Job(
            prepared,
            told.runtime,
            device=told.device,
            threads=told.threads,
            batch=told.batch,
            breakdown=False,
        )


def _pace(found: Measured, side: int) -> Pace:
    pooled = np.array([s for pair in found.pairs for s in pair.samples[side]])
    value, _ = percentile(pooled, 0.95)
    return Pace(found.medians[side], float(pooled.max() if value is None else value))
