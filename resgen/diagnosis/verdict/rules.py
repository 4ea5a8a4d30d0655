"""The rules: each looks at the figures of one seed and says whether it holds.

They stand in the order of causes: a rule that others explain comes after them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from resgen.diagnosis.verdict import mends, messages, thresholds
from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.mends import Traits
from resgen.diagnosis.verdict.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Rule:
    """A code, when it holds (``reading`` is not None), and what to say then.

    ``explained_by`` are the codes of which this one would be a mere consequence.
    """

    code: str
    threshold: Threshold
    reading: Callable[[Figures], Reading | None]
    message: Callable[[Reading, Figures], str]
    hint: Callable[[Reading, Figures, Traits], str]
    explained_by: frozenset[str] = frozenset({"RG408"})


def _not_finite(figures: Figures) -> Reading | None:
    for i, measures in enumerate(figures.measures):
        if measures.variance is None and measures.nonfinite:
            return Reading(measures.nonfinite, i, i)
    if figures.loss is None:
        last = len(figures.parts) - 1
        return Reading(inf, last, last)
    for i, measures in reversed(list(enumerate(figures.measures))):
        if measures.nonfinite:
            return Reading(measures.nonfinite, i, i)
    return None


def _dead(figures: Figures) -> Reading | None:
    alive = True
    for i in figures.blocks:
        measures = figures.measures[i]
        dead = measures.dead or 0.0
        if alive and measures.shortcut is None and dead >= thresholds.DEAD.value:
            return Reading(dead, i, i)
        # Below this, zeros are those of the number format.
        alive = (measures.variance or 0.0) > thresholds.FAINT
    return None


def _grows(figures: Figures) -> Reading | None:
    if _overshoots(figures) is None and _head_overshoots(figures) is None:
        return None
    return _beyond(figures.gained(figures.scale), thresholds.GROWS)


def _fades(figures: Figures) -> Reading | None:
    return _beyond(figures.lost(figures.told), thresholds.FADES)


def _alike(figures: Figures) -> Reading | None:
    return _beyond(figures.gained(figures.common), thresholds.ALIKE)


def _vanishes(figures: Figures) -> Reading | None:
    if _fades(figures) is None:
        return None
    return _beyond(figures.lost_backward(figures.gradient), thresholds.VANISHES)


def _explodes(figures: Figures) -> Reading | None:
    return _beyond(figures.grown_backward(figures.reach), thresholds.EXPLODES)


def _dominates(figures: Figures) -> Reading | None:
    found, share = _explodes(figures), figures.shortcut
    if found is None or share is None or share >= thresholds.DOMINATES.value:
        return None
    return Reading(share, found.first, found.last)


def _shatters(figures: Figures) -> Reading | None:
    if "batch" in figures.norms:
        return None
    return _beyond(figures.grown_backward(figures.reach), thresholds.SHATTERS)


def _overshoots(figures: Figures) -> Reading | None:
    if figures.norms or figures.overshoot is None:
        return None
    found = Reading(figures.overshoot, figures.blocks[0], len(figures.parts) - 1)
    return _beyond(found, thresholds.OVERSHOOTS)


def _head_overshoots(figures: Figures) -> Reading | None:
    if not figures.norms or figures.overshoot is None:
        return None
    head = len(figures.parts) - 1
    return _beyond(Reading(figures.overshoot, head, head), thresholds.HEAD_OVERSHOOTS)


def _undershoots(figures: Figures) -> Reading | None:
    step = figures.overshoot
    if figures.norms or step is None or step > thresholds.UNDERSHOOTS.value:
        return None
    return Reading(step, figures.blocks[0], len(figures.parts) - 1)


def _beyond(found: Reading | None, threshold: Threshold) -> Reading | None:
    return found if found is not None and found.value >= threshold.value else None


# --- in order of cause ----------------------------------------------------------------

_LOST: Final = frozenset({"RG408", "RG405"})
_SCALE: Final = _LOST | {"RG401", "RG406"}
_GRADIENT: Final = _SCALE | {"RG402", "RG404"}
_ALL: Final = _GRADIENT | {"RG403"}

RULES: Final[tuple[Rule, ...]] = (
    Rule("RG408", thresholds.FINITE, _not_finite, messages.not_finite, mends.inspects),
    Rule("RG405", thresholds.DEAD, _dead, messages.dead, mends.revives),
    Rule("RG406", thresholds.GROWS, _grows, messages.grows, mends.tames, _LOST),
    Rule(
        "RG401",
        thresholds.VANISHES,
        _vanishes,
        messages.vanishes,
        mends.keeps_scale,
        _LOST | {"RG406"},
    ),
    Rule("RG406", thresholds.FADES, _fades, messages.fades, mends.keeps_scale, _SCALE),
    Rule(
        "RG406",
        thresholds.UNDERSHOOTS,
        _undershoots,
        messages.undershoots,
        mends.keeps_scale,
        _SCALE,
    ),
    Rule(
        "RG404",
        thresholds.DOMINATES,
        _dominates,
        messages.dominates,
        mends.starts_as_shortcut,
        _SCALE,
    ),
    Rule(
        "RG402",
        thresholds.EXPLODES,
        _explodes,
        messages.explodes,
        mends.adds_shortcuts,
        _SCALE | {"RG404"},
    ),
    Rule(
        "RG403",
        thresholds.SHATTERS,
        _shatters,
        messages.shatters,
        mends.adds_shortcuts,
        _GRADIENT,
    ),
    Rule(
        "RG402",
        thresholds.OVERSHOOTS,
        _overshoots,
        messages.overshoots,
        mends.slows_down,
        _ALL,
    ),
    Rule(
        "RG402",
        thresholds.HEAD_OVERSHOOTS,
        _head_overshoots,
        messages.overshoots,
        mends.slows_down,
        _ALL,
    ),
    Rule("RG407", thresholds.ALIKE, _alike, messages.alike, mends.tells_apart, _ALL),
)
