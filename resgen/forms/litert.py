"""A LiteRT file (.tflite), for phones and small boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import ResgenError, UsageError
from resgen.lower.litert.write import FILE
from resgen.options.group import Group
from resgen.words.numbers import count, size
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Made, Ready
    from resgen.lower.litert.write import Plan
    from resgen.weights.evaluate import Weights


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """It has none of its own: batch size and precision all forms are asked."""


def prepare(options: Options, job: Job) -> Finish:
    """What cannot be made is refused: low precision, a choice among boxes."""
    _check(job)
    return lambda ready: make(ready, job, proven=True)


def again(options: Options, made: Mapping[str, Any], ready: Ready, job: Job) -> Finish:
    """The same file; ``verify`` proves it."""
    _check(job)
    return lambda ready: make(ready, job, proven=False)


def make(
    ready: Ready, job: Job, *, proven: bool
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the file; its hash, and what the manifest records."""
    from resgen.files.hashed import HashedFile

    made = _network(ready)
    plan = _plan(made)
    with HashedFile(ready.folder / FILE) as file:
        for piece in plan.pieces(made.weights):
            file.write(piece)
        found = {FILE: file.sha256}
    operators = len(plan.walk.operations)
    job.progress.say(
        "litert",
        f"{count(operators, 'operator')}, {count(plan.transposes, 'transpose')}, "
        f"{size((ready.folder / FILE).stat().st_size)}",
    )
    if proven and made.wishes.verify:
        for line in _prove(made, plan):
            job.progress.say("litert", line)
    return found, {"operators": operators, "transposes": plan.transposes}


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The file's operators and outputs against PyTorch, where LiteRT is installed."""
    from resgen.errors import MissingComponent

    network = _network(ready)
    try:
        said = _prove(network, _plan(network))
    except MissingComponent as missing:
        progress.say("litert", f"not run: {missing.message}")
        return {"litert": None}
    for line in said:
        progress.say("litert", line)
    return {"litert": "; ".join(said)}


# --- parts ----------------------------------------------------------------------------


def _check(job: Job) -> None:
    for precision in {*job.precisions} - {"fp32", "fp16", "int8"}:
        raise UsageError(
            f"LiteRT has no kernels of {precision}",
            hint="give another {precision}: int8, or fp16, which stores weights in 16 "
            "bits and computes in float32",
        )
    if job.choices:
        raise ResgenError(
            "LiteRT has no operator for what chooses among boxes\n"
            f"  at {job.choices[-1]}",
            hint='with "decode" in place of "suppress" a network gives all its boxes',
        )


def _network(ready: Ready) -> Made:
    from resgen.artifact.ready import Made

    if not isinstance(ready, Made):
        raise TypeError(f"{FILE} is made of a network")
    return ready


def _plan(made: Made) -> Plan:
    from resgen.artifact.metadata import metadata_of
    from resgen.lower.litert.write import derive, stored

    if made.wishes.dynamic:
        raise UsageError(f"{FILE} has inputs of one size")
    if made.wishes.camera:
        raise UsageError(f"{FILE} takes pictures that are prepared")
    told = metadata_of(made.source, made.wishes)
    wanted = made.wishes.precision and made.lowered.wanted
    graph, half = stored(made.graph, made.file_graph, wanted)
    return derive(
        graph,
        batch=made.wishes.batch,
        metadata=told,
        spec=made.source.spec,
        half=half,
    )


def _prove(made: Made, plan: Plan) -> list[str]:
    """Prove it; what was compared, in words."""
    if made.precisions != ("fp32",):
        return _prove_low(made, plan)
    from resgen.proof.litert import prove_litert

    found = prove_litert(
        made.graph,
        made.file_graph,
        plan,
        made.folder / FILE,
        made.weights,
        made.inputs(max(2, made.wishes.batch or 0)),
    )
    return [
        f"{count(found.operators, 'operator')} equal PyTorch's float64 but for "
        "rounding; outputs of the reference kernels and of XNNPACK within "
        f"{found.relative:.1e} of their range"
    ]


def _prove_low(made: Made, plan: Plan) -> list[str]:
    """The same of a low precision, and what it costs by XNNPACK's kernels."""
    from resgen.artifact.judged import probe_weights
    from resgen.artifact.judging import with_statistics
    from resgen.files.aside import temporary_folder
    from resgen.proof.litert import prove_low
    from resgen.proof.tolerance import decibel_text, judge, output_text
    from resgen.runtime.litert import LiteRtSession

    narrowest, fresh = made.lowered.narrowest, made.source.fresh
    lowered = with_statistics(made.lowered) if fresh else made.lowered
    with temporary_folder() as folder:
        file = Path(folder) / FILE

        def write(weights: Weights) -> Path:
            with file.open("wb") as out:
                out.writelines(plan.pieces(weights))
            return file

        probes = probe_weights(made.lowered)
        batch = made.inputs(made.wishes.batch or 1)
        number, apart = prove_low(plan, write(probes), probes, batch, narrowest)
        with LiteRtSession(write(lowered.weights)) as session:
            accuracy = lowered.measured(session)
    if not fresh:
        judge(accuracy, narrowest)
    rounding = "a step" if narrowest == "int8" else "rounding"
    return [
        f"{count(number, 'operator')} equal PyTorch's float64 but for {rounding}; "
        "outputs of the reference kernels and of XNNPACK differ by noise "
        f"{decibel_text(apart)} below them",
        f"{accuracy.judge}, {narrowest} against float32: noise "
        f"{decibel_text(accuracy.snr)} below {output_text(accuracy)}",
    ]


FORM = Form(
    "a LiteRT file for phones and small boards",
    Options,
    prepare,
    verify,
    again,
    opens={"litert": FILE},
    consumers=("litert",),
    of_file=False,
)
