"""The networks of diagnoses side by side, and their figures over all seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from statistics import fmean, median
from typing import Final

from resgen.records.diagnosis import Arm, Diagnosis, Measures, Moment, Run
from resgen.words.numbers import when

#: What a part is measured by, and how that is called where there is room for few words.
NAMES: Final = {
    field.name: field.name.replace("_", " ")
    for field in fields(Measures)
    if field.name != "nonfinite"
} | {"alike": "in common", "correlation": "gradient correlation"}


@dataclass(frozen=True, slots=True)
class Titled:
    """An arm, and what tells it from all others in the report.

    ``classes`` are those of its data; None if it is of somebody's own training, whose
    beginning was not judged.
    """

    title: str
    arm: Arm
    classes: int | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over ``seeds`` seeds, the lowest and the highest."""

    middle: float
    low: float
    high: float
    seeds: int


def titled(diagnoses: Sequence[Diagnosis]) -> list[Titled]:
    """The arms of all diagnoses, in order."""
    found = [(_name(arm), one, arm) for one in diagnoses for arm in one.arms]
    names = Counter(name for name, _, _ in found)
    dated = [
        name if names[name] == 1 else f"{name} {when(one.created)}"
        for name, one, _ in found
    ]
    titles = Counter(dated)
    numbered = [
        title if titles[title] == 1 else f"{title} #{number}"
        for number, title in enumerate(dated, 1)
    ]
    return [
        Titled(title, arm, None if one.data is None else one.data.classes)
        for title, (_, one, arm) in zip(numbered, found, strict=True)
    ]


def _name(arm: Arm) -> str:
    known = not arm.plain or "plain" in arm.name
    return arm.name if known else f"{arm.name}, plain"


def over(values: Iterable[float | None]) -> Spread | None:
    """The spread of what is finite; None if nothing is."""
    finite = [value for value in values if value is not None]
    if not finite:
        return None
    return Spread(median(finite), min(finite), max(finite), len(finite))


def steps(arm: Arm) -> list[int]:
    """The steps at which any run was looked at."""
    return sorted({moment.step for run in arm.runs for moment in run.moments})


def at(arm: Arm, step: int) -> list[Moment]:
    """What was seen of every seed at a step."""
    return [m for run in arm.runs for m in run.moments if m.step == step]


def by_depth(arm: Arm, step: int, measure: str) -> list[Spread | None]:
    """A measure of each part, over the seeds."""
    moments = at(arm, step)
    return [
        over(getattr(moment.parts[i], measure) for moment in moments)
        for i in range(len(arm.parts))
    ]


def blocks(arm: Arm) -> list[int]:
    """Which parts are blocks; all of them where none says that it is."""
    found = [i for i, part in enumerate(arm.parts) if part.kind == "block"]
    return found or list(range(len(arm.parts)))


def fade(arm: Arm, step: int = 0) -> Spread | None:
    """The gradient's norm at the first block over that at the last, over the seeds.

    The figure by which a plain stack is known: near 1 the gradient arrives as it set
    out, far above it explodes on its way back, far below it vanishes. Shapes differ
    between the two blocks, which a residual network has a factor of a few for.
    """
    kept = blocks(arm)
    if not kept:
        return None
    first, last = kept[0], kept[-1]
    ratios = []
    for moment in at(arm, step):
        begin, end = moment.parts[first].gradient, moment.parts[last].gradient
        ratios.append(begin / end if begin is not None and end else None)
    return over(ratios)


def growth(arm: Arm) -> Spread | None:
    """The variance of activations at the last block over that at the first."""
    first, last = blocks(arm)[0], blocks(arm)[-1]
    ends = [(m.parts[first].variance, m.parts[last].variance) for m in at(arm, 0)]
    return over(b / a if a and b is not None else None for a, b in ends)


def brought(arm: Arm) -> Spread | None:
    """How much of the sums' second moment the branches bring: the median block's."""
    seeds = (over(map(_of_sum, moment.parts)) for moment in at(arm, 0))
    return over(None if seen is None else seen.middle for seen in seeds)


def _of_sum(m: Measures) -> float | None:
    if m.branch is None or m.shortcut is None or not m.branch + m.shortcut:
        return None
    return m.branch**2 / (m.branch**2 + m.shortcut**2)


def adds(arm: Arm) -> bool:
    """Whether a part of it adds a shortcut to a branch."""
    return any(m.shortcut is not None for at_once in at(arm, 0) for m in at_once.parts)


def curve(runs: Sequence[Run], width: int) -> list[tuple[int, Spread | None]]:
    """Training loss by step, over the seeds: the mean of ``width`` steps.

    A run that left the finite numbers counts as infinitely bad from there on, so the
    median is not that of the survivors; it is None once half of the runs are lost.
    """
    rows = []
    longest = max((len(run.losses) for run in runs), default=0)
    for begin in range(0, longest, width):
        means = []
        for run in runs:
            these = [x for x in run.losses[begin : begin + width] if x is not None]
            if run.left is not None and run.left <= begin + width:
                means.append(inf)
            elif these:
                means.append(fmean(these))
        finite = over(value for value in means if value < inf)
        if finite is not None:
            middle = median(means)
            finite = replace(finite, middle=middle) if middle < inf else None
        rows.append((min(begin + width, longest), finite))
    return rows


def accuracy(runs: Sequence[Run]) -> list[tuple[int, Spread]]:
    """The share of held-back data that was told right, by step and over the seeds."""
    shares: dict[int, list[float]] = {}
    for run in runs:
        for seen in run.evaluations:
            if seen.count:
                shares.setdefault(seen.step, []).append(seen.correct / seen.count)
    found = ((step, over(shares[step])) for step in sorted(shares))
    return [(step, spread) for step, spread in found if spread is not None]
