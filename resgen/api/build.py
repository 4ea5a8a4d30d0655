"""``resgen.build``: a spec becomes a folder with a proven model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resgen.api.asked.making import Building, Writing
from resgen.api.memory import told
from resgen.api.specs import SPEC, folder_name, opened, read_spec
from resgen.artifact.make import make
from resgen.artifact.manifest import Exported, Manifest
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source as Network
from resgen.artifact.source import from_spec
from resgen.expansion.arguments import Source
from resgen.graph.ir import Graph
from resgen.graph.precision import Precision
from resgen.options.kinds import argument
from resgen.spec.model import Spec
from resgen.words.progress import SILENT, Progress, Told, listening


def build(
    spec: Spec | Source,
    out: str | Path | None = None,
    *,
    state_dict: Mapping[str, Any] | None = None,
    progress: Told = None,
    **options: Any,
) -> Exported[Manifest]:
    """Write spec, graph, weights, ONNX model and manifest to the folder ``out``.

    Weights come from a checkpoint (``weights``), from a ``state_dict`` of torch tensors
    or arrays by name, or are drawn from ``seed``. ``options`` are those of
    :class:`~resgen.api.asked.making.Building`, which are the command's.
    With ``verify`` the model is proven to compute what PyTorch computes; otherwise
    torch is not imported. ``progress`` is called with a line of text as a step is done
    (print will do). Raises :class:`~resgen.errors.ResgenError` when the weights
    do not fit, the proof fails or the folder cannot be written; then nothing is left.
    """
    heard = listening(progress)
    spec, asked = opened(
        argument("spec", SPEC, spec),
        Building.of({**options, "out": out}),
        built=True,
    )
    read, graph = read_spec(spec, asked)
    return run(read, graph, asked, state_dict=state_dict, progress=heard)


def source_of(
    spec: Spec,
    graph: Graph,
    asked: Writing,
    state_dict: Mapping[str, Any] | None = None,
    wanted: Precision | None = None,
) -> Network:
    """A spec that was read, with the weights that are asked for.

    ``wanted`` is the precision that weights may have been trained at.
    """
    return from_spec(
        spec,
        graph=graph,
        weights=asked.weights,
        state_dict=state_dict,
        how=asked.loading,
        preprocess=asked.preprocess,
        seed=asked.seed,
        wanted=wanted,
    )


def run(
    spec: Spec,
    graph: Graph,
    asked: Building,
    *,
    state_dict: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Exported[Manifest]:
    """As :func:`build`, of a spec that was read."""
    wishes = Wishes(
        keep_batchnorm=asked.keep_batchnorm,
        batch=asked.batch,
        opset=asked.opset,
        dynamic=asked.dynamic,
        images=asked.images,
        verify=asked.verify,
    )
    with told(asked.batch):
        return make(
            # Nobody else holds the arrays, which are free once they are written.
            source_of(spec, graph, asked, state_dict),
            asked.out or Path("build", folder_name(spec.name)),
            wishes,
            force=asked.force,
            say=progress.say,
        )
