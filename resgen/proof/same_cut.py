"""What is left of a network computes what the whole one does without what went.

The whole network is given probes for its weights, and zeros wherever a map reads a
channel that went; what is left has the same numbers without these. Then both compute
the same, but for the rounding of sums in another order, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.proof.probe import draw
from resgen.shrinking.cut import left
from resgen.shrinking.labels import Labelled, Labels
from resgen.words.numbers import count

#: Inputs that are compared.
INPUTS: Final = 2
#: Of the largest number of an output.
TOLERANCE: Final = 1e-9


def prove_cut(
    found: Labelled,
    gone: Labels,
    graph: Graph,
    names: Mapping[str, str],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """What was proven of ``graph``, which is left of a network, or a ResgenError.

    ``names`` has for each of its parameters that of the whole network. Where operators
    take statistics over channels, the two differ by nature, and nothing is compared.
    """
    if found.mixing:
        some = count(len(found.mixing), "operator")
        why = f"{some} take statistics over channels, which change with them"
        return {"verdict": "not compared", "notes": [why]}
    import torch

    from resgen.lower.torch import to_torch

    whole = draw(found.graph, seed)
    kept = {ours: left(found, name, whole[name], gone) for ours, name in names.items()}
    for name, axis in found.reads:
        at = np.isin(found.axes[name, axis], gone)
        whole[name][(slice(None),) * axis + (at,)] = 0
    x = torch.from_numpy(
        np.random.default_rng(seed).standard_normal(
            (INPUTS, *graph.inputs[0].type.shape)
        )
    )
    with torch.no_grad():
        sides = [
            to_torch(each, numbers).eval().double()(x)
            for each, numbers in ((found.graph, whole), (graph, kept))
        ]
    wanted, made = (s if isinstance(s, dict) else {"": s} for s in sides)
    apart = max(
        float((made[name] - value).abs().max() / value.abs().max())
        for name, value in wanted.items()
    )
    if not apart <= TOLERANCE:
        raise ResgenError(
            f"what is left differs by {apart:.1e} of the output from the network "
            "without the channels that went"
        )
    return {"verdict": "equal", "inputs": INPUTS, "largest_difference": apart}
