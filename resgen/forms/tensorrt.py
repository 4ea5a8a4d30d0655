"""Engines for the targets that this machine can build for, a kit for the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import ResgenError, UsageError
from resgen.options.group import Group, option
from resgen.options.kinds import FLAG, Kind, choice, text, told, whole
from resgen.tensorrt.profiles import Span, format_profile, parse_profile
from resgen.words.numbers import size
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Ready
    from resgen.tensorrt.flavor import Flavor
    from resgen.tensorrt.manifest import EngineManifest
    from resgen.tensorrt.request import EngineRequest
    from resgen.tensorrt.targets import Division

#: The folder of a kit, beside the engine.
KIT: Final = "kit"
#: Bytes in the units that a size may have.
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def _profile(value: Any) -> Span:
    try:
        return parse_profile(value if isinstance(value, str) else format_profile(value))
    except UsageError as error:
        raise ValueError(f"{error.message} (as in 1,8,32)") from None
    except (TypeError, ValueError):
        raise ValueError(f"{told(value)} is not a profile such as 1,8,32") from None


def _bytes(value: Any) -> int:
    found = re.fullmatch(r"(\d{1,18})\s*([kmg]?)(i?b)?", str(value).lower(), re.ASCII)
    if found is None or not int(found[1]):
        raise ValueError(f"{told(value)} is not a size, as in 2G")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """How engines are to be."""

    target: str | None = option(
        "--target",
        text("GPU,..."),
        "Devices or compute capabilities, as in rtx-4090,sm_86.",
        shown="the GPU of this machine",
    )
    flavor: str | None = option(
        "--flavor",
        choice("rtx", "tensorrt"),
        "TensorRT for RTX, or the full TensorRT.",
        shown="what is installed",
    )
    profile: tuple[Span, ...] = option(
        "--profile",
        Kind("MIN,OPT,MAX", _profile, _profile, format_profile),
        "Batch sizes or whole shapes; may be repeated.",
        shown="1,8,32",
        repeated=True,
    )
    workspace: int | None = option(
        "--workspace",
        Kind("SIZE", _bytes, _bytes),
        "Memory to build in, as in 2G.",
        shown="all that there is",
    )
    optimization_level: int | None = option(
        "--optimization-level",
        whole(0, 5),
        "How long to search, 0 to 5.",
        shown="TensorRT's own",
    )
    rebuild: bool = option("--rebuild", FLAG, "Do not use the cache.")


def prepare(options: Options, job: Job) -> Finish:
    """A target that nothing can build for, or that lacks a precision, is refused.

    So is a network that chooses among boxes: TensorRT for RTX has no implementation of
    NonMaxSuppression (1.7 builds nothing), and of what another engine chooses by 16
    bits or TF32 nothing could be said, since numbers that enter a choice stay inside.
    """
    from resgen.tensorrt.targets import divided, parse_targets

    if job.choices:
        raise ResgenError(
            "no engine is made of a network that chooses among its boxes: TensorRT for "
            "RTX has no NonMaxSuppression, and another engine's choice cannot be "
            f"proven\n  at {job.choices[-1]}",
            hint='with "decode" in place of "suppress" it gives all boxes, among which '
            "resgen.pictures.boxes.detections chooses alike",
        )
    targets = parse_targets(options.target) if options.target else ()
    division = divided(targets, options.flavor, job.precisions)
    return lambda ready: make(ready, options, division, job)


def make(
    ready: Ready, options: Options, division: Division, job: Job
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write engine and kit beside the file; hashes, and what the manifest records."""
    from resgen.document.files import plain
    from resgen.files.hashed import sha256_of
    from resgen.tensorrt.export import export_engine

    files: dict[str, str] = {}
    record: dict[str, Any] = {}
    say = job.progress.say
    if division.flavor is not None:
        made = export_engine(
            ready.model,
            ready.folder,
            _request(ready, options, division.flavor, division.here),
            rebuild=options.rebuild,
            source=job.source,
            options=job.words,
            identity=ready.identity,
            locate=ready.locate,
            say=say,
            progress=lambda done, total: job.progress.advance("building", done, total),
        )
        files[made.engine.name] = made.manifest.engine.sha256
        files[made.manifest_file.name] = sha256_of(made.manifest_file)
        how = "taken from the cache" if made.cached else "built"
        slower = _slower(made.manifest)
        say(
            "engine",
            f"{division.flavor.name} {made.manifest.tensorrt}, "
            f"{', '.join(division.here)}, {size(made.engine.stat().st_size)}, {how}",
        )
        if slower:
            say("speed", slower)
        if chosen := _chosen(options, division.flavor.ahead):
            say("gpu", chosen)
        its = made.manifest
        found = OfEngine(its.targets, its.flavor, its.tensorrt, made.cached, False)
        record["engine"] = plain(found)
    if division.elsewhere:
        files.update(_kit(ready, options, division.elsewhere))
        record["kit"] = {"targets": list(division.elsewhere)}
        say(
            "kit",
            f"nothing here builds for {', '.join(division.elsewhere)}: carry {KIT}/ "
            "there and run build_and_time.py",
        )
    return files, record


