"""A LiteRT file (.tflite), for phones and small boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
        job.progress.say("proof", _prove(made, plan))
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
    progress.say("litert", said)
    return {"litert": said}


# --- parts ----------------------------------------------------------------------------


def _check(job: Job) -> None:
    if {*job.precisions} - {"fp32"}:
        raise UsageError(f"{FILE} is written in float32, not in {job.precisions[-1]}")
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
    from resgen.lower.litert.write import derive

    if made.wishes.dynamic:
        raise UsageError(f"{FILE} has inputs of one size")
    if made.wishes.camera:
        raise UsageError(f"{FILE} takes pictures that are prepared")
    told = metadata_of(made.source, made.wishes)
    return derive(
        made.file_graph,
        batch=made.wishes.batch,
        metadata=told,
        spec=made.source.spec,
    )


def _prove(made: Made, plan: Plan) -> str:
    """Prove it; what was compared, in words."""
    from resgen.proof.litert import prove_litert

    found = prove_litert(
        made.graph,
        made.file_graph,
        plan,
        made.folder / FILE,
        made.weights,
        made.inputs(max(2, made.wishes.batch or 0)),
    )
    return (
        f"{count(found.operators, 'operator')} equal PyTorch's float64 but for "
        "rounding; outputs of the reference kernels and of XNNPACK within "
        f"{found.relative:.1e} of their range"
    )


FORM = Form(
    "a LiteRT file for phones and small boards",
    Options,
    prepare,
    verify,
    again,
    opens={"litert": FILE},
    of_file=False,
)
