"""From ranges to the scales and zero points of a quantised graph."""

from __future__ import annotations

import numpy as np

from resgen.calibrate.ranges import Ranges
from resgen.errors import ResgenError
from resgen.graph.ir import Graph, Node
from resgen.ops.quantize import Quantize
from resgen.ops.types import LEAST_SCALES, RANGES, Apply
from resgen.weights.evaluate import Array, Weights
from resgen.weights.initialize import initialize


def quantized_values(graph: Graph) -> tuple[str, ...]:
    """The values that the graph quantises, whose ranges :func:`scales` wants."""
    return tuple(
        dict.fromkeys(n.inputs[0] for n in graph.nodes if isinstance(n.op, Quantize))
    )


def scales(graph: Graph, ranges: Ranges) -> dict[str, Array]:
    """Scales and zero points by parameter name, from the ranges of the values.

    Values that share a scale are covered together. With a zero point the range goes
    from least to greatest (and includes 0, so that padding is exact), else it is
    symmetric. A value that is 0 throughout gets the scale 1; a scale that is not
    trained is what the graph says.
    """
    reach: dict[str, tuple[float, float]] = {}
    for node in graph.nodes:
        if isinstance(node.op, Quantize):
            least, greatest = ranges[node.inputs[0]]
            low, high = reach.get(node.owner, (0.0, 0.0))
            reach[node.owner] = min(low, least), max(high, greatest)
    found: dict[str, Array] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Quantize) or f"{node.owner}.scale" in found:
            continue
        stated = graph.parameter[f"{node.owner}.scale"]
        if not stated.trainable:
            point = graph.parameter[f"{node.owner}.zero_point"]
            found |= initialize((stated, point), 0)
            continue
        least, greatest = reach[node.owner]
        bottom, top = RANGES[node.op.to]
        steps = top - bottom if node.op.zero_point else top
        span = greatest - least if node.op.zero_point else max(-least, greatest)
        scale = max(span / steps, _least(node)) if span else 1.0
        found[f"{node.owner}.scale"] = np.array(scale, np.float32)
        if node.op.zero_point:
            shift = (bottom + np.rint(-least / scale)).clip(bottom, top)
            found[f"{node.owner}.zero_point"] = np.array(shift, node.op.to)
    return found


def _least(node: Node) -> float:
    """The least scale that the type holds which the quantiser's scale is stored in."""
    operand = dict(node.operands)["scale"]
    return LEAST_SCALES[
        str(operand.args[-1]) if isinstance(operand, Apply) else "float32"
    ]


def check_learned(found: Weights) -> None:
    """Raise :class:`~resgen.errors.ResgenError` for a scale that cannot be divided by.

    ``found`` are scales and zero points by parameter name.
    """
    for name, array in found.items():
        if name.endswith(".scale") and not (array > 0 and np.isfinite(array)):
            raise ResgenError(
                f"{name} of these weights is {float(array):.3g}, but a scale has to be "
                "above 0 and finite",
                hint="weights without scales are calibrated; where training found "
                "it, train scales at a lower learning rate than weights",
            )
