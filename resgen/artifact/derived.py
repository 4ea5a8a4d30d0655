"""A folder's files against what its spec, precision and options make, byte for byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from resgen._version import __version__
from resgen.artifact.boxes import described
from resgen.artifact.describe import describe
from resgen.artifact.folder import GRAPH, MODEL, SPEC, WEIGHTS
from resgen.artifact.manifest import FRESH
from resgen.artifact.metadata import versions
from resgen.artifact.opened import Artifact
from resgen.calibrate.lowered import Lowered
from resgen.errors import UsageError
from resgen.graph.ir import Graph
from resgen.graph.outputs import shapes
from resgen.onnxfile.differences import Difference, Explained
from resgen.ops.types import Operand
from resgen.proof.compare import Departure
from resgen.proof.derivation import (
    differences,
    text_differences,
    weights_differences,
)
from resgen.spec.canonical import canonical_bytes
from resgen.weights.evaluate import Weights
from resgen.weights.finite import require_finite
from resgen.weights.initialize import initialize
from resgen.weights.safetensors import StoredWeights

Say = Callable[[str, str], None]
#: How many differences a person is told.
_MOST: Final = 3
#: What of a scale another processor may find otherwise, which adds in another order.
_APART: Final = 1e-2
#: What in an ONNX file says which resgen wrote it.
_VERSION: Final = ("producer_version", "resgen.version")


def check_weights(artifact: Artifact, held: Graph, say: Say) -> StoredWeights:
    """The weights of a folder, once they are known to be all that the graph names.

    One that is no number is named, as an earlier version took such. Fresh ones are
    drawn again from their seed. Errors as those of :func:`check_derived`.
    """
    stored = StoredWeights(artifact.weights)
    found = weights_differences(held, stored)
    if not found:
        require_finite(held, stored, str(artifact.weights))
    if not found and artifact.manifest.weights == FRESH:
        found = list(_drawn(artifact, stored))
    settle(artifact, found, say)
    return stored


def check_ranges(artifact: Artifact, lowered: Lowered, say: Say) -> bool:
    """Find the ranges of activations again, where they are from inputs at hand.

    Those are the stand-ins that resgen has itself; a folder of somebody's may hold
    other pictures by now. Weights that were trained along with their scales keep them.
    Whether all was found that there is; errors as those of :func:`check_derived`.
    """
    calibration, samples = artifact.manifest.calibration, lowered.calibrator.samples
    stand_ins = not samples.real
    if calibration and stand_ins and calibration.origin == samples.origin:
        again = lowered.calibrated_again(calibration.method)
        settle(artifact, list(_ranges(lowered.weights, again)), say)
        return True
    if calibration and lowered.scales:
        say("derived", f"scales are from {calibration.origin}: taken as they are")
        return False
    return True


def check_derived(
    artifact: Artifact,
    graph: Graph,
    weights: Weights,
    metadata: Mapping[str, str],
    say: Say,
) -> tuple[tuple[tuple[str, Operand], ...], bool]:
    """Derive every file again and compare it with the one in the folder.

    ``graph`` is what the ONNX file was written from. Returns what the file's
    initialisers are computed from, and whether all is byte for byte what it should be.
    A difference is a :class:`~resgen.proof.compare.Departure` that names it; how
    another version of resgen spells a network is only said.
    """
    stated = artifact.manifest.onnx
    found = list(_documents(artifact, graph.passes))
    from resgen.lower.onnx import derive

    try:
        plan = derive(
            graph,
            opset=stated.opset,
            batch=stated.batch,
            dynamic=stated.dynamic,
            metadata=metadata,
            version=artifact.manifest.resgen,
        )
    except UsageError as error:  # such a file cannot have been written
        raise Departure("manifest", f"the manifest is altered: {error}") from error
    found += _stated(
        "onnx.ir_version", stated.ir_version, plan.model.ir_version, "resgen"
    )
    found += differences(plan, weights, artifact.model)
    return plan.operands, settle(artifact, found, say)


def settle(artifact: Artifact, found: list[Difference], say: Say) -> bool:
    """Refuse what differs, unless another version explains it; whether nothing does."""
    wrote = artifact.manifest.resgen
    onnx = artifact.manifest.versions.get("onnx")
    another_onnx = onnx != versions(verified=False).get("onnx")
    excused = [
        d
        for d in found
        if (d.explained and wrote != __version__ and d.where not in _VERSION)
        or (d.explained == "onnx" and another_onnx)
    ]
    if len(excused) < len(found):
        faults = [d for d in found if d not in excused]
        told = "; ".join(d.message for d in faults[:_MOST])
        more = len(faults) - _MOST
        told += f"; and {more} more" if more > 0 else ""
        raise Departure(faults[0].where, f"{artifact.folder} was altered: {told}")
    if excused:
        writer = f"resgen {wrote}" if wrote != __version__ else f"onnx {onnx}"
        say(
            "derived",
            f"written with {writer}, whose files differ from this version's "
            f"({excused[0].message}): proven by numbers only",
        )
    return not excused


# --- parts ----------------------------------------------------------------------------


def _documents(artifact: Artifact, passes: tuple[str, ...]) -> Iterator[Difference]:
    """What the manifest states, and the files beside the weights and the model."""
    manifest, spec = artifact.manifest, artifact.spec
    text = canonical_bytes(spec)
    yield from text_differences(text + b"\n", artifact.folder / SPEC)
    graph = json.dumps(describe(artifact.graph), indent=1).encode() + b"\n"
    yield from text_differences(graph, artifact.folder / GRAPH, "resgen")
    yield from _stated("name", manifest.name, spec.name)
    identity = hashlib.sha256(text).hexdigest()
    yield from _stated("spec_sha256", manifest.spec_sha256, identity)
    yield from _stated("input", manifest.input, spec.input)
    yield from _stated("outputs", manifest.outputs, shapes(artifact.graph), "resgen")
    boxes = described(spec, artifact.graph)
    yield from _stated("boxes", manifest.boxes, boxes, "resgen")
    yield from _stated("onnx.passes", manifest.onnx.passes, passes, "resgen")
    for name, entry in manifest.files.items():
        size = (artifact.folder / name).stat().st_size
        yield from _stated(f"files.{name}.bytes", entry.bytes, size)
    own = {SPEC, GRAPH, WEIGHTS, MODEL}
    for name in sorted(own - manifest.files.keys()):
        yield Difference(name, f"the manifest does not name {name}")


def _stated(
    name: str, stated: Any, derived: Any, explained: Explained = ""
) -> Iterator[Difference]:
    if stated != derived or type(stated) is not type(derived):
        message = f"the manifest's {name} is {stated!r}; it should be {derived!r}"
        yield Difference(name, message, explained)


def _drawn(artifact: Artifact, stored: StoredWeights) -> Iterator[Difference]:
    """Fresh weights that are not those of the seed; one is drawn at a time."""
    seed = artifact.manifest.seed or 0
    for parameter in artifact.graph.parameters:
        (drawn,) = initialize([parameter], seed).values()
        found = stored[parameter.name]
        if found.tobytes() != drawn.tobytes():
            apart = int(np.count_nonzero(found != drawn)) or "some"
            yield Difference(
                parameter.name,
                f"{parameter.name} of {WEIGHTS} is not what seed {seed} draws: {apart} "
                f"of {found.size:,} numbers differ",
            )


def _ranges(stored: Weights, again: Weights) -> Iterator[Difference]:
    """Scales, and zero points, that calibration does not find."""
    for name in sorted(again):
        held, found = (float(weights[name]) for weights in (stored, again))
        zero_point = name.endswith("zero_point")
        if abs(held - found) > (1 if zero_point else _APART * found):
            message = f"{name} is {held:.4g}; calibration on the same inputs finds "
            yield Difference(name, f"{message}{found:.4g}")
