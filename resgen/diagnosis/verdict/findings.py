"""The verdict: what is wrong with a network as initialised, from a few seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median_low

from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.mends import Traits
from resgen.diagnosis.verdict.rules import RULES, Rule
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Finding, Moment, Part


def findings(
    parts: tuple[Part, ...],
    moments: Sequence[Moment],
    *,
    graph: Graph,
    classes: int,
    learning_rate: float,
) -> tuple[Finding, ...]:
    """What will keep a network from learning, causes first; nothing if it will learn.

    ``moments`` are step 0, one for each seed. A rule must hold for more than half of
    them; its figures are those of the median seed. A rule is passed over where one of
    those that explain it holds: one cause is one finding.
    """
    seen = [
        Figures(graph, parts, moment, classes=classes, rate=learning_rate)
        for moment in moments
    ]
    found: dict[str, Finding] = {}
    for rule in RULES:
        if rule.code in found or rule.explained_by & found.keys():
            continue
        readings = [(r, f) for f in seen if (r := rule.reading(f)) is not None]
        if 2 * len(readings) <= len(seen):
            continue
        value = median_low(reading.value for reading, _ in readings)
        reading, figures = next(pair for pair in readings if pair[0].value == value)
        found[rule.code] = _finding(rule, reading, figures, Traits.of(figures))
    return tuple(found.values())


def _finding(rule: Rule, reading: Reading, figures: Figures, traits: Traits) -> Finding:
    first, last = figures.parts[reading.first], figures.parts[reading.last]
    return Finding(
        code=rule.code,
        message=rule.message(reading, figures),
        hint=rule.hint(reading, figures, traits),
        first=first.path,
        last=last.path,
        value=reading.value if isfinite(reading.value) else None,
        threshold=rule.threshold.value,
        source=rule.threshold.source,
        pointer=last.pointer,
        place=last.place,
    )
