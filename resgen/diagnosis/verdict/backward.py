"""Faults on the way back: gradients that explode or shatter, and steps too long."""

from __future__ import annotations

from typing import Final

from resgen.diagnosis.verdict.figures import Figures, Reading
from resgen.diagnosis.verdict.rule import (
    BENCHMARK,
    Held,
    Threshold,
    adds_shortcuts,
    calms,
    coefficient,
    fold,
    most,
    percent,
    rounded,
    rule,
    starts_as_shortcut,
    tames,
)

FORWARD: Final = frozenset({"RG401", "RG405", "RG406", "RG408"})
GRADIENT: Final = FORWARD | {"RG402", "RG404"}

#: Gradient times activation grows this many fold from last to first block.
#: Learns at 870: plain44-batch. Hardly learns at 3,500: drawn027-plain56-batch.
EXPLODES: Final = Threshold(
    1500.0,
    "Yang et al. 2019, A Mean Field Theory of Batch Normalization: plain networks with "
    "batch norm amplify gradients by 1.2 a layer at least; "
    f"1,500-fold by {BENCHMARK}",
)
#: Gradients of neighbours that correlate less than this are called shattered.
UNRELATED: Final = 0.1


@rule("RG402", "The gradient explodes", EXPLODES, unless=FORWARD | {"RG404"})
def explodes(figures: Figures) -> Held | None:
    """Relative to the activations, the gradient grows from the last block back to the
    first by more than short training survives. A plain stack with batch norm amplifies
    it by 1.2 a layer at least, whatever the initialisation (Yang et al. 2019): harmless
    at depth 20, a heavy burden at depth 56. What is amplified backward is amplified
    forward too: a change too small to see in the input changes the whole output.

        "defaults": {"shortcut": "projection"}

    The same code is given where the first step of the optimiser is too long for the
    network, though no scale is lost: then a smaller `--lr` mends it.
    """
    found = EXPLODES.passed(figures.rise(figures.reach, back=True))
    if found is None:
        return None
    return Held(
        found,
        f"the gradient explodes: against the activations it grows {fold(found)}, "
        f"{most(found, figures, 'back to')}{_and_shatters(figures)}",
        adds_shortcuts(figures),
    )


def _and_shatters(figures: Figures) -> str:
    found = figures.correlation
    if found is None or found >= UNRELATED:
        return ""
    return (
        f", and shatters: neighbouring inputs' gradients correlate by "
        f"{coefficient(found)}"
    )


#: Share of the shortcut in a sum's second moment under which the branch dominates.
DOMINATES: Final = Threshold(
    0.1,
    "De and Smith 2020, Batch Normalization Biases Residual Blocks Towards the "
    "Identity Function in Deep Networks: blocks must stay close to the identity",
)


@rule("RG404", "Branches dominate", DOMINATES, unless=FORWARD)
def dominates(figures: Figures) -> Held | None:
    """The network has shortcuts, but what the branches add is so much larger that a
    block passes on little else: it behaves as a plain stack, and its gradient explodes
    as there (RG402). Residual learning rests on blocks that stay close to the identity
    (De and Smith 2020).

        "defaults": {"zero_init": true}
        "defaults": {"shortcut": {"project": "projection", "scale": ["skip_init"]}}

    A `scale` above 1 on the shortcut is the usual reason: lower it.
    """
    grown = EXPLODES.passed(figures.rise(figures.reach, back=True))
    share = figures.shortcut
    if grown is None or share is None or share >= DOMINATES.value:
        return None
    first, last = (figures.parts[i].path for i in (grown.first, grown.last))
    return Held(
        Reading(share, grown.first, grown.last),
        f"branches dominate: shortcuts carry {percent(share)} of what the median block "
        f"adds up, so the gradient grows {fold(grown)} from {first} back to {last} as "
        f"in a plain stack{_and_shatters(figures)}",
        starts_as_shortcut(figures),
    )


