"""``resgen.export``: a network at a precision, in any form that there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from resgen import forms
from resgen.api.asked.making import Exporting, Importing
from resgen.api.build import source_of
from resgen.api.memory import told
from resgen.api.specs import SPEC, folder_name, opened, read_spec
from resgen.artifact.form import Finish, Form, Job
from resgen.artifact.make import make, make_of_file
from resgen.artifact.manifest import Exported, FileManifest, Manifest
from resgen.artifact.opened import open_folder
from resgen.artifact.ready import choices_of
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source, from_folder
from resgen.errors import Problem, UsageError
from resgen.files.ordinary import check_file
from resgen.graph.check import precision_findings
from resgen.graph.ir import Graph
from resgen.graph.precision import QUANTIZED, Precision, precisions
from resgen.options.group import Group, options_of
from resgen.options.kinds import argument, text
from resgen.spec.model import Spec
from resgen.words.progress import SILENT, Progress, Told, listening

Done = Exported[Manifest] | Exported[FileManifest]
#: What a file of anybody's is asked too: the rest says how a network is written.
_OF_FILES = ("out", "force", "seed", "max_operators", "max_parameters", "verify")
#: What only a precision below float32 has a use for.
_OF_LOW = ("keep", "calibration", "method", "evaluate", "tolerate")
#: What says which network it is.
_OF_SPECS = ("weights", "preprocess", "set")


def export(
    source: Spec | str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    *,
    to: str = "onnx",
    state_dict: Mapping[str, Any] | None = None,
    progress: Told = None,
    **options: Any,
) -> Done:
    """Write a network in a form, proven and judged, to the folder ``out``.

    ``source`` is a spec, a folder that was built or exported, an ONNX file or an
    engine. A folder keeps its precision unless another is asked for. A ``state_dict``
    may be that of a network trained at this precision
    (``to_torch(graph, precision=...)``): then its scales are taken, and nothing is
    calibrated. ``options`` are those of :class:`~resgen.api.asked.making.Exporting` and
    of the form, which are the command's. ``progress`` is called with a line of text as
    a step is done (print will do).

    Raises :class:`~resgen.proof.tolerance.Inaccurate` where the precision loses too
    much, and other :class:`~resgen.errors.ResgenError` where something does not fit;
    then nothing is left.
    """
    heard = listening(progress)
    source = argument("source", SPEC, source)
    form = forms.find(argument("to", text("FORM"), to))
    own = {name for name, _ in options_of(form.options)}
    chosen = form.options.of({k: v for k, v in options.items() if k in own})
    rest = {k: v for k, v in options.items() if k not in own}
    source, asked = opened(source, Exporting.of({**rest, "out": out}))
    if isinstance(source, Spec | Mapping) or not is_made(source):
        started = start(*read_spec(source, asked), asked, to, state_dict)
        return run(started, to, asked, chosen, progress=heard)
    if state_dict is not None:
        raise UsageError(f"a state_dict changes what {source} was built from")
    return run(source, to, asked, chosen, progress=heard)


def is_made(source: str | Path) -> bool:
    """Whether a source is no spec, but something that was made of one."""
    path = Path(source)
    return path.is_dir() or path.suffix in (".onnx", ".engine", ".plan")


def start(
    spec: Spec,
    graph: Graph,
    asked: Exporting,
    to: str,
    state_dict: Mapping[str, Any] | None = None,
) -> Source:
    """A spec that was read, with the weights that are asked for."""
    wanted = _precision(asked, to, forms.find(to))
    return source_of(spec, graph, asked, state_dict, wanted)


def run(
    source: Source | str | Path,
    to: str,
    asked: Exporting,
    chosen: Group,
    *,
    progress: Progress = SILENT,
    name: str | None = None,
    warn: Callable[[Sequence[Problem]], None] = lambda found: None,
) -> Done:
    """As :func:`export`, of a network that was read, of a folder or of a file.

    ``chosen`` are the options of the form, ``name`` is how the user calls the source.
    ``warn`` is told of what engines do not like about the network at this precision.
    """
    form = forms.find(to)
    named = source.spec.at.source.file if isinstance(source, Source) else str(source)
    if asked.ends not in form.ends:
        raise asked.refused(f"{to} has no {{ends}} {asked.ends}")
    job = Job(
        ends=asked.ends, source=name or named, words=asked.words(), progress=progress
    )
    if not isinstance(source, Source) and _is_read_back(Path(source), form, asked):
        source = _read_back(Path(source), asked, progress)
    if isinstance(source, Source) or Path(source).is_dir():
        full = asked
        if isinstance(source, Source):
            wanted = _precision(asked, to, form)
        else:
            source, wanted, full = _opened(Path(source), to, form, asked)
        each = precisions(source.graph, wanted)
        _refuse_idle(asked, each)
        if asked.ends in ("int8", "uint8") and "int8" not in each.values():
            raise asked.refused(
                f"{{ends}} {asked.ends} are those of a network in int8",
                hint="give {precision} int8",
            )
        warn(precision_findings(source.graph, each))
        place = asked.out or _place(source, wanted, to)
        job = replace(
            job,
            precisions=tuple(sorted({*each.values()})),
            choices=choices_of(source.graph),
            out=place,
        )
        wishes = _wishes(wanted, to, full, chosen)
        finish = form.prepare(chosen, replace(job, network=(source, wishes)))
        return _network(source, wishes, asked, finish, place, progress)
    path = Path(source)
    _refuse(asked, path, _OF_FILES, "says how a network is written")
    if path.suffix == ".onnx":
        check_file(path)
        name, prepare = path.stem, form.prepare
    elif form.of_engine is None:
        able = [name for name in forms.names() if forms.find(name).of_engine]
        raise UsageError(f"{path} is an engine already; it can go to {able[0]}")
    else:
        name, prepare = path.resolve().parent.name, partial(form.of_engine, path)
    place = asked.out or Path("build", f"{name}-{to}")
    finish = prepare(chosen, replace(job, out=place))
    return make_of_file(path, place, to, finish, force=asked.force)


# --- parts ----------------------------------------------------------------------------


def _is_read_back(path: Path, form: Form, asked: Exporting) -> bool:
    """Whether a file of anybody's becomes a spec first.

    What is made of it at a precision, or in a form that is made of a network, is.
    """
    return path.suffix == ".onnx" and (asked.precision is not None or not form.of_file)


def _read_back(path: Path, asked: Exporting, progress: Progress) -> Source:
    """The network of an ONNX file, proven to compute what the file does."""
    from resgen.api.import_ import read_file

    for name, _, _ in asked.given():
        if name in _OF_SPECS:
            raise asked.refused(
                f"{{{name}}} says which network it is, and {path} has one",
                hint="`resgen import` makes a spec of it, which takes all of these",
            )
    found, _ = read_file(path, Importing.of({"verify": asked.verify}), progress)
    return Source(found.spec, found.graph, found.weights, path.name, None)


def _refuse(asked: Exporting, path: Path, taken: tuple[str, ...], why: str) -> None:
    """Options that would have no effect on what was made already."""
    for name, _, _ in asked.given():
        if name not in taken:
            raise asked.refused(
                f"{{{name}}} {why}, and {path} is written already",
                hint="leave it out",
            )


def _refuse_idle(asked: Exporting, each: Mapping[str, str]) -> None:
    """Options that only a lower precision has a use for, where there is none."""
    if {*each.values()} - {"fp32"}:
        return
    for name, _, _ in asked.given():
        if name in _OF_LOW:
            raise asked.refused(
                f"{{{name}}} is for a lower precision, and all of it stays in float32",
                hint="give {precision} int8, or what it is to be",
            )


def _precision(asked: Exporting, to: str, form: Form) -> Precision:
    """What was asked for, where nothing is there that has a precision."""
    wanted = Precision(
        asked.precision or "fp32",
        _consumer(asked, to, form),
        asked.keep,
        low_ends=asked.ends == "low",
        reduce_range=asked.reduce_range,
    )
    if wanted.reduce_range and wanted.name != "int8":
        raise asked.refused(
            "{reduce_range} is about int8 weights: give {precision} int8"
        )
    return wanted


def _consumer(asked: Exporting, to: str, form: Form) -> str:
    if asked.for_ is None:
        return form.consumers[0]
    if asked.for_ not in form.consumers:
        raise asked.refused(f"{to} refuses quantisers that are placed for {asked.for_}")
    return asked.for_


def _opened(
    path: Path, to: str, form: Form, asked: Exporting
) -> tuple[Source, Precision, Exporting]:
    """A folder's network, as it was written unless another precision is asked for.

    Quantisers that have to lie elsewhere want another calibration, which nothing here
    knows the inputs of: that is refused, rather than made of other inputs unasked.
    """
    for name, _, _ in asked.given():
        if name in _OF_SPECS:
            raise asked.refused(
                f"{{{name}}} changes what {path} was built from",
                hint="export the spec instead",
            )
    if asked.precision is not None:
        return from_folder(path), _precision(asked, to, form), asked
    told = open_folder(path).manifest
    own = told.precision or Precision()
    usual = own.consumer in form.consumers and asked.for_ is None
    wanted = replace(
        own,
        consumer=own.consumer if usual else _consumer(asked, to, form),
        keep=asked.keep or own.keep,
        low_ends=own.low_ends or asked.ends == "low",
        reduce_range=own.reduce_range or asked.reduce_range,
    )
    as_written = wanted == own and asked.calibration is None
    source = from_folder(path, scales=as_written)
    quantized = {*precisions(source.graph, wanted).values()} & {*QUANTIZED}
    if quantized and not as_written and asked.calibration is None:
        raise asked.refused(
            f"the quantisers of {path} are placed for {own.consumer}, and its scales "
            f"are from {told.calibration and told.calibration.origin}; for {to} as it "
            "is asked for it has to be calibrated again",
            hint="say on what with {calibration}, or ask for another {precision}",
        )
    return (
        source,
        wanted,
        replace(
            asked,
            batch=asked.batch or told.onnx.batch,
            opset=asked.opset or told.onnx.opset,
            dynamic=asked.dynamic or told.onnx.dynamic,
            camera=asked.camera or told.camera,
        ),
    )


def _place(source: Source, wanted: Precision, to: str) -> Path:
    """The folder where none is named."""
    end = "" if to == "onnx" else f"-{to}"
    return Path("build", f"{folder_name(source.spec.name)}-{wanted.name}{end}")


def _wishes(wanted: Precision, to: str, asked: Exporting, chosen: Group) -> Wishes:
    return Wishes(
        wanted,
        batch=asked.batch,
        opset=asked.opset,
        dynamic=asked.dynamic,
        calibration=asked.calibration,
        method=asked.method,
        camera=asked.camera,
        search=asked.bisect,
        verify=asked.verify,
        evaluation=asked.evaluate,
        tolerated=asked.tolerate,
        form=to,
        options=chosen.to_json(),
    )


def _network(
    source: Source,
    wishes: Wishes,
    asked: Exporting,
    finish: Finish,
    place: Path,
    progress: Progress,
) -> Exported[Manifest]:
    with told(wishes.batch):
        return make(
            source,
            place,
            wishes,
            finish,
            force=asked.force,
            say=progress.say,
            progress=progress.advance,
        )
