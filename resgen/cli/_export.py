"""What ``resgen export`` does with its options."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from resgen.api.asked.common import Making
from resgen.api.specs import folder_name, network
from resgen.artifact.make import export, export_file
from resgen.artifact.manifest import Exported, FileManifest, Manifest
from resgen.artifact.ready import Finish
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source, from_folder, from_spec
from resgen.calibrate.ranges import Method
from resgen.cli._problems import summarize
from resgen.cli._progress import Progress
from resgen.errors import Problem, ResgenError, UsageError
from resgen.forms.tensorrt import EngineWishes, divided
from resgen.forms.tensorrt import make as make_engine
from resgen.forms.triton import ServingWishes, serve_engine
from resgen.forms.triton import make as make_repository
from resgen.graph.check import precision_findings
from resgen.graph.precision import QUANTIZED, Name, Precision, precisions
from resgen.serve.config import Accelerator
from resgen.tensorrt.profiles import parse_profile
from resgen.tensorrt.targets import parse_targets

#: Bytes in the units that ``--workspace`` takes.
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
#: Options that only one form takes, by the name of their attribute.
_ONLY: Final = {
    "tensorrt": ("targets", "flavor", "profiles", "workspace", "level", "rebuild"),
    "triton": ("max_batch", "instances", "threads", "accelerator", "versions"),
}
#: Options that say how a network is lowered, which an ONNX file has been already.
_LOWERING: Final = (
    "precision", "consumer", "keep", "ends", "reduce_range", "calibration", "bisect",
    "evaluate", "tolerate",
    "camera", "assignments", "batch", "dynamic", "opset",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of one call, as click read them."""

    source: str
    to: str
    out: Path | None = None
    precision: Name | None = None
    consumer: str | None = None
    keep: tuple[str, ...] = ()
    ends: str | None = None
    reduce_range: bool = False
    calibration: Path | None = None
    method: Method = "minmax"
    evaluate: Path | None = None
    tolerate: float | None = None
    bisect: bool = False
    camera: str | None = None
    weighing: Making = field(default_factory=Making)
    seed: int = 0
    assignments: tuple[str, ...] = ()
    max_operators: int | None = None
    max_parameters: int | None = None
    batch: int | None = None
    dynamic: bool = False
    opset: int | None = None
    targets: str | None = None
    flavor: str | None = None
    profiles: tuple[str, ...] = ()
    workspace: str | None = None
    level: int | None = None
    rebuild: bool = False
    max_batch: int | None = None
    instances: int | None = None
    threads: int | None = None
    accelerator: Accelerator | None = None
    versions: int | None = None
    no_verify: bool = False
    force: bool = False


def run(
    chosen: Chosen, progress: Progress
) -> Exported[Manifest] | Exported[FileManifest]:
    """Export as the options say."""
    _check(chosen)
    path = Path(chosen.source)
    if path.suffix in (".engine", ".plan"):
        if chosen.to != "triton":
            raise UsageError(f"{path} is an engine already; it can go --to triton")
        out = chosen.out or Path("build", f"{path.resolve().parent.name}-triton")
        return serve_engine(path, out, _serving(chosen, progress), force=chosen.force)
    if path.suffix == ".onnx":
        finish = _finish(chosen, ("fp32",), progress)
        if finish is None:
            raise UsageError(f"{path} is an ONNX file already")
        if not path.is_file():
            raise ResgenError(f"{path} does not exist")
        out = chosen.out or Path("build", f"{path.stem}-{chosen.to}")
        return export_file(path, out, chosen.to, finish, force=chosen.force)
    wanted = _precision(chosen)
    source, warnings = _source(chosen)
    each = precisions(source.graph, wanted)
    found = precision_findings(source.graph, each)
    said = {(problem.code, problem.place) for problem in found}
    others = (w for w in warnings if (w.code, w.place) not in said)
    summarize((*others, *found), chosen.source)
    finish = _finish(chosen, sorted(set(each.values())), progress)
    wishes = Wishes(
        precision=wanted,
        batch=chosen.batch,
        opset=chosen.opset,
        dynamic=chosen.dynamic,
        calibration=chosen.calibration,
        method=chosen.method,
        camera=_camera(chosen.camera),
        search=chosen.bisect,
        verify=not chosen.no_verify,
        evaluation=chosen.evaluate,
        tolerated=chosen.tolerate,
    )
    out = chosen.out or Path("build", _folder(source.spec.name, chosen, wanted))
    return export(
        source,
        out,
        wishes,
        form=chosen.to,
        finish=finish,
        force=chosen.force,
        say=progress.say,
        progress=progress.advance,
    )