@dataclass(frozen=True, slots=True)
class OfEngine:
    """What the manifest records of an engine."""

    targets: tuple[str, ...]
    flavor: str
    tensorrt: str
    cached: bool
    speed_measured: Literal[False]


@dataclass(frozen=True, slots=True)
class OfKit:
    """What the manifest records of a kit."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What was made: either or both."""

    engine: OfEngine | None = None
    kit: OfKit | None = None

    def __post_init__(self) -> None:
        if self.engine is None and self.kit is None:
            raise ValueError("there is neither an engine nor a kit")


def again(options: Options, made: Mapping[str, Any], ready: Ready, job: Job) -> Finish:
    """The kit of a folder; its engine is held by its own manifest.

    The kit is written with the inputs and outputs that it holds, once the outputs are
    those of the float32 network: calibration may have chosen the inputs.
    """
    from resgen.document.decoding import Misfit, decode
    from resgen.tensorrt.targets import parse_targets

    try:
        told: Record = decode(Record, dict(made))
    except Misfit as error:
        raise UsageError(f"the manifest's made{error.pointer}: {error}") from None
    each = [*(told.engine.targets if told.engine else ())]
    each += told.kit.targets if told.kit else ()
    asked = parse_targets(options.target) if options.target else None
    if (asked is None and told.kit) or (asked and sorted(each) != sorted({*asked})):
        raise UsageError(f"the targets {options.target} are not {', '.join(each)}")

    def finish(there: Ready) -> tuple[dict[str, str], dict[str, Any]]:
        files: dict[str, str] = {}
        if told.engine:
            files.update(_held(ready, told.engine, options))
        if told.kit:
            files.update(_kit(there, options, told.kit.targets, ready))
        return files, dict(made)

    return finish


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The engine against the float32 network, where its GPU and its TensorRT are."""
    found: dict[str, Any] = {}
    if "engine" in made:
        found["engine"] = _engine(ready, progress)
    if "kit" in made:
        progress.say("kit", "not run: it is for other machines")
        found["kit"] = None
    return found


# --- parts ----------------------------------------------------------------------------


def _engine(ready: Ready, progress: Progress) -> dict[str, Any] | None:
    """How close the engine comes; None where nothing here can run it."""
    from resgen.errors import MissingComponent, MissingDevice
    from resgen.proof.compare import Departure
    from resgen.proof.reach import apart
    from resgen.runtime.tensorrt import TensorRtSession
    from resgen.tensorrt.cache import ENGINE

    try:
        session = TensorRtSession(ready.folder / ENGINE)
    except (MissingComponent, MissingDevice) as missing:
        progress.say("engine", f"not run: {missing.message}")
        return None
    with session:
        fixed = next(iter(session.inputs.values()))[0]
        feeds, expected = ready.trial(fixed or session.least_batch)
        found = session.run(feeds)
    shares = {name: apart(found[name], wanted)[1] for name, wanted in expected.items()}
    for name, share in shares.items():
        if not share <= ready.tolerance:
            raise Departure(
                name,
                f'the output "{name}" of the engine is {share:.1e} of its range away '
                f"from the float32 network's (allowed {ready.tolerance:.0e})",
            )
    largest = max(shares.values())
    progress.say(
        "engine", f"within {largest:.1e} of the output's range of the float32 network"
    )
    return {"largest": largest, "allowed": ready.tolerance}


def _request(
    ready: Ready, options: Options, flavor: Flavor, targets: tuple[str, ...]
) -> EngineRequest:
    """The engine that the options ask for."""
    from resgen.tensorrt.request import EngineRequest

    return EngineRequest(
        flavor,
        targets,
        ready.precisions[-1],
        options.profile,
        options.workspace,
        options.optimization_level,
    )


def _held(ready: Ready, told: OfEngine, options: Options) -> dict[str, str]:
    """The hashes of an engine that is what it was asked to be, and of its manifest."""
    from resgen.files.hashed import sha256_of
    from resgen.onnxfile.ends import ends_of
    from resgen.tensorrt.cache import ENGINE
    from resgen.tensorrt.flavor import flavor_of
    from resgen.tensorrt.held import contradictions
    from resgen.tensorrt.manifest import manifest_of, vouched
    from resgen.tensorrt.profiles import resolve

    engine = ready.folder / ENGINE
    its = vouched(engine)
    flavor = flavor_of(options.flavor or told.flavor)
    request = _request(ready, options, flavor, told.targets)
    profiles = resolve(options.profile, ends_of(ready.model).inputs)
    wrong = contradictions(
        engine, its, request, told.tensorrt, ready.identity, profiles
    )
    if found := "; ".join(wrong):
        raise UsageError(found)
    file = manifest_of(engine)
    return {ENGINE: its.engine.sha256, file.name: sha256_of(file)}


def _chosen(options: Options, ahead: bool) -> str:
    """Which GPU of several it was that decided what was built."""
    from resgen.machine.device import present

    first = present()
    if first is None or present(1) is None or (ahead and options.target):
        return ""
    return (
        f"{first.name}, the first of several here: CUDA_VISIBLE_DEVICES names another"
    )


def _slower(manifest: EngineManifest) -> str:
    """That fp16 has less to do, as far as the builder's log says so."""
    from resgen.tensorrt.twin import more_work

    half = manifest.fp16_layers
    more = "; ".join(more_work(manifest.layers, half)) if half else ""
    return more and f"not measured; {more}: expect fp16 to be faster there"


