"""A network written at a precision, and judged: a folder with an ONNX file in it.

What other forms need (an engine, a serving repository) is made from that file, into the
same folder, before it appears.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resgen._version import __version__
from resgen.artifact.describe import describe
from resgen.artifact.folder import (
    GRAPH,
    MANIFEST,
    MODEL,
    NAMES,
    SPEC,
    WEIGHTS,
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
from resgen.artifact.ready import of_file, of_network
from resgen.artifact.request import Made, Wishes
from resgen.artifact.source import Source
from resgen.calibrate.bisect import bisect
from resgen.calibrate.lowered import Calibrator, Lowered, Progress
from resgen.expansion.network import expand
from resgen.files.hashed import HashedFile
from resgen.files.place import staged
from resgen.graph.passes.camera import camera
from resgen.graph.precision import QUANTIZED
from resgen.graph.sizes import check_sizes
from resgen.lower.onnx import write
from resgen.onnxfile.external import check_external
from resgen.spec.canonical import canonical_bytes, digest
from resgen.weights.safetensors import write_safetensors
from resgen.words.terminal import printable

Say = Callable[[str, str], None]


def export(
    source: Source,
    out: str | Path,
    wishes: Wishes,
    *,
    form: str = "onnx",
    options: Mapping[str, Any] = MappingProxyType({}),
    finish: Finish = lambda ready: ({}, {}),
    force: bool = False,
    say: Say = lambda label, text: None,
    progress: Progress = lambda step, done, total: None,
) -> Exported[Manifest]:
    """Write a network at a precision to the folder ``out``.

    Raises :class:`~resgen.proof.tolerance.Inaccurate` where the precision loses too
    much, and other :class:`~resgen.errors.ResgenError` where something does not fit;
    then nothing is left.
    """
    begin = time.perf_counter()
    if wishes.dynamic:
        check_sizes(source.graph)
    samples, judged = inputs_of(source, wishes)
    calibrator = Calibrator(
        source.graph,
        {p.name: source.weights[p.name] for p in source.graph.parameters},
        samples,
        wishes.method,
        learned=source.weights,
        progress=progress,
        judged=judged,
    )
    say("weights", source.said)
    for note in source.adapted:
        say("weights", note)
    if wishes.search:
        lowered, _ = bisect(
            calibrator, wishes.precision, lambda text: say("bisect", text)
        )
        source, lowered = _kept(source, lowered, wishes, say)
    else:
        lowered = calibrator.at(wishes.precision)
    if any(p.name.endswith(".quantize.scale") for p in lowered.graph.parameters):
        learned = lowered.weights.keys() <= source.weights.keys()
        before = source.calibration
        kept = f"kept, from {before.origin}" if before else "learned in training"
        say("ranges", kept if learned else f"from {samples.origin}")
    refused = unable(source, wishes)
    if refused is not None:
        say("engine", refused)
    if lowered.narrowest != "fp32":
        for note in samples.notes:
            say("inputs", note)
    read = Path(source.spec.at.source.file)
    with staged(Path(out), force=force, names=NAMES, source=read) as stage:
        made = _written(stage, source, wishes, lowered)
        say("onnx", _onnx_line(made))
        files = _plain_files(stage, made)
        files.update({file.name: file.sha256 for file in made.written.files})
        proof: dict[str, Any] = {}
        if wishes.verify:
            proof = proof_of(made, say)
        more, record = finish(of_network(made, proof))
        files.update(more)
        manifest = _manifest(made, files, proof, form, options, record)
        write_manifest(stage, manifest)
    return Exported(Path(out), manifest, time.perf_counter() - begin)


def export_file(
    model: Path,
    out: str | Path,
    form: str,
    finish: Finish,
    *,
    force: bool = False,
) -> Exported[FileManifest]:
    """Make something of an ONNX file that somebody else wrote, in the folder ``out``.

    The file comes along as it is, with what it keeps beside it.
    """
    begin = time.perf_counter()
    beside = check_external(model)
    names = (MODEL, MANIFEST)
    with staged(Path(out), force=force, names=names, source=model) as stage:
        home = model.parent.resolve()
        copied = {MODEL: model}
        for path in beside:
            copied[path.resolve().relative_to(home).as_posix()] = path
        for name, path in copied.items():
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, stage / name)
        ready = of_file(stage / MODEL, model.stem)
        own = {MODEL: ready.identity.sha256, **ready.identity.external}
        more, record = finish(ready)
        manifest = FileManifest(
            __version__,
            model.stem,
            model.name,
            form,
            record,
            entries(stage, {**own, **more}),
            versions(verified=False),
        )
        write_manifest(stage, manifest)
    return Exported(Path(out), manifest, time.perf_counter() - begin)


# --- parts ----------------------------------------------------------------------------


def _kept(
    source: Source, lowered: Lowered, wishes: Wishes, say: Say
) -> tuple[Source, Lowered]:
    """The spec with what the search has kept; the file is written from that spec."""
    keep = lowered.wanted.keep[len(wishes.precision.keep) :]
    if not keep:
        say("bisect", "nothing needs a higher precision")
        return source, lowered
    between = lowered.wanted.between
    spec, changes = with_kept(source.spec, source.graph, keep, between)
    for pointer, value in changes.items():
        say("bisect", f'"set": {{"{pointer}": {json.dumps(value)}}}')
    graph = expand(spec)
    changed = replace(source, spec=spec, graph=graph)
    calibrator = Calibrator(
        graph,
        lowered.calibrator.weights,
        lowered.calibrator.samples,
        wishes.method,
        learned=lowered.weights,
        judged=lowered.calibrator.judged,
    )
    return changed, calibrator.at(wishes.precision)


def metadata_at(lowered: Lowered) -> dict[str, str]:
    """What travels inside the ONNX file of its precision."""
    found: dict[str, str] = {"resgen.precision": lowered.wanted.name}
    if lowered.narrowest in QUANTIZED:
        found["resgen.for"] = lowered.wanted.consumer
    return found


def _written(stage: Path, source: Source, wishes: Wishes, lowered: Lowered) -> Made:
    graph = lowered.shipped
    if wishes.camera is not None:
        graph = camera(graph, source.spec.preprocess, wishes.camera)
    metadata = metadata_of(source.spec, digest(source.spec))
    metadata.update(metadata_at(lowered))
    written = write(
        graph,
        lowered.weights,
        stage / MODEL,
        opset=wishes.opset,
        batch=wishes.batch,
        dynamic=wishes.dynamic,
        metadata=metadata,
    )
    return Made(stage, source, wishes, lowered, graph, written)


def _plain_files(stage: Path, made: Made) -> dict[str, str]:
    """Spec, graph and weights (scales included), with the SHA-256 of each."""
    texts = {
        SPEC: canonical_bytes(made.source.spec),
        GRAPH: json.dumps(describe(made.source.graph), indent=1).encode(),
    }
    found: dict[str, str] = {}
    for name, text in texts.items():
        with HashedFile(stage / name) as file:
            file.write(text + b"\n")
            found[name] = file.sha256
    lowered = made.lowered
    found[WEIGHTS] = write_safetensors(stage / WEIGHTS, lowered.graph, lowered.weights)
    return found


def _manifest(
    made: Made,
    files: Mapping[str, str],
    proof: Mapping[str, Any],
    form: str,
    options: Mapping[str, Any],
    record: Mapping[str, Any],
) -> Manifest:
    source, wishes = made.source, made.wishes
    origin = made.lowered.calibrator.samples.origin
    return Manifest(
        resgen=__version__,
        name=source.spec.name,
        spec_sha256=digest(source.spec),
        seed=source.seed,
        weights=source.origin,
        adapted=source.adapted,
        input=source.spec.input,
        precision=made.lowered.wanted,
        calibration=source.calibration or Calibration(printable(origin), wishes.method),
        camera=wishes.camera,
        onnx=Onnx(
            made.written.opset,
            made.written.ir_version,
            wishes.batch,
            wishes.dynamic,
            made.graph.passes,
        ),
        verified=dict(proof) or None,
        form=form,
        options=options,
        made=record,
        files=entries(made.folder, files),
        versions=versions(bool(proof)),
    )


def _onnx_line(made: Made) -> str:
    count = sum(node.op.name == "quantize" for node in made.graph.nodes)
    parts = [f"opset {made.written.opset}", made.lowered.wanted.name]
    if count:
        parts.append(f"{count} quantisers placed for {made.lowered.wanted.consumer}")
    return ", ".join((*parts, f"{made.written.bytes / 1e6:.1f} MB"))
