"""Are all weights numbers that a network can compute with?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.ops.norm import Norm
from resgen.ops.types import references


def require_finite(
    graph: Graph, weights: Mapping[str, np.ndarray[Any, Any]], origin: str
) -> None:
    """Refuse a NaN, an infinity, and a variance that has no root, by name.

    ``origin`` is what held the weights. The first of them in the network's order is
    named, as nothing after it in the network is right.
    """
    faults = list(_faults(graph, weights))
    if not faults:
        return
    name, what, count = faults[0]
    size = weights[name].size
    of = f" ({count:,} of {size:,} numbers)" if size > 1 else ""
    also = f", and so do {len(faults) - 1} more weights" if len(faults) > 1 else ""
    raise ResgenError(
        f"{name} in {origin} holds {what}{of}{also}",
        hint="training diverged, or a conversion to 16 bits overflowed: take an "
        "earlier checkpoint, or convert anew from float32",
    )


def _faults(
    graph: Graph, weights: Mapping[str, np.ndarray[Any, Any]]
) -> Iterator[tuple[str, str, int]]:
    eps = {
        name: float(node.op.eps)
        for node in graph.nodes
        if isinstance(node.op, Norm)
        for role, operand in node.operands
        if role == "running_var"
        for name in references(operand)
    }
    for parameter in graph.parameters:
        name = parameter.name
        array = np.asarray(weights[name])
        if array.dtype.kind != "f":
            continue
        finite = np.isfinite(array)
        if not finite.all():
            what = "NaN" if np.isnan(array).any() else "infinity"
            yield name, what, int(array.size - finite.sum())
        elif name in eps and (wrong := array + eps[name] <= 0).any():
            yield name, "negative variances", int(wrong.sum())