#: What EXPLODES looks at, in a network without batch norm, which keeps inputs apart.
#: Learns at 19: plain32-group. Stalls at 23: drawn007-plain44-group.
SHATTERS: Final = Threshold(
    20.0,
    "Balduzzi et al. 2017, The Shattered Gradients Problem: where small changes are "
    "amplified, gradients of neighbouring inputs are unrelated; "
    f"20-fold by {BENCHMARK}",
)


@rule("RG403", "Gradients shatter", SHATTERS, unless=GRADIENT)
def shatters(figures: Figures) -> Held | None:
    """On its way back the gradient is amplified, so that those of two inputs which
    differ by a little noise have next to nothing to do with one another: a step that
    helps one is noise to its neighbour (Balduzzi et al. 2017). Batch norm, which keeps
    inputs apart, bears this to a depth of 40 or so (then it is RG402); group and layer
    norm, with which inputs grow alike, bear much less.

        "defaults": {"shortcut": "projection", "norm": "batch"}
    """
    found = SHATTERS.passed(figures.rise(figures.reach, back=True))
    if found is None or "batch" in figures.norms:
        return None
    known = figures.correlation
    told = "part" if known is None else f"correlate by {coefficient(known)}"
    first, last = (figures.parts[i].path for i in (found.first, found.last))
    return Held(
        found,
        f"gradients shatter: those of neighbouring inputs {told}, and against the "
        f"activations they grow {fold(found)}, most of it from {first} back to {last}, "
        f"and inputs have {percent(figures.alike or 1)} of the last block's output in "
        "common",
        adds_shortcuts(figures),
    )


# --- the first step of the optimiser --------------------------------------------------

#: The first step over Polyak's, in a network without norms.
#: Hardly learns at 0.6: drawn042-res20-none. Stalls at 4.3: res20-none.
OVERSHOOTS: Final = Threshold(
    2.0,
    "Polyak 1969, Minimization of unsmooth functionals: of a convex loss, steps of up "
    "to twice his lead towards the optimum, and longer ones may not",
)
#: That of the head alone, in a network with norms.
#: Learns at 3: resnet56_cifar. Stalls at 4, which is missed: drawn065-res56-batch; at
#: 17: res56-batch-ten. At rate 0.1, which He et al. find too large to start with,
#: resnet110_cifar has 12.
HEAD_OVERSHOOTS: Final = Threshold(
    10.0,
    "Polyak 1969, as for networks without norms; He et al. 2015, Deep Residual "
    f"Learning, section 4.2, warm ResNet-110 up at a smaller rate; 10 by {BENCHMARK}",
)


@explodes.also(OVERSHOOTS, unless=GRADIENT | {"RG403"})
def overshoots(figures: Figures) -> Held | None:
    """The first step of a network without norms is too long."""
    if figures.norms:
        return None
    return _too_long(figures, OVERSHOOTS, figures.blocks[0], "the")


@explodes.also(HEAD_OVERSHOOTS, unless=GRADIENT | {"RG403"})
def head_overshoots(figures: Figures) -> Held | None:
    """The first step of the head is too long, in a network with norms."""
    if not figures.norms:
        return None
    head = len(figures.parts) - 1
    return _too_long(figures, HEAD_OVERSHOOTS, head, "the head's")


def _too_long(
    figures: Figures, threshold: Threshold, first: int, whose: str
) -> Held | None:
    step = figures.overshoot
    if step is None or step < threshold.value:
        return None
    rate = bearable(figures)
    return Held(
        Reading(step, first, len(figures.parts) - 1),
        f"the gradient is too large for the learning rate: at {figures.rate:g}, "
        f"{whose} first step is {rounded(step)} times what would use up the whole loss",
        f"train with a learning rate of {rate:g}, or {calms(figures)}"
        if rate is not None
        else tames(figures, None),
    )


def bearable(figures: Figures) -> float | None:
    """A learning rate whose first step is well short; None if it would be tiny."""
    step = figures.overshoot
    if step is None:
        return None
    # Half of the limit for networks without norms, so that either has room.
    share = OVERSHOOTS.value / 2 / step
    if not 0.01 <= share < 1:
        return None
    return float(f"{figures.rate * share:.0e}")
