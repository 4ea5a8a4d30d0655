"""Where the verdict draws its lines, and what each line rests on.

What goes wrong is known from the literature; how much of it short training survives is
not, and was read off the benchmark of ``tests/golden/diagnosis.json``. Above each such
threshold stand the networks nearest to it on either side, with their figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BENCHMARK: Final = (
    "the benchmark of tests/golden/diagnosis.json, by the networks not held back"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure beyond ``value`` is at fault; ``source`` says why such a figure is."""

    value: float
    source: str


#: What tells inputs apart falls this many fold from the first block to the last.
#: Learns at 8: res56-none-tenth. Stalls at 45: plain20-none-fanin.
FADES: Final = Threshold(
    20.0,
    "Glorot and Bengio 2010, He et al. 2015 (Delving Deep into Rectifiers): a map must "
    f"keep the variance; 20-fold by {BENCHMARK}",
)
#: The gradient falls this many fold from the last block back to the first. It only
#: says how to call what FADES has found.
VANISHES: Final = Threshold(
    4.0,
    "Glorot and Bengio 2010: Understanding the difficulty of training deep feedforward "
    "neural networks; 4-fold is our convention",
)
#: The share in which inputs differ falls this many fold from first to last block.
#: Learns at 3.6: drawn026-res32-group; at 5.2: res20-layer at width 16, on pictures
#: that are not normalised. Stalls at 5.7: drawn015-plain32-layer.
ALIKE: Final = Threshold(
    5.5,
    "Schoenholz et al. 2017, Deep Information Propagation: a network learns to the "
    f"depth to which inputs stay apart; 5.5-fold by {BENCHMARK}",
)
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
#: The first step over Polyak's may be too short as well, in a network without norms.
#: Stalls at 0.003: drawn052-res32-none; at 0.02: pre20-none, which is missed. Nearly
#: learns at 0.05: drawn006-res20-none; and does at 0.0006: res56-none-tenth.
UNDERSHOOTS: Final = Threshold(
    0.01,
    "Glorot and Bengio 2010, He et al. 2015 (Delving Deep into Rectifiers): a map must "
    f"keep the variance, and what the loss may gain by it; 0.01 by {BENCHMARK}",
)
#: Mean square of activations over that of the first block. It only says how to call
#: what OVERSHOOTS has found.
GROWS: Final = Threshold(
    30.0,
    "Zhang et al. 2019, Fixup Initialization; De and Smith 2020: without norms each "
    "residual block doubles the variance; 30-fold is our convention",
)
#: Gradient times activation grows this many fold from last to first block.
#: Learns at 870: plain44-batch. Hardly learns at 3,500: drawn027-plain56-batch.
EXPLODES: Final = Threshold(
    1500.0,
    "Yang et al. 2019, A Mean Field Theory of Batch Normalization: plain networks with "
    "batch norm amplify gradients by 1.2 a layer at least; "
    f"1,500-fold by {BENCHMARK}",
)
#: The same in a network without batch norm, which keeps inputs apart.
#: Learns at 19: plain32-group. Stalls at 23: drawn007-plain44-group.
SHATTERS: Final = Threshold(
    20.0,
    "Balduzzi et al. 2017, The Shattered Gradients Problem: where small changes are "
    "amplified, gradients of neighbouring inputs are unrelated; "
    f"20-fold by {BENCHMARK}",
)
#: Gradients of neighbours that correlate less than this are called shattered.
UNRELATED: Final = 0.1
#: Share of the shortcut in a sum's second moment under which the branch dominates.
DOMINATES: Final = Threshold(
    0.1,
    "De and Smith 2020, Batch Normalization Biases Residual Blocks Towards the "
    "Identity Function in Deep Networks: blocks must stay close to the identity",
)
#: Share of a block's channels that are zero for all inputs.
DEAD: Final = Threshold(
    0.9,
    "Lu et al. 2019, Dying ReLU and Initialization; nine of ten channels, and no "
    "shortcut around them, is our convention",
)
#: Any number that is not finite.
FINITE: Final = Threshold(0.0, "no arithmetic goes on from infinity or NaN")
#: A variance below which zeros are those of float32, whose smallest square is 1e-38.
FAINT: Final = 1e-20
