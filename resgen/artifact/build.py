"""The main job: a spec becomes a folder with a model that is proven.

Every step says what it did through ``say``; nothing is at the target before the proof
holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resgen._version import __version__
from resgen.artifact.choose import choose
from resgen.artifact.describe import describe
from resgen.artifact.folder import (
    GRAPH,
    MODEL,
    NAMES,
    SPEC,
    WEIGHTS,
)
from resgen.artifact.manifest import FRESH, Exported, Manifest, Onnx, entries
from resgen.artifact.manifest import write as write_manifest
from resgen.artifact.metadata import metadata_of, versions
from resgen.artifact.proof import Subject, prove
from resgen.expansion.network import expand
from resgen.files.hashed import HashedFile
from resgen.files.place import staged
from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.sizes import check_sizes
from resgen.lower.onnx import Written, write
from resgen.ops.norm import Norm
from resgen.pictures.configuration import as_expected
from resgen.pictures.find import pictures_of
from resgen.pictures.words import told
from resgen.spec.canonical import canonical_bytes, digest
from resgen.spec.model import Spec
from resgen.weights.loading import Loading
from resgen.weights.safetensors import StoredWeights, write_safetensors

Say = Callable[[str, str], None]


def build(
    spec: Spec,
    out: str | Path,
    *,
    graph: Graph | None = None,
    weights: Path | str | None = None,
    state_dict: Mapping[str, Any] | None = None,
    ema: bool = False,
    key: str | None = None,
    prefix: str | None = None,
    ignore_extra: bool = False,
    adapt: bool = False,
    preprocess: Path | str | None = None,
    seed: int = 0,
    batch: int | None = None,
    opset: int | None = None,
    dynamic: bool = False,
    keep_batchnorm: bool = False,
    verify: bool = True,
    images: Path | None = None,
    force: bool = False,
    say: Say = lambda label, text: None,
) -> Exported[Manifest]:
    """Write spec, graph, weights, ONNX model and manifest to the folder ``out``.

    Weights come from a checkpoint (``weights``), from a ``state_dict`` of torch tensors
    or arrays by name, or are drawn from ``seed``. ``ema``, ``key``, ``prefix``,
    ``ignore_extra`` and ``adapt`` are those of
    :class:`~resgen.weights.loading.Loading`. ``preprocess`` is a file that says how
    pictures are prepared (timm's config.json); one beside the checkpoint is found.
    ``batch`` fixes the batch size (None leaves it open), ``dynamic`` opens the spatial
    sizes, ``opset`` asks for a version of the operator set (None: the lowest that
    expresses the network).
    With ``verify`` the model is proven to compute what PyTorch computes; otherwise
    torch is not imported. Raises :class:`~resgen.errors.ResgenError` when the weights
    do not fit, the proof fails or the folder cannot be written; then nothing is left.
    """
    begin = time.perf_counter()
    how = Loading(ema, key, prefix, ignore_extra, adapt)
    spec = as_expected(spec, preprocess, weights)
    graph = graph or expand(spec)
    if dynamic:
        check_sizes(graph)
    if images is not None:
        pictures_of(images)  # a folder without any is a mistake to hear of at once
    identity = digest(spec)
    say("spec", f"{spec.at.source.file}  ok  (sha256 {identity[:12]}...)")
    say("graph", _graph_line(graph))
    say("pictures", told(spec.preprocess, spec.input))
    with staged(Path(out), force=force, names=NAMES) as stage:
        loaded, source = choose(graph, weights, state_dict, seed, how, spec)
        arrays = loaded.arrays
        shown = f"fresh, seed {seed}" if source == "fresh" else f"from {source}"
        say("weights", _weights_line(graph, shown))
        for note in loaded.notes:
            say("weights", note)
        files = _plain_files(stage, spec, graph, arrays)
        lowered = graph if keep_batchnorm else apply(graph, fold_norm)
        metadata = metadata_of(spec, identity)
        made = write(
            lowered,
            arrays,
            stage / MODEL,
            opset=opset,
            batch=batch,
            dynamic=dynamic,
            metadata=metadata,
        )
        files.update({file.name: file.sha256 for file in made.files})
        say("onnx", _onnx_line(graph, lowered, made))
        notes, record = loaded.notes, None
        if verify:
            del arrays, loaded  # the proof reads what was written
            written = StoredWeights(stage / WEIGHTS)
            subject = Subject(graph, lowered, stage / MODEL, written, spec.preprocess,
                              made.initializers, shown)  # fmt: skip
            proof = prove(subject, images=images, seed=seed)
            record = proof.record
            for line in proof.lines:
                say("verify", line)
        manifest = Manifest(
            resgen=__version__,
            name=spec.name,
            spec_sha256=identity,
            seed=seed if source == FRESH else None,
            weights=source,
            adapted=tuple(notes),
            input=spec.input,
            precision=None,
            calibration=None,
            camera=None,
            onnx=Onnx(
                made.opset,
                made.ir_version,
                batch,
                dynamic,
                lowered.passes,
            ),
            verified=record,
            form="onnx",
            options={},
            made={},
            files=entries(stage, files),
            versions=versions(verify),
        )
        write_manifest(stage, manifest)
    return Exported(Path(out), manifest, time.perf_counter() - begin)


# --- parts ----------------------------------------------------------------------------


def _plain_files(
    stage: Path, spec: Spec, graph: Graph, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> dict[str, str]:
    """Spec, graph and weights, with the SHA-256 of each."""
    texts = {
        SPEC: canonical_bytes(spec),
        GRAPH: json.dumps(describe(graph), indent=1).encode(),
    }
    found: dict[str, str] = {}
    for name, text in texts.items():
        with HashedFile(stage / name) as file:
            file.write(text + b"\n")
            found[name] = file.sha256
    found[WEIGHTS] = write_safetensors(stage / WEIGHTS, graph, arrays)
    return found


# --- what is said ---------------------------------------------------------------------


def _graph_line(graph: Graph) -> str:
    additions = sum(node.op.name == "add" for node in graph.nodes)
    return f"{len(graph.nodes)} operators, {additions} residual additions"


def _weights_line(graph: Graph, source: str) -> str:
    count = sum(p.size for p in graph.parameters if p.trainable)
    return f"{count:,} parameters, {source}"


def _onnx_line(graph: Graph, lowered: Graph, made: Written) -> str:
    def norms(of: Graph) -> int:
        return sum(isinstance(n.op, Norm) and n.op.type == "batch" for n in of.nodes)

    kept = norms(lowered)
    folded = norms(graph) - kept
    parts = [f"opset {made.opset}"]
    if folded:
        parts.append(f"{folded} batch norms folded")
    if kept:
        parts.append(f"{kept} batch norms kept")
    return ", ".join((*parts, f"{made.bytes / 1e6:.1f} MB"))
