"""The verdict: what is wrong with a network as initialised, from a few seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import median_low
from typing import Final

from resgen.diagnosis.verdict.backward import (
    dominates,
    explodes,
    head_overshoots,
    overshoots,
    shatters,
)
from resgen.diagnosis.verdict.figures import Figures
from resgen.diagnosis.verdict.forward import (
    alike,
    dead,
    fades,
    grows,
    not_finite,
    undershoots,
    vanishes,
)
from resgen.diagnosis.verdict.rule import Rule
from resgen.graph.explanations import Explanation
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Finding, Moment, Part

#: In the order of causes: a rule that others explain comes after them.
RULES: Final[tuple[Rule, ...]] = (
    not_finite, dead, grows, vanishes, fades, undershoots, dominates, explodes,
    shatters, overshoots, head_overshoots, alike,
)  # fmt: skip
#: What every code of a diagnosis means: ``resgen check --explain RG402``.
VERDICT: Final[dict[str, Explanation]] = {
    code: next(rule.explanation for rule in RULES if rule.code == code)
    for code in sorted({rule.code for rule in RULES})
}


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
        if rule.code in found or rule.unless & found.keys():
            continue
        held = [one for figures in seen if (one := rule.ask(figures)) is not None]
        if 2 * len(held) <= len(seen):
            continue
        value = median_low(one.reading.value for one in held)
        one = next(one for one in held if one.reading.value == value)
        first, last = parts[one.reading.first], parts[one.reading.last]
        found[rule.code] = Finding(
            code=rule.code,
            message=one.message,
            hint=one.hint,
            first=first.path,
            last=last.path,
            value=value if isfinite(value) else None,
            threshold=rule.threshold.value,
            source=rule.threshold.source,
            pointer=last.pointer,
            place=last.place,
        )
    return tuple(found.values())
