"""SOURCE of the command line: what is measured, and on what where nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from resgen import forms
from resgen.api.asked.common import Leasing, Measuring, Reading, Weighing
from resgen.api.specs import network, opened
from resgen.errors import ResgenError
from resgen.files.names import MANIFEST
from resgen.files.ordinary import check_file
from resgen.leases.address import Address
from resgen.machine.place import Place
from resgen.options.group import Group
from resgen.options.kinds import typed

if TYPE_CHECKING:
    from resgen.artifact.prepare import Wanted
    from resgen.artifact.prepared import Prepared

#: A spec (its file, its name in the zoo, or itself as JSON values), a folder that
#: resgen made, an ONNX file, or an engine.
Source: TypeAlias = "str | Path | Mapping[str, Any]"
SOURCE: Final = typed("a spec, nor a folder or the file of a model", str, Path, Mapping)
#: Files that are no spec.
MODELS = (".onnx", ".engine", ".plan")


def wanted_of(
    source: Source,
    asked: Measuring,
    weighing: Weighing | None = None,
    changes: tuple[str, ...] = (),
) -> Wanted:
    """What a source stands for, its spec read and checked."""
    from resgen.artifact.opened import open_folder
    from resgen.artifact.prepare import Wanted

    source, weighing = opened(source, weighing or Weighing())
    read, name = None, named(source)
    path = Path(name)
    if path.suffix == ".onnx":
        check_file(path)
    is_file = isinstance(source, str | Path) and (
        path.is_dir() or path.suffix in MODELS
    )
    if not is_file:
        spec, graph, _ = network(source, Reading(set=changes))
        read = spec, graph
    made: dict[str, Path] = {}
    if is_file and path.is_dir():
        form = open_folder(path).manifest.form
        if form in forms.names():
            opens = forms.find(form).opens
            made = {takes: path / file for takes, file in opens.items()}
    return Wanted(
        name,
        asked.precision,
        weighing.weights,
        weighing.loading,
        tuple(changes),
        read,
        asked.shapes,
        made,
    )


def vouched(
    source: Source, runtimes: tuple[str, ...]
) -> tuple[Source, tuple[str, ...]]:
    """The folder that a LiteRT file is of, and LiteRT if nothing else is to run it.

    What is no such file stays as it is. One that no manifest beside it lists is a
    ResgenError; whether it is that file its SHA-256 tells where it is opened.
    """
    from resgen.artifact.opened import open_folder

    path = Path(named(source))
    if not isinstance(source, str | Path) or path.suffix != ".tflite":
        return source, runtimes
    check_file(path)
    beside = path.with_name(MANIFEST)
    if not beside.is_file() or path.name not in open_folder(path.parent).manifest.files:
        raise ResgenError(
            f"{path} is not run, since no manifest beside it vouches for it",
            hint="`resgen export SPEC --to litert` makes a folder with a file and one",
        )
    return path.parent, runtimes or ("litert",)


def named(source: Source) -> str:
    """How a source is called on a command line."""
    return str(source.get("name", "")) if isinstance(source, Mapping) else str(source)


def command(
    name: str, sources: Sequence[Source], asked: Group, *, paths: bool = False
) -> list[str]:
    """The command that does it again.

    A path from the root says whose machine this is, and so does an address: without
    ``paths`` the path's last part is all that is told, and of the address nothing.
    """

    def told(path: Path) -> str:
        return str(path) if paths or not path.is_absolute() else path.name

    if isinstance(asked, Leasing) and asked.on is not None and not paths:
        asked = replace(asked, on=Address("HOST"))
    given = (told(Path(named(source))) for source in sources)
    return ["resgen", name, *given, *asked.words(told)]


def device_of(asked: str | None, runtimes: Sequence[str]) -> str:
    """``cpu`` or ``cuda:N``: what was asked for, else what the runtimes run on."""
    if asked is not None:
        return asked
    return "cuda:0" if runtimes and set(runtimes) == {"tensorrt"} else "cpu"


def default_runtime(subjects: Sequence[Prepared], device: str, place: Place) -> str:
    """The runtime where none is asked for: what people deploy, if the place has it.

    That is what all of them were exported for, else ONNX Runtime.
    """
    from resgen.runtime.engines import find, present, require

    subject = subjects[0]
    if subject.model is None:
        return "tensorrt"
    there = place.ask(present, device)
    for name in there:
        if all(find(name).takes in each.others for each in subjects):
            return name
    for name in ("onnxruntime", "torch"):
        if name in there and (name != "torch" or subject.network is not None):
            return name
    why = f"{subject.subject.name} cannot be measured"
    place.ask(require, "onnxruntime", device, why)
    return "onnxruntime"


def carried(asked: Leasing, subject: Prepared, runtime: str) -> None:
    """Refuse an engine that would have to be built on the machine that times it."""
    if asked.on is not None and runtime == "tensorrt" and subject.engine is None:
        raise asked.refused(
            "{on} carries engines of TensorRT and builds none",
            hint="`resgen export SOURCE --to tensorrt --target GPU` makes a folder "
            "with one, to be timed instead",
        )
