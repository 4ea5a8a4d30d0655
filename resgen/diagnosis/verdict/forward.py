"""Faults on the way forward: numbers, units, scales and differences that are lost."""

from __future__ import annotations

from math import inf
from typing import Final

from resgen.diagnosis.verdict.backward import bearable, head_overshoots, overshoots
from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.rule import (
    BENCHMARK,
    HE,
    NORM,
    Held,
    Threshold,
    adds_shortcuts,
    fold,
    keeps_scale,
    most,
    percent,
    rounded,
    rule,
    tames,
)

LOST: Final = frozenset({"RG408", "RG405"})
SCALE: Final = LOST | {"RG401", "RG406"}

#: Any number that is not finite.
FINITE: Final = Threshold(0.0, "no arithmetic goes on from infinity or NaN")


@rule("RG408", "Not finite", FINITE)
def not_finite(figures: Figures) -> Held | None:
    """Before any training a part gives out, or is given as gradient, infinity or NaN:
    the numbers left the range of float32. Activations that grow from block to block are
    the usual reason (see RG406); an initialisation with huge weights, or data that hold
    such numbers, are others.
    """
    found = _not_finite(figures)
    if found is None:
        return None
    return Held(
        found,
        f"{figures.parts[found.first].path} gives or gets numbers that are infinite or "
        "NaN, before any training",
        f'write {NORM} in "defaults" if activations grow until there; else look at the '
        "initialisation, and at the data",
    )


def _not_finite(figures: Figures) -> Reading | None:
    """The first output, else the loss, else the last gradient that is none."""
    counted = [(i, m.nonfinite, m.variance) for i, m in enumerate(figures.measures)]
    for i, count, variance in counted:
        if count and variance is None:
            return Reading(count, i, i)
    if figures.loss is None:
        last = len(figures.parts) - 1
        return Reading(inf, last, last)
    for i, count, _ in reversed(counted):
        if count:
            return Reading(count, i, i)
    return None


#: Share of a block's channels that are zero for all inputs.
DEAD: Final = Threshold(
    0.9,
    "Lu et al. 2019, Dying ReLU and Initialization; nine of ten channels, and no "
    "shortcut around them, is our convention",
)
#: A variance below which zeros are those of float32, whose smallest square is 1e-38.
FAINT: Final = 1e-20


@rule("RG405", "Dead units", DEAD)
def dead(figures: Figures) -> Held | None:
    """Nine of ten channels of a block, or more, are zero for every input of the batch,
    and no shortcut leads around the block. A ReLU that never fires passes no gradient,
    so nothing brings it back (Lu et al. 2019). Large negative biases or weights that
    are far too large are the usual reasons.

        "defaults": {"act": "leaky_relu"}
    """
    alive = True
    for i in figures.blocks:
        measures = figures.measures[i]
        share = measures.dead or 0.0
        if alive and measures.shortcut is None and share >= DEAD.value:
            return Held(
                Reading(share, i, i),
                f"dead units: {percent(share)} of the channels of "
                f"{figures.parts[i].path} are zero for every input, and no gradient "
                "passes them",
                'start biases from zero ("init": {"bias": 0} of the norm or '
                'convolution before the activation); an "act" that is never flat, such '
                'as "leaky_relu", lets units come back',
            )
        alive = (measures.variance or 0.0) > FAINT
    return None


#: Mean square of activations over that of the first block. It only says how to call
#: what OVERSHOOTS has found.
GROWS: Final = Threshold(
    30.0,
    "Zhang et al. 2019, Fixup Initialization; De and Smith 2020: without norms each "
    "residual block doubles the variance; 30-fold is our convention",
)


@rule("RG406", "A scale is lost", GROWS, unless=LOST)
def grows(figures: Figures) -> Held | None:
    """Activations grow or shrink from block to block, since no norm holds them. Without
    one a residual block doubles their mean square (Zhang et al. 2019; De and Smith
    2020), so that scores and gradients are huge and the first step overshoots; a plain
    stack shrinks it wherever its weights are small or its maps are padded, until the
    head is given next to nothing.

        "defaults": {"norm": "batch"}

    A stem without a norm may lose it at once: then scores hardly depend on the input,
    and the first step takes next to nothing off the loss. Where a network that grows is
    not far from stable, a smaller `--lr` will do.
    """
    if overshoots.ask(figures) is None and head_overshoots.ask(figures) is None:
        return None
    found = GROWS.passed(figures.rise(figures.scale))
    if found is None:
        return None
    return Held(
        found,
        f"a scale is lost: activations grow {fold(found)} in mean square, "
        f"{most(found, figures)}; the loss is {rounded(figures.loss or 0)} where "
        f"guessing has {figures.guessing:.1f}, and at learning rate {figures.rate:g} "
        f"the first step is {rounded(figures.overshoot or 0.0)} times what would use "
        "it up",
        tames(figures, bearable(figures)),
    )


#: The gradient falls this many fold from the last block back to the first. It only
#: says how to call what FADES has found.
VANISHES: Final = Threshold(
    4.0,
    "Glorot and Bengio 2010: Understanding the difficulty of training deep feedforward "
    "neural networks; 4-fold is our convention",
)


