"""One way for everything that is made: a network's spec and weights become a folder.

Its ONNX file is written at the precision that is asked for and proven; what other forms
need (an engine, a serving repository) is made from there, into the same folder, before
it appears. Every step says what it did through ``say``; nothing is at the target before
the proof holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from resgen._version import __version__
from resgen.artifact.boxes import described
from resgen.artifact.describe import describe
from resgen.artifact.folder import (
    GRAPH,
    MANIFEST,
    MODEL,
    NAMES,
    SPEC,
    WEIGHTS,
    copied,
)
from resgen.artifact.form import Finish
from resgen.artifact.judged import proof_of
from resgen.artifact.judging import inputs_of, unable
from resgen.artifact.manifest import (
    Calibration,
    Exported,
    FileManifest,
    Manifest,
    Onnx,
    entries,
)
from resgen.artifact.manifest import write as write_manifest
from resgen.artifact.metadata import metadata_of, versions
from resgen.artifact.mixed import with_kept
from resgen.artifact.ready import (
    Made,
    Ready,
    as_written,
    calibrator_of,
    lowered_by,
    made_of,
    on_disk,
)
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source
from resgen.calibrate.bisect import bisect
from resgen.calibrate.lowered import Lowered, Progress
from resgen.expansion.network import expand
from resgen.files.hashed import HashedFile
from resgen.files.place import staged
from resgen.graph.ir import Graph
from resgen.graph.outputs import shapes, spoken
from resgen.graph.sizes import check_sizes
from resgen.lower.onnx import write
from resgen.ops.norm import Norm
from resgen.pictures.find import pictures_of
from resgen.pictures.words import told
from resgen.runtime.torch import torch_ahead
from resgen.spec.canonical import canonical_bytes, digest
from resgen.weights.safetensors import write_safetensors
from resgen.words.numbers import size
from resgen.words.terminal import TEXT, printable

Say = Callable[[str, str], None]


def make(
    source: Source,
    out: str | Path,
    wishes: Wishes,
    finish: Finish = lambda ready: ({}, {}),
    *,
    force: bool = False,
    say: Say = lambda label, text: None,
    progress: Progress = lambda step, done, total: None,
) -> Exported[Manifest]:
    """Make what is asked for of a network, in the folder ``out``.

    ``finish`` makes the form of the file. Without ``wishes.verify`` nothing is proven,
    and torch is not imported unless something is calibrated. Raises
    :class:`~resgen.proof.tolerance.Inaccurate` where the precision loses too much, and
    other :class:`~resgen.errors.ResgenError` where something does not fit or the proof
    fails; then nothing is left.
    """
    begin = time.perf_counter()
    if wishes.dynamic:
        check_sizes(source.graph)
    if wishes.images is not None:
        pictures_of(wishes.images)  # without any it is a mistake to hear of at once
    spec = source.spec
    read = Path(spec.at.source.file)
    say("spec", f"{read}  ok  (sha256 {digest(spec)[:12]}...)")
    say("graph", _graph_line(source.graph))
    say("pictures", told(spec.preprocess, spec.input))
    say("weights", _weights_line(source))
    for note in source.adapted:
        say("weights", note)
    place = Path(out)
    before = read if read.is_file() else None
    with (
        torch_ahead(wishes.verify),
        staged(place, force=force, names=NAMES, source=before) as stage,
    ):
        made = _written(stage, *_lowered(source, wishes, say, progress), wishes)
        say("onnx", _onnx_line(made))
        files = _plain_files(made)
        files.update({file.name: file.sha256 for file in made.written.files})
        if wishes.exact(made.graph):  # so nothing is calibrated any more
            made = on_disk(made)
            source = made.source  # the arrays are held by nobody here
        if wishes.verify:
            made = replace(made, proof=proof_of(made, say))
        more, record = finish(made)
        files.update(more)
        manifest = _manifest(made, files, record)
        write_manifest(stage, manifest)
    return Exported(place, manifest, time.perf_counter() - begin)


def make_of_file(
    path: Path,
    out: str | Path,
    form: str,
    finish: Finish,
    *,
    force: bool = False,
) -> Exported[FileManifest]:
    """Make something of a file that was made before, in the folder ``out``.

    An ONNX file comes along as it is, with what it keeps beside it. An engine does not:
    its form takes what it needs of it.
    """
    begin = time.perf_counter()
    engine = path.suffix != ".onnx"
    name = path.resolve().parent.name if engine else path.stem
    names = (MANIFEST,) if engine else (MODEL, MANIFEST)
    with staged(Path(out), force=force, names=names, source=path) as stage:
        ready = Ready(stage, name)
        own = {}
        if not engine:
            copied(path, stage)
            own = {MODEL: ready.identity.sha256, **ready.identity.external}
        more, record = finish(ready)
        manifest = FileManifest(
            __version__,
            name,
            path.name,
            form,
            record,
            entries(stage, {**own, **more}),
            versions(verified=False),
        )
        write_manifest(stage, manifest)
    return Exported(Path(out), manifest, time.perf_counter() - begin)


# --- parts ----------------------------------------------------------------------------


def _lowered(
    source: Source, wishes: Wishes, say: Say, progress: Progress
) -> tuple[Source, Lowered]:
    """The network at its precision; with a search, of a spec that says what it found.

    The file is written from that spec.
    """
    samples, judged = inputs_of(source, wishes)
    calibrator = calibrator_of(
        source, wishes, samples, judged=judged, progress=progress
    )
    if wishes.search and wishes.precision is not None:
        found, _ = bisect(
            calibrator, wishes.precision, lambda text: say("bisect", text)
        )
        keep = found.wanted.keep[len(wishes.precision.keep) :]
        if keep:
            between = found.wanted.between
            spec, changes = with_kept(source.spec, source.graph, keep, between)
            for pointer, value in changes.items():
                say("bisect", f'"set": {{"{pointer}": {json.dumps(value)}}}')
            source = replace(source, spec=spec, graph=expand(spec))
            calibrator = replace(calibrator, graph=source.graph, learned=found.weights)
        else:
            say("bisect", "nothing needs a higher precision")
    lowered = lowered_by(calibrator, wishes)
    if lowered.scales:
        kept = "kept, " if source.calibration else ""
        say("ranges", f"{kept}from {_origin(source, lowered)}")
    refused = unable(source, wishes)
    if refused is not None:
        say("engine", refused)
    if lowered.narrowest != "fp32":
        for note in samples.notes:
            say("inputs", note)
    return source, lowered


def _written(stage: Path, source: Source, lowered: Lowered, wishes: Wishes) -> Made:
    graph = as_written(lowered, source, wishes)
    written = write(
        graph,
        lowered.weights,
        stage / MODEL,
        opset=wishes.opset,
        batch=wishes.batch,
        dynamic=wishes.dynamic,
        metadata=metadata_of(source, wishes),
    )
    return made_of(stage, source, wishes, lowered, written)


def _plain_files(made: Made) -> dict[str, str]:
    """Spec, graph and weights (scales included), with the SHA-256 of each."""
    texts = {
        SPEC: canonical_bytes(made.source.spec),
        GRAPH: json.dumps(describe(made.graph), indent=1).encode(),
    }
    found: dict[str, str] = {}
    for name, text in texts.items():
        with HashedFile(made.folder / name) as file:
            file.write(text + b"\n")
            found[name] = file.sha256
    graph, weights = made.lowered.graph, made.weights
    found[WEIGHTS] = write_safetensors(made.folder / WEIGHTS, graph, weights)
    return found


def _origin(source: Source, lowered: Lowered) -> str:
    """Where the ranges of a network are from, in words."""
    if not lowered.scales or not lowered.scales <= source.weights.keys():
        return lowered.calibrator.samples.origin
    return source.calibration.origin if source.calibration else "training"


def _manifest(
    made: Made, files: Mapping[str, str], record: Mapping[str, Any]
) -> Manifest:
    source, wishes, written = made.source, made.wishes, made.written
    calibration = None
    if wishes.precision is not None:
        origin = printable(_origin(source, made.lowered))
        calibration = source.calibration or Calibration(origin, wishes.method)
    return Manifest(
        resgen=__version__,
        name=source.spec.name,
        spec_sha256=digest(source.spec),
        seed=source.seed,
        weights=source.origin,
        adapted=source.adapted,
        input=source.spec.input,
        outputs=shapes(source.graph),
        boxes=described(source.spec, source.graph),
        precision=wishes.precision,
        calibration=calibration,
        camera=wishes.camera,
        onnx=Onnx(
            written.opset,
            written.ir_version,
            wishes.batch,
            wishes.dynamic,
            made.file_graph.passes,
        ),
        verified=made.proof or None,
        form=wishes.form,
        options=wishes.options,
        made=record,
        files=entries(made.folder, files),
        versions=versions(wishes.verify),
    )


# --- what is said ---------------------------------------------------------------------


def _sums(graph: Graph) -> int:
    return sum(node.op.name == "add" for node in graph.nodes)


def _graph_line(graph: Graph) -> str:
    told = f"{len(graph.nodes)} operators, {_sums(graph)} residual additions"
    outputs = shapes(graph)
    if len(outputs) == 1:
        return told
    # A detector has ten: as many lines as they take.
    return "\n".join(wrap(f"{told}; {', '.join(spoken(outputs))}", TEXT))


def _weights_line(source: Source) -> str:
    return f"{source.graph.params:,} parameters, {source.said}"


def _onnx_line(made: Made) -> str:
    def norms(of: Graph) -> int:
        return sum(isinstance(n.op, Norm) and n.op.type == "batch" for n in of.nodes)

    kept = norms(made.file_graph)
    merged = _sums(made.graph) - _sums(made.file_graph)
    folded = norms(made.graph) - kept
    placed = sum(node.op.name == "quantize" for node in made.file_graph.nodes)
    wanted = made.wishes.precision
    said = {
        f"opset {made.written.opset}": True,
        "" if wanted is None else wanted.name: wanted is not None,
        f"{folded} batch norms folded": folded,
        f"{kept} batch norms kept": kept,
        f"{merged} sums of convolutions merged": merged,
        f"{placed} quantisers placed for {made.lowered.wanted.consumer}": placed,
        size(made.written.bytes): True,
    }
    return ", ".join(text for text, holds in said.items() if holds)