def _check(chosen: Chosen) -> None:
    """Refuse options that would have no effect."""
    for form, names in _ONLY.items():
        given = [name for name in names if getattr(chosen, name)]
        if given and chosen.to != form:
            raise UsageError(
                f"{_option(given[0])} is for --to {form}, not for --to {chosen.to}"
            )
    if chosen.source.endswith(".onnx"):
        lowering: dict[str, object] = {
            _option(name): getattr(chosen, name) for name in _LOWERING
        }
        lowering["--weights"] = chosen.weighing.weights
        lowering["--preprocess"] = chosen.weighing.preprocess
        for option, value in lowering.items():
            if value:
                raise UsageError(
                    f"{option} says how a network becomes an ONNX file, and "
                    f"{chosen.source} is one already",
                    hint="export the spec instead",
                )
    if chosen.camera and chosen.dynamic:
        raise UsageError("--camera states one size, so nothing is --dynamic with it")
    if chosen.bisect and (chosen.no_verify or chosen.precision not in QUANTIZED):
        raise UsageError("--bisect searches for what int8 or fp8 cannot have")
    if chosen.tolerate is not None and chosen.no_verify:
        raise UsageError("--tolerate judges, and --no-verify judges nothing")


def _option(name: str) -> str:
    """How an option is written."""
    written = {
        "targets": "target", "profiles": "profile", "level": "optimization-level",
        "consumer": "for", "assignments": "set",
    }  # fmt: skip
    return "--" + written.get(name, name).replace("_", "-")


def _precision(chosen: Chosen) -> Precision:
    engine = "tensorrt" if chosen.to == "tensorrt" else "onnxruntime"
    if chosen.to == "tensorrt" and chosen.consumer == "onnxruntime":
        raise UsageError("TensorRT refuses quantisers that are placed for onnxruntime")
    if chosen.reduce_range and chosen.precision != "int8":
        raise UsageError("--reduce-range is about int8 weights: give --precision int8")
    return Precision(
        chosen.precision or "fp32",
        chosen.consumer or engine,
        chosen.keep,
        low_ends=chosen.ends == "low",
        reduce_range=chosen.reduce_range,
    )


def _source(chosen: Chosen) -> tuple[Source, tuple[Problem, ...]]:
    """What is exported, and the warnings of its spec."""
    path = Path(chosen.source)
    if path.is_dir():
        given = {
            "--weights": chosen.weighing.weights,
            "--preprocess": chosen.weighing.preprocess,
            "--set": chosen.assignments,
        }
        for option, value in given.items():
            if value:
                raise UsageError(
                    f"{option} changes what {path} was built from",
                    hint="export the spec instead",
                )
        return from_folder(path), ()
    spec, graph, warnings = network(
        chosen.source, chosen.assignments, chosen.max_operators, chosen.max_parameters
    )
    source = from_spec(
        spec,
        graph=graph,
        weights=chosen.weighing.weights,
        how=chosen.weighing.loading,
        preprocess=chosen.weighing.preprocess,
        seed=chosen.seed,
    )
    return source, warnings


def _finish(
    chosen: Chosen, found: list[str] | tuple[str, ...], progress: Progress
) -> Finish | None:
    """What is made of the ONNX file; what cannot be is refused before it is written."""
    if chosen.to == "triton":
        return partial(make_repository, wishes=_serving(chosen, progress))
    if chosen.to == "onnx":
        return None
    targets = parse_targets(chosen.targets) if chosen.targets else ()
    engine = EngineWishes(
        divided(targets, chosen.flavor, found),
        tuple(map(parse_profile, chosen.profiles)),
        None if chosen.workspace is None else _bytes(chosen.workspace),
        chosen.level,
        chosen.rebuild,
        chosen.source,
        _repeated(chosen),
        progress.say,
        progress.advance,
    )
    return partial(make_engine, wishes=engine)


def _serving(chosen: Chosen, progress: Progress) -> ServingWishes:
    return ServingWishes(
        chosen.max_batch,
        chosen.instances or 1,
        chosen.threads,
        chosen.accelerator,
        1 if chosen.versions is None else chosen.versions,
        progress.say,
    )


def _repeated(chosen: Chosen) -> tuple[str, ...]:
    """Options of the command that builds the engine again, beside TensorRT's own."""
    words: list[str] = []
    for name in (
        "out", "keep", "ends", "calibration", "evaluate", "camera", "seed",
        "assignments", "batch", "opset",
    ):  # fmt: skip
        value = getattr(chosen, name)
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            if one:
                words += [_option(name), str(one)]
    if chosen.tolerate is not None:
        words += ["--tolerate", f"{chosen.tolerate:g}"]
    words += chosen.weighing.words()
    flags = ("reduce_range", "dynamic", "bisect", "force")
    words += [_option(name) for name in flags if getattr(chosen, name)]
    return tuple(words)


def _folder(name: str, chosen: Chosen, wanted: Precision) -> str:
    end = "" if chosen.to == "onnx" else f"-{chosen.to}"
    return f"{folder_name(name)}-{wanted.name}{end}"


def _camera(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.lower())
    if found is None:
        raise UsageError(
            f'"{text}" is not the size of a picture',
            hint="height and width, as in --camera 480x640",
        )
    return int(found[1]), int(found[2])


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})\s*([kmg]?)(i?b)?", text.lower())
    if found is None or not int(found[1]):
        raise UsageError(f'"{text}" is not a size', hint="as in --workspace 2G")
    return int(found[1]) * _UNITS[found[2]]
