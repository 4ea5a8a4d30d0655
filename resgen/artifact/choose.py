"""Which weights a model gets: a checkpoint's, a state_dict's, or fresh ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resgen.graph.ir import Graph
from resgen.weights import checkpoint
from resgen.weights.initialize import initialize


def choose(
    graph: Graph,
    path: Path | None,
    state_dict: Mapping[str, Any] | None,
    seed: int,
    *,
    ema: bool,
) -> tuple[dict[str, np.ndarray[Any, Any]], str]:
    """Arrays by name, and where they come from: ``fresh`` where ``seed`` drew them."""
    if path is not None:
        return checkpoint.fit(
            checkpoint.read(path, ema=ema), graph.parameters
        ), path.name
    if state_dict is not None:
        arrays = checkpoint.from_state_dict(state_dict)
        return checkpoint.fit(arrays, graph.parameters), "state_dict"
    return initialize(graph.parameters, seed), "fresh"
