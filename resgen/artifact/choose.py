"""Which weights a model gets: a checkpoint's, a state_dict's, or fresh ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resgen.errors import UsageError
from resgen.graph.ir import Graph
from resgen.spec.model import Spec
from resgen.weights import checkpoint
from resgen.weights.initialize import initialize
from resgen.weights.loading import Loaded, Loading


def choose(
    graph: Graph,
    weights: Path | str | None,
    state_dict: Mapping[str, Any] | None,
    seed: int,
    how: Loading,
    spec: Spec,
) -> tuple[Loaded, str]:
    """The weights, and where they come from: ``fresh`` where ``seed`` drew them."""
    if weights is not None and state_dict is not None:
        raise UsageError("weights come from a file or from a state_dict, not from both")
    if weights is not None:
        if not isinstance(weights, Path | str):
            raise UsageError(
                f"weights is the path of a file, not a {type(weights).__name__}",
                hint="state_dict=... takes tensors by name",
            )
        path = Path(weights)
        return checkpoint.load(path, graph, how, spec=spec, seed=seed), path.name
    if state_dict is not None:
        state = checkpoint.checked_state(state_dict)
        return checkpoint.fit(state, graph, how, spec=spec, seed=seed), "state_dict"
    if how != Loading():
        raise UsageError(
            "--ema, --key, --prefix, --ignore-extra and --adapt choose among the "
            "weights of a checkpoint: give --weights"
        )
    return Loaded(initialize(graph.parameters, seed)), "fresh"
