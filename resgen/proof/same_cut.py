"""What is left of a network computes what the whole one does without what went.

The whole network is given probes for its weights, and zeros wherever a map reads a
channel that went; what is left has the same numbers without these. Then both compute
the same, but for the rounding of sums in another order, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.proof.probe import draw
from resgen.shrinking.cut import left
from resgen.shrinking.depth import Branch, zeroed
from resgen.shrinking.labels import Labelled, Labels
from resgen.weights.evaluate import Weights
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
    whole = draw(found.graph, seed)
    kept = {ours: left(found, name, whole[name], gone) for ours, name in names.items()}
    for name, axis in found.reads:
        at = np.isin(found.axes[name, axis], gone)
        whole[name][(slice(None),) * axis + (at,)] = 0
    apart = _apart((found.graph, whole), (graph, kept), "channels", seed)
    return {"verdict": "equal", "inputs": INPUTS, "largest_difference": apart}


def prove_without(
    graph: Graph, left: Graph, gone: Sequence[Branch], *, seed: int = 0
) -> float:
    """The largest difference between ``left`` and ``graph`` with zeros for branches.

    It is a share of the output. One beyond rounding is a ResgenError.
    """
    numbers = draw(graph, seed)
    kept = {parameter.name: numbers[parameter.name] for parameter in left.parameters}
    return _apart((graph, zeroed(numbers, gone)), (left, kept), "branches", seed)


def _apart(
    whole: tuple[Graph, Weights], left: tuple[Graph, Weights], what: str, seed: int
) -> float:
    """By how much the outputs differ, as a share of them, in float64."""
    import torch

    from resgen.lower.torch import to_torch

    shape = (INPUTS, *whole[0].inputs[0].type.shape)
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))
    with torch.no_grad():
        sides = [
            to_torch(graph, numbers).eval().double()(x)
            for graph, numbers in (whole, left)
        ]
    wanted, made = (s if isinstance(s, dict) else {"": s} for s in sides)
    apart = max(
        float((made[name] - value).abs().max() / value.abs().max())
        for name, value in wanted.items()
    )
    if not apart <= TOLERANCE:
        raise ResgenError(
            f"what is left differs by {apart:.1e} of the output from the network "
            f"without the {what} that went"
        )
    return apart
