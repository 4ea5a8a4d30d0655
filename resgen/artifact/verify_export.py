"""The proof of an export, done again from its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from resgen.artifact.derived import Derivation, check_derived, check_weights
from resgen.artifact.judged import proof_of
from resgen.artifact.make import metadata_at
from resgen.artifact.opened import Artifact
from resgen.artifact.ready import of_network
from resgen.artifact.request import Made, Wishes
from resgen.artifact.source import Source
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import gather
from resgen.errors import MissingDevice
from resgen.graph.passes.camera import camera
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import Written
from resgen.onnxfile.write import File
from resgen.proof.compare import Departure
from resgen.tensorrt.cache import ENGINE

Say = Callable[[str, str], None]


def verify_export(artifact: Artifact, images: Path | None, say: Say) -> dict[str, Any]:
    """Prove and measure the file again; its engine too, where there is a GPU for it.

    ``images`` are what the precision is measured on (a folder, or an ``.npz``).
    """
    made = derived(artifact, images, say)
    record = proof_of(made, say)
    engine = artifact.folder / ENGINE
    if engine.name in artifact.manifest.files:
        record["engine"] = _engine(made, engine, record, say)
    return record


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
    operands = check_derived(artifact, derivation, say) or ()
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
    return Made(artifact.folder, source, wishes, lowered, lower, file)


def _engine(
    made: Made, engine: Path, record: dict[str, Any], say: Say
) -> dict[str, Any] | None:
    """The engine against the float32 network; None where nothing here can run it."""
    import numpy as np

    from resgen.runtime.tensorrt import TensorRtSession

    ready = of_network(made, record)
    try:
        session = TensorRtSession(engine)
    except MissingDevice as missing:
        say("engine", f"not run: {missing.message}")
        return None
    with session:
        fixed = next(iter(session.inputs.values()))[0]
        feeds, expected = ready.trial(fixed or session.least_batch)
        found = session.run(feeds)
    largest = 0.0
    for name, wanted in expected.items():
        apart = float(np.abs(found[name].astype(np.float64) - wanted).max())
        share = apart / (float(np.ptp(wanted)) or 1.0)
        if not share <= ready.tolerance:
            raise Departure(
                name,
                f'the output "{name}" of the engine is {share:.1e} of its range away '
                f"from the float32 network's (allowed {ready.tolerance:.0e})",
            )
        largest = max(largest, share)
    say("engine", f"within {largest:.1e} of the output's range of the float32 network")
    return {"largest": largest, "allowed": ready.tolerance}
