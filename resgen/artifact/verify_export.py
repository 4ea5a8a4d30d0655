"""The proof of an export, done again from its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from resgen.artifact.derived import Derivation, check_derived, check_weights
from resgen.artifact.form import Form
from resgen.artifact.judged import proof_of
from resgen.artifact.make import metadata_at
from resgen.artifact.opened import Artifact
from resgen.artifact.ready import Ready, of_network
from resgen.artifact.remade import check_made
from resgen.artifact.request import Made, Wishes
from resgen.artifact.source import Source
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import gather
from resgen.graph.passes.camera import camera
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import Written
from resgen.onnxfile.write import File

Say = Callable[[str, str], None]


def verify_export(
    artifact: Artifact, images: Path | None, form: Form, say: Say
) -> tuple[dict[str, Any], Ready]:
    """Prove and measure the ONNX file again: what was found, and the file for its form.

    ``images`` are what the precision is measured on (a folder, or an ``.npz``).
    """
    made = derived(artifact, images, say)
    same = check_made(artifact, made, form, say)
    if made.exact and same:
        say("derived", "every file is byte for byte what its spec and options make")
    record = {**proof_of(made, say), "derived": made.exact and same}
    return record, of_network(made, record)


def derived(
    artifact: Artifact, images: Path | None, say: Say = lambda label, text: None
) -> Made:
    """What an export is proven against, once its files are what its manifest makes.

    Errors as those of :func:`resgen.artifact.derived.check_derived`.
    """
    manifest, graph, spec = artifact.manifest, artifact.graph, artifact.spec
    wanted = manifest.precision or Precision()
    stored = check_weights(artifact, at_precision(graph, wanted), say)
    source = Source(spec, graph, stored, manifest.weights, manifest.seed)
    calibrator = Calibrator(
        graph,
        {p.name: stored[p.name] for p in graph.parameters},
        gather(images, graph, spec.preprocess),
        learned=stored,
    )
    lowered = calibrator.at(wanted)
    written, size = manifest.onnx, manifest.camera
    wishes = Wishes(
        wanted,
        batch=written.batch,
        opset=written.opset,
        dynamic=written.dynamic,
        camera=size,
    )
    lower = lowered.shipped
    if size:
        lower = camera(lower, spec.preprocess, size)
    metadata = metadata_at(lowered)
    derivation = Derivation(lower, lowered.weights, metadata)
    operands, exact = check_derived(artifact, derivation, say)
    name = artifact.model.name
    entry = manifest.files[name]
    model = File(name, entry.bytes, entry.sha256)
    file = Written(
        opset=written.opset,
        ir_version=written.ir_version,
        bytes=model.bytes,
        initializers=operands,
        sha256=model.sha256,
        files=(model,),
    )
    return Made(artifact.folder, source, wishes, lowered, lower, file, exact)
