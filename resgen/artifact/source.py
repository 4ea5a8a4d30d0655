"""What an export starts from: a spec with weights, or a folder that was built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.artifact.manifest import FRESH, Calibration
from resgen.artifact.opened import open_folder
from resgen.errors import ResgenError, UsageError
from resgen.expansion.network import expand
from resgen.graph.ir import Graph
from resgen.graph.precision import Precision, at_precision
from resgen.pictures.configuration import as_expected
from resgen.proof.derivation import misfitting
from resgen.spec.model import Spec
from resgen.weights import checkpoint
from resgen.weights.evaluate import Weights
from resgen.weights.finite import require_finite
from resgen.weights.initialize import initialize
from resgen.weights.loading import Loading
from resgen.weights.safetensors import StoredWeights

#: What the names of learned scales end in.
SCALE: Final = ".quantize.scale"


@dataclass(frozen=True, slots=True)
class Source:
    """A network and its weights.

    ``origin`` is ``fresh`` where ``seed`` drew them, else the name of their file.
    ``adapted`` has a line on each that is not as that file has it. ``calibration`` is
    what scales that are among them are from, where training has not found them.
    """

    spec: Spec
    graph: Graph
    weights: Weights
    origin: str
    seed: int | None
    adapted: tuple[str, ...] = ()
    calibration: Calibration | None = None

    @property
    def fresh(self) -> bool:
        """Whether nobody trained the weights."""
        return self.origin == FRESH

    @property
    def said(self) -> str:
        """Where the weights are from, in words."""
        return f"fresh, seed {self.seed}" if self.fresh else f"from {self.origin}"


def from_spec(
    spec: Spec,
    *,
    graph: Graph | None = None,
    weights: Path | str | None = None,
    state_dict: Mapping[str, Any] | None = None,
    how: Loading | None = None,
    preprocess: Path | str | None = None,
    seed: int = 0,
    wanted: Precision | None = None,
) -> Source:
    """A spec with the weights of a checkpoint or a state_dict, or with fresh ones.

    ``how`` they are taken is :class:`~resgen.weights.loading.Loading`'s.
    ``preprocess`` is a file that says how pictures are prepared.
    A state_dict may be that of a network trained at the precision ``wanted``: then it
    holds scales as well.
    """
    graph = graph or expand(spec)
    trained = graph
    state = None if state_dict is None else checkpoint.checked_state(state_dict)
    if wanted is not None and any(name.endswith(SCALE) for name in state or ()):
        trained = at_precision(graph, wanted)
    how = how or Loading()
    spec = as_expected(spec, preprocess, weights)
    if weights is not None and state is not None:
        raise UsageError("weights come from a file or from a state_dict, not from both")
    if weights is not None:
        path = Path(weights)
        found = checkpoint.load(path, trained, how, spec=spec, seed=seed)
        return Source(spec, graph, found.arrays, path.name, None, found.notes)
    if state is not None:
        found = checkpoint.fit(state, trained, how, spec=spec, seed=seed)
        return Source(spec, graph, found.arrays, "state_dict", None, found.notes)
    return Source(spec, graph, initialize(graph.parameters, seed), FRESH, seed)


def from_folder(folder: Path, *, scales: bool = False) -> Source:
    """What was made before, once its hashes fit; with ``scales`` those come along."""
    artifact = open_folder(folder)
    artifact.check_hashes()
    graph = artifact.graph
    stored = StoredWeights(artifact.weights)
    if (misfit := misfitting(graph, stored)) is not None:
        raise ResgenError(
            f"{folder}: {misfit.message}",
            hint="building it anew writes it from the spec",
        )
    wanted = [p.name for p in graph.parameters]
    weights = {name: stored[name] for name in (stored if scales else wanted)}
    require_finite(graph, weights, str(artifact.weights))
    told = artifact.manifest
    return Source(
        artifact.spec,
        graph,
        weights,
        told.weights,
        told.seed,
        told.adapted,
        told.calibration if scales else None,
    )