def _kit(
    ready: Ready, options: Options, targets: Sequence[str], kept: Ready | None = None
) -> dict[str, str]:
    """Write a kit, with the inputs and outputs of one that is ``kept``."""
    from resgen.artifact.kept import check_kept, read_kept, trial_of
    from resgen.files.hashed import sha256_of
    from resgen.kit.write import write_kit
    from resgen.onnxfile.ends import ends_of
    from resgen.tensorrt.profiles import resolve

    shapes = ends_of(ready.model).inputs
    profiles = resolve(options.profile, shapes)
    first = next(iter(shapes))
    batch = shapes[first][0] or (profiles[0][first][1][0] if profiles else 1)
    if kept is None:
        inputs, expected = ready.trial(batch)
    else:
        inputs, expected = read_kept(kept.folder / KIT)
        check_kept(kept, batch, inputs, expected)
    written = write_kit(
        ready.model,
        ready.folder / KIT,
        trial_of(ready, inputs, expected),
        target=", ".join(targets),
        profiles=profiles,
        workspace=options.workspace,
        level=options.optimization_level,
    )
    return {
        path.relative_to(ready.folder).as_posix(): sha256_of(path) for path in written
    }


FORM = Form(
    "TensorRT engines, or a kit that builds them elsewhere",
    Options,
    prepare,
    verify,
    again,
    owns=(KIT,),
    opens={"engine": "model.engine"},
    consumers=("tensorrt",),
)