@rule("RG401", "The gradient vanishes", VANISHES, unless=LOST | {"RG406"})
def vanishes(figures: Figures) -> Held | None:
    """On its way from the last block back to the first the gradient shrinks ten-fold or
    more, and on the way forward so does what tells inputs apart. Blocks near the input
    hardly move, and the head sees the same whatever comes in: the loss stays at that of
    guessing. So it is with deep stacks without norms, all the more with weights that
    are small (Glorot and Bengio 2010; He et al. 2015).

        "defaults": {"norm": "batch", "shortcut": "projection"}

    A norm keeps the scale of activations, a shortcut gives the gradient a way around
    each block. Branches that start at zero (zero_init, SkipInit, ReZero, LayerScale)
    have no gradient in their weights at first; that is no fault, since the gradient
    passes their shortcuts.
    """
    faded = FADES.passed(figures.fall(figures.told))
    found = VANISHES.passed(figures.fall(figures.gradient, back=True))
    if faded is None or found is None:
        return None
    return Held(
        found,
        f"the gradient vanishes: it shrinks {fold(found)}, "
        f"{most(found, figures, 'back to')}; and forward what tells inputs apart "
        f"shrinks {fold(faded)}",
        keeps_scale(figures),
    )


#: What tells inputs apart falls this many fold from the first block to the last.
#: Learns at 8: res56-none-tenth. Stalls at 45: plain20-none-fanin.
FADES: Final = Threshold(
    20.0,
    f"Glorot and Bengio 2010, {HE}: a map must keep the variance; "
    f"20-fold by {BENCHMARK}",
)


@grows.also(FADES, unless=SCALE)
def fades(figures: Figures) -> Held | None:
    """A scale that is lost downward."""
    found = FADES.passed(figures.fall(figures.told))
    if found is None:
        return None
    return Held(
        found,
        f"a scale is lost: what tells inputs apart shrinks {fold(found)} in mean "
        f"square, {most(found, figures)}; nothing is left for the head to learn from",
        keeps_scale(figures),
    )


#: The first step over Polyak's may be too short as well, in a network without norms.
#: Stalls at 0.003: drawn052-res32-none; at 0.02: pre20-none, which is missed. Nearly
#: learns at 0.05: drawn006-res20-none; and does at 0.0006: res56-none-tenth.
UNDERSHOOTS: Final = Threshold(
    0.01,
    f"Glorot and Bengio 2010, {HE}: a map must keep the variance, and what the loss "
    f"may gain by it; 0.01 by {BENCHMARK}",
)


@grows.also(UNDERSHOOTS, unless=SCALE)
def undershoots(figures: Figures) -> Held | None:
    """A scale that is too small from the stem on."""
    step = figures.overshoot
    if figures.norms or step is None or step > UNDERSHOOTS.value:
        return None
    told, common = figures.told or [0.0], figures.alike or 0.0
    return Held(
        Reading(step, figures.blocks[0], len(figures.parts) - 1),
        f"a scale is lost: what tells inputs apart has a mean square of "
        f"{rounded(told[-1])} at {figures.parts[figures.blocks[-1]].path}, "
        f"{percent(1 - common)} of what it gives out; at learning rate "
        f"{figures.rate:g} the first step takes {percent(step)} off the loss",
        keeps_scale(figures),
    )


#: The share in which inputs differ falls this many fold from first to last block.
#: Learns at 3.6: drawn026-res32-group; at 5.2: res20-layer at width 16, on pictures
#: that are not normalised. Stalls at 5.7: drawn015-plain32-layer.
ALIKE: Final = Threshold(
    5.5,
    "Schoenholz et al. 2017, Deep Information Propagation: a network learns to the "
    f"depth to which inputs stay apart; 5.5-fold by {BENCHMARK}",
)


@rule("RG407", "Inputs look alike", ALIKE, unless=SCALE | {"RG402", "RG403", "RG404"})
def alike(figures: Figures) -> Held | None:
    """What inputs have in common grows from block to block, and what tells them apart
    is a small share of what the last block gives out. The gradient then is about what
    is common, and a step that is safe for that moves the differences hardly at all
    (Schoenholz et al. 2017; Xiao et al. 2020). ReLU networks without batch norm tend
    there with depth, those with layer norm too.

        "defaults": {"norm": "batch"}

    Batch norm takes away what all inputs of a batch have in common.
    """
    common = figures.common
    found = ALIKE.passed(figures.rise(common))
    if common is None or found is None:
        return None
    begin, end, first, last = (
        figures.parts[i].path
        for i in (figures.blocks[0], figures.blocks[-1], found.first, found.last)
    )
    return Held(
        found,
        f"inputs look alike: they differ in {percent(1 / common[0])} of what {begin} "
        f"gives out, and in {percent(1 / common[-1])} at {end}; most is lost from "
        f"{first} to {last}",
        adds_shortcuts(figures)
        if "batch" in figures.norms
        else f'write {NORM} in "defaults": it takes away what all inputs have in '
        "common",
    )
