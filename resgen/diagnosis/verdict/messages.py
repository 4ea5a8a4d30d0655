"""What a rule that holds says: what is wrong, from where to where, by how much."""

from __future__ import annotations

from dataclasses import replace

from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.thresholds import UNRELATED
from resgen.diagnosis.verdict.words import (
    coefficient,
    fold,
    percent,
    rate_of,
    rounded,
    times,
)


def _names(reading: Reading, figures: Figures) -> tuple[str, str]:
    return figures.parts[reading.first].path, figures.parts[reading.last].path


def not_finite(reading: Reading, figures: Figures) -> str:
    """Where numbers were lost."""
    first, _ = _names(reading, figures)
    return (
        f"{first} gives or gets numbers that are infinite or NaN, before any training"
    )


def dead(reading: Reading, figures: Figures) -> str:
    """Which block never fires."""
    first, _ = _names(reading, figures)
    return (
        f"dead units: {percent(reading.value)} of the channels of {first} are zero for "
        "every input, and no gradient passes them"
    )


def grows(reading: Reading, figures: Figures) -> str:
    """A scale that is lost upward, and what the first step will do."""
    first, last = _names(reading, figures)
    step = figures.overshoot or 0.0
    return (
        f"a scale is lost: activations grow {fold(reading.value)} in mean square, most "
        f"of it from {first} to {last}{rate_of(reading)}; the loss is "
        f"{rounded(figures.loss or 0)} where guessing has {figures.guessing:.1f}, and "
        f"at learning rate {figures.rate:g} the first step is {times(step)} what would "
        "use it up"
    )


def fades(reading: Reading, figures: Figures) -> str:
    """A scale that is lost downward."""
    first, last = _names(reading, figures)
    return (
        f"a scale is lost: what tells inputs apart shrinks {fold(reading.value)} in "
        f"mean square, most of it from {first} to {last}{rate_of(reading)}; nothing is "
        "left for the head to learn from"
    )


def undershoots(reading: Reading, figures: Figures) -> str:
    """A scale that is too small from the stem on."""
    told, common = figures.told or [0.0], figures.alike or 0.0
    _, last = _names(replace(reading, last=figures.blocks[-1]), figures)
    return (
        f"a scale is lost: what tells inputs apart has a mean square of "
        f"{rounded(told[-1])} at {last}, {percent(1 - common)} of what it gives out; "
        f"at learning rate {figures.rate:g} the first step takes "
        f"{percent(reading.value)} off the loss"
    )


def vanishes(reading: Reading, figures: Figures) -> str:
    """A gradient that does not get back."""
    first, last = _names(reading, figures)
    told = figures.lost(figures.told)
    faded = fold(told.value) if told is not None else "as much"
    return (
        f"the gradient vanishes: it shrinks {fold(reading.value)}, most of it from "
        f"{first} back to {last}{rate_of(reading)}; and forward what tells inputs "
        f"apart shrinks {faded}"
    )


def explodes(reading: Reading, figures: Figures) -> str:
    """A gradient that grows on its way back."""
    first, last = _names(reading, figures)
    return (
        f"the gradient explodes: against the activations it grows "
        f"{fold(reading.value)}, most of it from {first} back to {last}"
        f"{rate_of(reading)}"
        f"{_and_shatters(figures)}"
    )


def dominates(reading: Reading, figures: Figures) -> str:
    """Branches that outweigh their shortcuts."""
    first, last = _names(reading, figures)
    grown = figures.grown_backward(figures.reach)
    by = fold(grown.value) if grown is not None else "far"
    return (
        f"branches dominate: shortcuts carry {percent(reading.value)} of what the "
        f"median block adds up, so the gradient grows {by} from {first} back to {last} "
        f"as in a plain stack{_and_shatters(figures)}"
    )


def _and_shatters(figures: Figures) -> str:
    found = figures.correlation
    if found is None or found >= UNRELATED:
        return ""
    return (
        f", and shatters: neighbouring inputs' gradients correlate by "
        f"{coefficient(found)}"
    )


def shatters(reading: Reading, figures: Figures) -> str:
    """Gradients of neighbours that part, where inputs are alike."""
    first, last = _names(reading, figures)
    found = figures.correlation
    told = "part" if found is None else f"correlate by {coefficient(found)}"
    return (
        f"gradients shatter: those of neighbouring inputs {told}, and against the "
        f"activations they grow {fold(reading.value)}, most of it from {first} back to "
        f"{last}, and inputs have {percent(figures.alike or 1)} of the last block's "
        "output in common"
    )


def overshoots(reading: Reading, figures: Figures) -> str:
    """A first step that is too long."""
    whose = "the head's" if figures.norms else "the"
    return (
        f"the gradient is too large for the learning rate: at {figures.rate:g}, "
        f"{whose} first step is {times(reading.value)} what would use up the whole loss"
    )


def alike(reading: Reading, figures: Figures) -> str:
    """Inputs that can hardly be told apart."""
    first, last = _names(reading, figures)
    common = figures.common or [1.0]
    return (
        f"inputs look alike: they differ in {percent(1 / common[0])} of what "
        f"{figures.parts[figures.blocks[0]].path} gives out, and in "
        f"{percent(1 / common[-1])} at {figures.parts[figures.blocks[-1]].path}; most "
        f"is lost from {first} to {last}"
    )
