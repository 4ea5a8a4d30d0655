"""A cut that meets a latency: chosen by times of kernels, and then measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from resgen.api.asked.shrink import Shrinking
from resgen.api.timed import Cuts, Scoring, recording
from resgen.artifact.shrunk import Latency, Pace
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.latency.measure import beside
from resgen.latency.table import Conditions
from resgen.profiling.comparison.compare import Measured
from resgen.profiling.statistics.stats import percentile
from resgen.shrinking.choose import Choice
from resgen.shrinking.groups import Group
from resgen.shrinking.labels import Labelled
from resgen.words.numbers import seconds
from resgen.words.progress import Progress

#: Cuts that are compared with the whole, and about how many seconds each.
ROUNDS: Final = 6
COMPARED: Final = 20.0
#: Less of the budget than this is worth another round.
USED: Final = 0.85
#: What is aimed at: a budget holds at the upper end of what is measured.
INSIDE: Final = 0.96


@dataclass(frozen=True)
class Paced:
    """What goes, and the latency of what is left."""

    choice: Choice
    latency: Latency


def paced(
    found: Labelled,
    free: Sequence[Group],
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
    with recording(asked, progress) as (place, told, recorder):
        cuts = Cuts(found, free, asked, recorder, progress)
        cuts.begin(whole, scoring)
        aim = budget.number * (cuts.table.seconds(whole) if budget.relative else 1.0)
        aim *= INSIDE
        cuts.suit(lambda choice: cuts.seconds(choice.gone) <= aim and fits(choice))
        least = cuts.chosen(lambda choice: False)
        missed, fastest = math.inf, math.inf  # least multiply-adds and time of these
        best: Paced | None = None
        for number in range(1, ROUNDS + 1):
            met = None if best is None else best.choice
            choice = _next(cuts, aim, met, missed, fits)
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


def _next(
    cuts: Cuts,
    aim: float,
    met: Choice | None,
    missed: float,
    fits: Callable[[Choice], bool],
) -> Choice | None:
    """The largest cut that takes ``aim`` seconds, between what has met and missed.

    Where the table's belief leads out of these bounds, it is the middle between them;
    None where there is nothing.
    """
    choice = cuts.timed(
        lambda choice: cuts.seconds(choice.gone) <= aim and fits(choice)
    )
    low = 0 if met is None else met.size.macs
    if low < choice.size.macs < missed:
        return choice
    low = low or cuts.chosen(lambda choice: False).size.macs
    middle = math.sqrt(low * min(missed, cuts.size().macs))
    choice = cuts.chosen(lambda c: c.size.macs <= middle and fits(c))
    return choice if low < choice.size.macs < missed else None


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
