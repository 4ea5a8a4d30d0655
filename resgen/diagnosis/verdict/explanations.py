"""What every code of a diagnosis means: ``resgen check --explain RG402``."""

from __future__ import annotations

from typing import Final

from resgen.graph.explanations import Explanation


def _warning(code: str, title: str, text: str) -> Explanation:
    return Explanation.of(code, "warning", title, text)


#: Of findings at initialisation, by their codes.
VERDICT: Final = (
    _warning("RG401", "The gradient vanishes", """
    On its way from the last block back to the first the gradient shrinks ten-fold or
    more, and on the way forward so does what tells inputs apart. Blocks near the input
    hardly move, and the head sees the same whatever comes in: the loss stays at that of
    guessing. So it is with deep stacks without norms, all the more with weights that
    are small (Glorot and Bengio 2010; He et al. 2015).

        "defaults": {"norm": "batch", "shortcut": "projection"}

    A norm keeps the scale of activations, a shortcut gives the gradient a way around
    each block. Branches that start at zero (zero_init, SkipInit, ReZero, LayerScale)
    have no gradient in their weights at first; that is no fault, since the gradient
    passes their shortcuts.
    """),
    _warning("RG402", "The gradient explodes", """
    Relative to the activations, the gradient grows from the last block back to the
    first by more than short training survives. A plain stack with batch norm amplifies
    it by 1.2 a layer at least, whatever the initialisation (Yang et al. 2019): harmless
    at depth 20, a heavy burden at depth 56. What is amplified backward is amplified
    forward too: a change too small to see in the input changes the whole output.

        "defaults": {"shortcut": "projection"}

    The same code is given where the first step of the optimiser is too long for the
    network, though no scale is lost: then a smaller `--lr` mends it.
    """),
    _warning("RG403", "Gradients shatter", """
    On its way back the gradient is amplified, so that those of two inputs which differ
    by a little noise have next to nothing to do with one another: a step that helps one
    is noise to its neighbour (Balduzzi et al. 2017). Batch norm, which keeps inputs
    apart, bears this to a depth of 40 or so (then it is RG402); group and layer norm,
    with which inputs grow alike, bear much less.

        "defaults": {"shortcut": "projection", "norm": "batch"}
    """),
    _warning("RG404", "Branches dominate", """
    The network has shortcuts, but what the branches add is so much larger that a block
    passes on little else: it behaves as a plain stack, and its gradient explodes as
    there (RG402). Residual learning rests on blocks that stay close to the identity
    (De and Smith 2020).

        "defaults": {"zero_init": true}
        "defaults": {"shortcut": {"project": "projection", "scale": ["skip_init"]}}

    A `scale` above 1 on the shortcut is the usual reason: lower it.
    """),
    _warning("RG405", "Dead units", """
    Nine of ten channels of a block, or more, are zero for every input of the batch, and
    no shortcut leads around the block. A ReLU that never fires passes no gradient, so
    nothing brings it back (Lu et al. 2019). Large negative biases or weights that are
    far too large are the usual reasons.

        "defaults": {"act": "leaky_relu"}
    """),
    _warning("RG406", "A scale is lost", """
    Activations grow or shrink from block to block, since no norm holds them. Without
    one a residual block doubles their mean square (Zhang et al. 2019; De and Smith
    2020), so that scores and gradients are huge and the first step overshoots; a plain
    stack shrinks it wherever its weights are small or its maps are padded, until the
    head is given next to nothing.

        "defaults": {"norm": "batch"}

    A stem without a norm may lose it at once: then scores hardly depend on the input,
    and the first step takes next to nothing off the loss. Where a network that grows is
    not far from stable, a smaller `--lr` will do.
    """),
    _warning("RG407", "Inputs look alike", """
    What inputs have in common grows from block to block, and what tells them apart is a
    small share of what the last block gives out. The gradient then is about what is
    common, and a step that is safe for that moves the differences hardly at all
    (Schoenholz et al. 2017; Xiao et al. 2020). ReLU networks without batch norm tend
    there with depth, those with layer norm too.

        "defaults": {"norm": "batch"}

    Batch norm takes away what all inputs of a batch have in common.
    """),
    _warning("RG408", "Not finite", """
    Before any training a part gives out, or is given as gradient, infinity or NaN: the
    numbers left the range of float32. Activations that grow from block to block are the
    usual reason (see RG406); an initialisation with huge weights, or data that hold
    such numbers, are others.
    """),
)  # fmt: skip
