"""An ONNX file put to the proof, and what is said and recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from resgen.artifact.judging import slowdown, with_statistics
from resgen.artifact.ready import Made
from resgen.calibrate.lowered import Calibrator, Lowered
from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.graph.precision import QUANTIZED
from resgen.onnxfile.stored import read_stored
from resgen.pictures.find import pictures_of
from resgen.pictures.words import takes_pictures
from resgen.proof.accuracy import ENOUGH, Accuracy, wilson
from resgen.proof.camera import verify_camera
from resgen.proof.classes import Classes, same_class, verdict
from resgen.proof.gate import Verification, probed, prove
from resgen.proof.initializers import prove_initializers
from resgen.proof.local import prove_locally
from resgen.proof.probe import draw
from resgen.proof.scales import check_scales
from resgen.proof.tolerance import (
    LEAST_SNR,
    Inaccurate,
    decibel_text,
    judge,
    judge_loss,
    named,
    output_text,
)
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.runtime.torch import load_torch
from resgen.weights.evaluate import Weights, np_dtype
from resgen.words.numbers import count

Say = Callable[[str, str], None]
#: Inputs that operators are compared on, one by one.
PROBED: Final = 2
#: A user's pictures are compared this many at a time.
BATCH: Final = 8


def proof_of(made: Made, say: Say, batches: Sequence[int] = ()) -> dict[str, Any]:
    """Prove the file, measure its precision, and refuse it where either fails.

    ``batches`` are sizes that a float32 file is run at, where they are to be others.

    Fresh weights are nobody's: what a precision does to them is measured on a copy with
    statistics of the inputs in its batch norms, and said; nothing is refused.
    """
    load_torch("there is nothing to verify against")
    if made.wishes.exact(made.graph):
        return _proven(made, say, batches)
    record = _same_function(made, say)
    if made.wishes.camera is not None:
        record["camera"] = _camera(made, say)
    if made.lowered.narrowest == "fp32":
        return record
    slow = slowdown(made)
    if slow is not None:
        say(
            "speed",
            f"slower than float32: {slow:.2f} times its time in ONNX Runtime on this "
            f"CPU, one input at a time",
        )
    if made.source.fresh:
        accuracy = with_statistics(made.lowered).measured()
        say(
            "accuracy",
            "weights are fresh: measured on a copy after one pass that sets the "
            "statistics of its batch norms; the file holds what was asked",
        )
    else:
        accuracy = _measured(made)
    calibrator = made.lowered.calibrator
    measured_on = calibrator.judged or calibrator.samples
    seen = calibrator.judged is None and made.lowered.narrowest in QUANTIZED
    why = ", which ranges are from, too; others say more" if seen else ""
    say("accuracy", f"measured on {measured_on.origin}{why}")
    for line in accuracy_lines(accuracy, made.lowered.narrowest):
        say("accuracy", line)
    record["accuracy"] = {**accuracy.to_json(), "measured_on": measured_on.origin}
    tolerated = made.wishes.tolerated
    if accuracy.classes is not None:
        for line in class_lines(accuracy.classes, tolerated):
            say("accuracy", line)
        if tolerated is not None:
            judge_loss(accuracy, made.lowered.narrowest, tolerated)
    if made.source.fresh and not accuracy.finite:
        return record
    try:
        judge(accuracy, made.lowered.narrowest)
    except Inaccurate as refused:
        if not made.source.fresh:
            raise
        say("accuracy", f"not refused, since the weights are fresh: {refused.message}")
        record["refused"] = refused.message
    return record


def _proven(made: Made, say: Say, batches: Sequence[int]) -> dict[str, Any]:
    """Prove a file; see :func:`resgen.proof.gate.prove`. What a manifest records.

    All pictures of a folder of the user's own are used, where one is named.
    """
    graph, source, images = made.graph, made.source, made.wishes.images
    preprocess = source.spec.preprocess
    own = None if images is None else pictures_of(images)
    if own and not takes_pictures(preprocess, graph.inputs[0].type.shape):
        raise ResgenError(
            f"the input of {graph.name} is no picture, so images cannot verify it",
            hint="without images of yours, random inputs are used",
        )
    if own:
        # All of them, and one input of noise, in batches that any memory holds.
        size = batches[-1] if batches else BATCH
        whole, rest = divmod(max(len(own) + 1 - sum(batches or (1,)), 0), size)
        last = () if not rest else (size,) if batches else (rest,)
        batches = (*(batches or (1,)), *(size,) * whole, *last)
    done = prove(
        graph,
        made.file_graph,
        made.model,
        made.weights,
        preprocess,
        made.written.initializers,
        batches=batches,
        images=own,
        seed=source.seed or 0,
    )
    for line in proof_lines(done, source.said):
        say("verify", line)
    return done.to_json()


def _same_function(made: Made, say: Say) -> dict[str, Any]:
    """The file against its graph: every number, and every operator by itself."""
    stored = read_stored(made.model)
    operands = made.written.initializers
    check_scales(stored)
    prove_initializers(stored, operands, made.lowered.weights)
    count = made.wishes.batch or min(PROBED, made.lowered.calibrator.samples.count)
    dtype = np_dtype(made.file_graph.inputs[0].type.dtype)
    batch = made.inputs(count).astype(dtype)
    weights = probe_weights(made.lowered)
    count = prove_locally(made.file_graph, stored, operands, weights, batch)
    say(
        "verify",
        f"PyTorch = the file, operator by operator on probe parameters: {count} "
        f"within the rounding of one step, {len(operands)} initialisers bit for bit",
    )
    return {"verdict": "equal", "operators": count, "initializers": len(operands)}


def _camera(made: Made, say: Say) -> dict[str, Any]:
    """What the file makes of pictures against the Python pipeline."""
    found = verify_camera(made.model, made.source.spec.preprocess)
    say(
        "camera",
        f"{found.pictures} pictures prepared in the file as in Python: "
        f"{found.share:.2%} of the pixels differ, by up to {found.steps:.0f} of 255 "
        "steps",
    )
    return found.to_json()


def _measured(made: Made) -> Accuracy:
    lowered = made.lowered
    types = {node.type.dtype for node in made.file_graph.nodes}
    if made.wishes.camera is not None or "bfloat16" in types:
        return lowered.measured()
    own = lowered.wanted.consumer == "onnxruntime"
    with OnnxRuntimeSession(made.model, optimize=own, any_placement=True) as session:
        return lowered.measured(session)


def probe_weights(lowered: Lowered, seed: int = 0) -> Weights:
    """Parameters in which every part of the network shows, with scales to suit."""
    calibrator = lowered.calibrator
    first = next(calibrator.samples.batches(min(PROBED, calibrator.samples.count)))
    drawn = dict(draw(calibrator.graph, seed))
    probed(calibrator.graph, drawn, first)
    few = Samples(len(first), "probes", False, lambda i: first[i])
    probing = Calibrator(calibrator.graph, drawn, few)
    return probing.at(lowered.wanted).weights


# --- what is said ---------------------------------------------------------------------


def proof_lines(done: Verification, source: str) -> list[str]:
    """What a person reads of a proof of weights from ``source``."""
    total = done.pictures + done.random
    kinds = [count(done.pictures, "photograph")] if done.pictures else []
    kinds.append(f"{done.random} random")
    batches = ", ".join(map(str, dict.fromkeys(done.batches)))
    same = ""
    if done.probe.top1 is not None:
        same = f", {same_class(done.probe.top1, done.probe.top1_output)}"
    lines = [
        f"PyTorch = ONNX Runtime on probe parameters, {total} inputs "
        f"({' and '.join(kinds)}; batches {batches})",
        f"largest difference {done.probe.relative:.1e} of the output's range "
        f"(allowed {done.probe.tolerance:.0e}){same}",
    ]
    if done.tensors:
        lines.append(
            f"{done.tensors} tensors within rounding, {done.initializers} initialisers "
            f"as the graph says"
        )
    shipped = done.shipped
    if not shipped.finite:
        lines.append(f"these weights ({source}) overflow, so only probes were compared")
        return lines
    lines.append(f"on these weights ({source}) {shipped.relative:.1e}")
    if source.startswith("fresh"):
        known = "nothing" if done.probe.top1 is None else "no classes"
        lines.append(f"fresh weights know {known}; those of a checkpoint do")
    return lines


def class_lines(found: Classes, tolerated: float | None) -> list[str]:
    """What a person reads of classes told right, and of what was tolerated."""
    lines = []
    for name, pair in (("top-1", found.top1), ("top-5", found.top5)):
        if pair is not None:
            shares = (
                f"{which} {count / found.inputs:.2%} ({low:.2%} to {high:.2%})"
                for which, count in zip(("float32", "this"), pair, strict=True)
                for low, high in (wilson(count, found.inputs),)
            )
            said = ", ".join(shares)
            lines.append(f"{name} on {found.inputs} labelled inputs: {said}")
    low, high = found.interval
    lost = f"top-1 lost: {found.loss:.2%} (95 %, paired: {low:.2%} to {high:.2%})"
    if tolerated is not None:
        against = {
            "within": f"within the {tolerated:.2%} tolerated",
            "beyond": f"beyond the {tolerated:.2%} tolerated",
            "undecided": f"undecided against {tolerated:.2%}: more inputs would tell",
        }
        lost += f"; {against[verdict(found, tolerated)]}"
    return [*lines, lost]


def accuracy_lines(accuracy: Accuracy, precision: str) -> list[str]:
    """What a person reads of an accuracy."""
    if not accuracy.finite:
        return ["the float32 network overflows on these weights: nothing to compare"]
    parts = []
    if accuracy.top1 is not None and accuracy.interval is not None:
        said = same_class(accuracy.top1, accuracy.top1_output)
        low, high = (100 * share for share in accuracy.interval)
        parts.append(f"{said} inputs (95 %: {low:.1f} to {high:.1f} %)")
    parts.append(f"cosine {accuracy.cosine:.5f}")
    parts.append(
        f"differences up to {accuracy.largest:.2%} of {output_text(accuracy)}'s range "
        f"(99.9 % within {accuracy.p999:.2%})"
    )
    lines = [f"{accuracy.judge}, {precision} against float32: {parts[0]}"]
    lines.append(", ".join(parts[1:]))
    worst = accuracy.worst
    noise = f"noise {decibel_text(accuracy.snr)} below {output_text(accuracy)}"
    if worst is not None:
        noise += (
            f"; noisiest is {named(worst)} with {decibel_text(worst.snr)} "
            f"(at least {LEAST_SNR[precision]:.0f} dB wanted)"
        )
    lines.append(noise)
    if accuracy.top1 is not None and accuracy.inputs < ENOUGH:
        lines.append(
            f"{count(accuracy.inputs, 'input')} cannot judge classes: {ENOUGH} or more "
            "do"
        )
    return lines
