"""Networks to time, so that those that nobody has thought of are told from them."""

from __future__ import annotations

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.shrinking.cut import cut
from resgen.shrinking.groups import groups
from resgen.shrinking.labels import labelled

#: Channels that are left are multiples of one of these, as often as they stand here.
STEPS = (1, 4, 8, 8, 16, 32)
#: The share of its channels that a group may lose.
LOSES = (0.05, 0.7)
#: What spatial sizes are multiplied by, and what they are multiples of where the
#: network's own are. Most stay as they are, as those of networks to come do: of each
#: such variant these are told twice as much.
SCALES = (0.75, 1.0, 1.0, 1.0, 1.0, 1.25)
STRIDE = 32


def sized(shape: tuple[int, ...], generator: np.random.Generator) -> tuple[int, ...]:
    """An input of the same channels and of another size."""
    scale = generator.choice(SCALES)
    unit = STRIDE if all(n % STRIDE == 0 and n > STRIDE for n in shape[1:]) else 4
    return (shape[0], *(max(unit, round(n * scale / unit) * unit) for n in shape[1:]))


def narrowed(graph: Graph, generator: np.random.Generator) -> Graph:
    """The network without some channels of each group, as many as chance has it.

    A network whose channels cannot be told apart stays as it is.
    """
    graph = graph.inference
    try:
        found = labelled(graph)
    except ResgenError:
        return graph
    step = int(generator.choice(STEPS))
    gone = [np.empty(0, np.int64)]
    for group in groups(found):
        count = group.classes.size
        left = round(count * (1 - generator.uniform(*LOSES)) / step) * step
        gone.append(group.classes[: count - min(count, max(left, step, 1))])
    zeros = {
        parameter.name: np.broadcast_to(np.float32(0), parameter.shape)
        for parameter in graph.parameters
    }
    return cut(found, zeros, np.concatenate(gone)).graph
