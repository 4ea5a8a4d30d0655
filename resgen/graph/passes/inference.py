"""What a network is rewritten to wherever it is no longer trained."""

from __future__ import annotations

from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.passes.merge_branches import merge_branches


def for_inference(graph: Graph) -> Graph:
    """With batch norms folded and parallel convolutions merged, where they can be."""
    return apply(graph, fold_norm, merge_branches)
