"""A LiteRT file (.tflite), for phones and small boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import ResgenError, UsageError
from resgen.lower.litert.values import CODES, NCHW, NHWC
from resgen.lower.litert.write import FILE
from resgen.options.group import Group, option
from resgen.options.kinds import FLAG
from resgen.words.numbers import count, size
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Made, Ready
    from resgen.artifact.request import Wishes
    from resgen.artifact.source import Source
    from resgen.graph.ir import Graph
    from resgen.graph.precision import Precision
    from resgen.lower.litert.write import Plan
    from resgen.weights.evaluate import Weights


#: The folder of a kit, beside the file.
KIT: Final = "kit"


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """What stands beside the file; batch size and precision all forms are asked."""

    kit: bool = option(
        "--kit",
        FLAG,
        "Write kit/ as well, to carry to a phone or a Raspberry Pi: the file, inputs, "
        "expected outputs, and a script that checks and times it.",
    )


def prepare(options: Options, job: Job) -> Finish:
    """What LiteRT has no kernel or operator for is refused."""
    _check(job)
    ends = _ends(job)
    if job.network is not None:  # a proof of the ONNX file may take minutes
        from resgen.artifact.ready import planned

        source, wishes = job.network
        _plan(source, wishes, planned(source, wishes), wishes.precision, ends)
    return lambda ready: make(ready, options, job, ends=ends)


def again(options: Options, made: Mapping[str, Any], ready: Ready, job: Job) -> Finish:
    """The same file, which ``verify`` proves, and the kit with its own inputs."""
    _check(job)
    return lambda there: make(there, options, job, ends=made["ends"], kept=ready)


def make(
    ready: Ready,
    options: Options,
    job: Job,
    *,
    ends: str,
    kept: Ready | None = None,
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the file, and prove it unless it is ``kept`` already.

    The hashes of what was written, and what the manifest records.
    """
    from resgen.files.hashed import HashedFile

    made = _network(ready)
    plan = _planned(made, ends)
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
    if options.kit:
        found |= _kit(made, plan, kept)
    if kept is None and made.wishes.verify:
        for line in _prove(made, plan):
            job.progress.say("litert", line)
    record = {"operators": operators, "transposes": plan.transposes}
    return found, {**record, "ends": ends}


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The file's operators and outputs against PyTorch."""
    network = _network(ready)
    said = _prove(network, _planned(network, made["ends"]))
    for line in said:
        progress.say("litert", line)
    return {"litert": "; ".join(said)}


# --- parts ----------------------------------------------------------------------------


def _check(job: Job) -> None:
    from resgen.lower.litert.write import schema_of

    schema_of()  # without it nothing is proven first
    for precision in {*job.precisions} - {"fp32", "fp16", "int8"}:
        raise UsageError(
            f"LiteRT has no kernels of {precision}",
            hint="it has int8, and fp16 for weights, with which it computes in float32",
        )
    if job.choices:
        raise ResgenError(
            "LiteRT has no operator for what chooses among boxes\n"
            f"  at {job.choices[-1]}",
            hint='with "decode" in place of "suppress" a network gives all its boxes',
        )


def _ends(job: Job) -> str:
    """How the ends of the file are, as its manifest records it."""
    return NHWC if job.ends == "float32" else job.ends


def _network(ready: Ready) -> Made:
    from resgen.artifact.ready import Made

    if not isinstance(ready, Made):
        raise TypeError(f"{FILE} is made of a network")
    return ready


def _planned(made: Made, ends: str) -> Plan:
    wanted = made.wishes.precision and made.lowered.wanted
    return _plan(made.source, made.wishes, made.file_graph, wanted, ends)


def _plan(
    source: Source, wishes: Wishes, graph: Graph, wanted: Precision | None, ends: str
) -> Plan:
    """The file of a network whose ONNX file is written from ``graph``."""
    from resgen.artifact.metadata import metadata_of
    from resgen.artifact.ready import as_taken
    from resgen.lower.litert.write import derive, stored

    if wishes.dynamic:
        raise UsageError(f"{FILE} has inputs of one size")
    graph, half = stored(as_taken(source.graph, source, wishes), graph, wanted)
    return derive(
        graph,
        batch=wishes.batch,
        metadata=metadata_of(source, wishes),
        spec=source.spec,
        half=half,
        ends=ends,
    )


def _kit(made: Made, plan: Plan, kept: Ready | None) -> dict[str, str]:
    """Write a kit, with the inputs and outputs of one that is ``kept``."""
    from resgen.artifact.kept import check_kept, read_kept, trial_of
    from resgen.files.hashed import sha256_of
    from resgen.kit.litert import write_litert_kit

    ends = {**plan.walk.inputs, **plan.walk.outputs}
    batch = made.wishes.batch or 1
    if kept is None:
        inputs, expected = made.trial(batch)
    else:
        inputs, expected = (
            {n: ends[n].logical(array) if n in ends else array for n, array in each}
            for each in (arrays.items() for arrays in read_kept(kept.folder / KIT))
        )
        check_kept(kept, batch, inputs, expected)
    trial = trial_of(
        made,
        {n: array.transpose(ends[n].order) for n, array in inputs.items()},
        {n: array.transpose(ends[n].order) for n, array in expected.items()},
    )
    written = write_litert_kit(made.folder / FILE, made.folder / KIT, trial)
    return {
        path.relative_to(made.folder).as_posix(): sha256_of(path) for path in written
    }


def _prove(made: Made, plan: Plan) -> list[str]:
    """Prove it; what was compared, in words."""
    if made.precisions != ("fp32",):
        return _prove_low(made, plan)
    from resgen.artifact.ready import as_taken
    from resgen.proof.litert import prove_litert

    found = prove_litert(
        as_taken(made.graph, made.source, made.wishes),
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
        file = folder / FILE

        def write(plan: Plan, weights: Weights) -> Path:
            with file.open("wb") as out:
                out.writelines(plan.pieces(weights))
            return file

        probes = probe_weights(made.lowered)
        batch = made.inputs(made.wishes.batch or 1)
        number, apart = prove_low(plan, write(plan, probes), probes, batch, narrowest)
        if made.wishes.camera is not None:  # its cost is measured behind the camera
            plain, ends = replace(made.wishes, camera=None), plan.walk.ends
            plan = _plan(made.source, plain, lowered.shipped, lowered.wanted, ends)
        with LiteRtSession(write(plan, lowered.weights)) as session:
            accuracy = lowered.measured(session)
    if not fresh:
        judge(accuracy, narrowest)
    rounding = "a step" if narrowest == "int8" else "rounding"
    noise = f"differ by noise {decibel_text(apart)} below them"
    return [
        f"{count(number, 'operator')} equal PyTorch's float64 but for {rounding}; "
        f"outputs of the reference kernels and of XNNPACK "
        f"{noise if isfinite(apart) else 'are the same'}",
        f"{accuracy.judge}, {narrowest} against float32: noise "
        f"{decibel_text(accuracy.snr)} below {output_text(accuracy)}",
    ]


FORM = Form(
    "a LiteRT file for phones and small boards",
    Options,
    prepare,
    verify,
    again,
    owns=(KIT,),
    ends=("float32", NCHW, *CODES),
    opens={"litert": FILE},
    consumers=("litert",),
    of_file=False,
)
