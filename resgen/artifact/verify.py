"""``resgen verify``: the proof of a folder, done again from the folder alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from resgen.artifact.derived import check_derived, check_ranges, check_weights
from resgen.artifact.form import Form
from resgen.artifact.judged import proof_of
from resgen.artifact.metadata import metadata_of
from resgen.artifact.opened import Artifact
from resgen.artifact.ready import Made, as_written, calibrator_of, lowered_by, made_of
from resgen.artifact.remade import check_made
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source
from resgen.calibrate.samples import gather
from resgen.errors import ResgenError, UsageError
from resgen.graph.precision import at_precision
from resgen.lower.onnx import Written
from resgen.onnxfile.write import File
from resgen.proof.compare import Departure

Say = Callable[[str, str], None]


def verify(
    artifact: Artifact,
    form: Form,
    *,
    images: Path | None = None,
    batches: Sequence[int] = (),
    say: Say = lambda label, text: None,
) -> Made:
    """Prove the files of a folder whose hashes have been checked.

    ``images`` is a folder of pictures that the file is compared on, or measured on at
    its precision (which an ``.npz`` does as well); ``batches`` are the batch sizes of a
    float32 file. Returns the file with what was proven, for its form; raises
    ResgenError where anything is not what the spec says.
    """
    made = derived(artifact, images, say)
    if batches and not made.wishes.exact(made.graph):
        raise UsageError("batch sizes are for a file that computes in float32")
    found = check_ranges(artifact, made.lowered, say)
    same = check_made(artifact, made, form, say) and made.derived
    if same:
        say("derived", "every file is byte for byte what its spec and options make")
    record = proof_of(made, say, batches)
    scales = {} if found else {"scales": "as stored"}
    return replace(made, derived=same, proof={**record, **scales, "derived": same})


def derived(
    artifact: Artifact,
    images: Path | None = None,
    say: Say = lambda label, text: None,
) -> Made:
    """What a folder is proven against, once its files are what its manifest makes.

    Errors as those of :func:`resgen.artifact.derived.check_derived`.
    """
    manifest, graph, spec = artifact.manifest, artifact.graph, artifact.spec
    written, wanted = manifest.onnx, manifest.precision
    wishes = Wishes(
        wanted,
        keep_batchnorm="fold_norm" not in written.passes,
        batch=written.batch,
        opset=written.opset,
        dynamic=written.dynamic,
        camera=manifest.camera,
        images=images,
        form=manifest.form,
        options=manifest.options,
    )
    try:
        held = graph if wanted is None else at_precision(graph, wanted)
    except ResgenError as error:  # no command has made a folder of it
        message = f"{artifact.folder} was altered: {error}"
        raise Departure("manifest", message) from None
    weights = check_weights(artifact, held, say)
    source = Source(spec, graph, weights, manifest.weights, manifest.seed)
    measured = None if wishes.exact(graph) else images
    samples = gather(measured, graph, spec.preprocess)
    lowered = lowered_by(calibrator_of(source, wishes, samples), wishes)
    file_graph = as_written(lowered, source, wishes)
    metadata = metadata_of(source, wishes, manifest.resgen)
    operands, exact = check_derived(
        artifact, file_graph, lowered.weights, metadata, say
    )
    entry = manifest.files[artifact.model.name]
    file = Written(
        opset=written.opset,
        ir_version=written.ir_version,
        bytes=entry.bytes,
        initializers=operands,
        sha256=entry.sha256,
        files=(File(artifact.model.name, entry.bytes, entry.sha256),),
    )
    proof = manifest.verified or {}
    return made_of(
        artifact.folder, source, wishes, lowered, file, derived=exact, proof=proof
    )
