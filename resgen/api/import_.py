"""``resgen.import_``: a network from elsewhere becomes a spec and its weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resgen.api.asked.making import Building, Importing
from resgen.api.build import run as build
from resgen.api.specs import folder_name
from resgen.artifact.described import DescribedFolder
from resgen.artifact.imported import RECORD, Record, write_import
from resgen.artifact.manifest import Exported, Manifest
from resgen.errors import ResgenError, UsageError, listed
from resgen.files.ordinary import check_file
from resgen.files.place import require_place
from resgen.graph.analysis import Analysis
from resgen.graph.cost import analyse
from resgen.graph.ir import INPUT
from resgen.importing.flat import Flat
from resgen.options.kinds import Kind, argument, told, typed
from resgen.pictures.configuration import as_expected, members
from resgen.proof.compare import Departure
from resgen.proof.imports import Imports
from resgen.recovery.factor import size
from resgen.recovery.imported import Imported, imported
from resgen.spec.model import Spec
from resgen.words.numbers import count
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown, style

if TYPE_CHECKING:
    import torch

    from resgen.weights.evaluate import Weights

#: What a network is read from.
FILES: Final = (".onnx", ".pt2")
PATH: Final = typed("the path of a file", str, Path)
#: Why what was read may not compute what its source does.
_MISSED: Final = (
    "the source does what its reading misses, such as chance or state that it keeps"
)


def _is_module(value: Any) -> Any:
    module = callable(value) and hasattr(value, "named_parameters")
    if not module or isinstance(value, type):
        raise ValueError(f"{told(value)} is no torch.nn.Module")
    return value


def _is_size(value: Any) -> Any:
    sizes = isinstance(value, tuple | list) and len(value) in (1, 2, 3, 4)
    if not sizes or not all(type(n) is int and 0 < n < 2**31 for n in value):
        raise ValueError(
            f"{told(value)} is no tensor, nor sizes without a batch such as "
            "(3, 224, 224)"
        )
    return value


MODULE: Final = Kind("MODULE", _is_module, _is_module)
SIZES: Final = Kind("CxHxW", _is_size, _is_size)


class Read(NamedTuple):
    """A network from elsewhere: its spec, and its numbers by the spec's names."""

    spec: Spec
    weights: Weights


@dataclass(frozen=True, slots=True)
class ImportedNetwork(Shown):
    """A folder that was made of a network from elsewhere.

    ``built`` is what was built of it, where that was asked for.
    """

    folder: DescribedFolder[Record]
    spec: Spec
    analysis: Analysis
    built: Exported[Manifest] | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen import --json`` prints: import.json, and where it lies."""
        told: dict[str, Any] = {
            "folder": str(self.folder.folder),
            "seconds": self.seconds,
            **RECORD.to_json(self.folder.record),
        }
        if self.built is not None:
            told["built"] = self.built.to_dict()
        return told

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        yield from self.analysis.lines(width)
        folder = self.folder.folder
        yield f"{style(f'{folder}/', bold=True)}  in {self.seconds:.1f} s"
        if self.built is not None:
            yield from self.built.lines()


def import_(
    source: str | Path | torch.nn.Module,
    out: str | Path | None = None,
    *,
    input: torch.Tensor | Sequence[int] | None = None,  # noqa: A002 (the usual word)
    progress: Told = None,
    **options: Any,
) -> ImportedNetwork:
    """Read a network from elsewhere, and write its spec and weights to ``out``.

    ``source`` is an ONNX file, a ``.pt2`` file of ``torch.export``, or a module, with
    an ``input`` of it: a tensor, or its sizes without the batch. ``options`` are those
    of :class:`~resgen.api.asked.making.Importing`, which are the command's.
    ``progress`` is called with a line of text as a step is done (print will do).

    What cannot be read, and what would not compute the same, is a
    :class:`~resgen.errors.ResgenError`; then nothing is left.
    """
    asked, heard = Importing.of({**options, "out": out}), listening(progress)
    kind = PATH if isinstance(source, str | Path) else MODULE
    shape = None if input is None else _example(input)
    return run(argument("source", kind, source), asked, shape=shape, progress=heard)


def from_onnx(
    path: str | Path,
    *,
    name: str | None = None,
    shape: Sequence[int] | None = None,
    flat: bool = False,
    cut: str | None = None,
    preprocess: str | Path | None = None,
    verify: bool = True,
) -> Read:
    """A network of an ONNX file as a spec, its design recovered, and its weights.

    ``name`` is what it is to be called (the file's unless said), ``shape`` what its
    input has where the file leaves sizes open, without the batch. ``flat`` leaves it a
    plain list of operators; with ``cut`` it is read up to the node of that name, and
    gives out what that one yields. ``preprocess`` is a file that says how pictures
    become the input: timm's config.json or its like; one that lies beside the network
    is taken unless another is given. The network is proven to compute what the file
    does, unless ``verify`` is false.

    >>> spec, weights = resgen.from_onnx("model.onnx")  # doctest: +SKIP
    >>> resgen.build(spec, "out", state_dict=weights)   # doctest: +SKIP

    Raises :class:`~resgen.errors.ResgenError` where it cannot be read, with all that
    is in the way, or where it would not compute the same.
    """
    asked = Importing.of(
        {
            "name": name,
            "shape": () if shape is None else [("", argument("shape", SIZES, shape))],
            "flat": flat,
            "cut": cut,
            "preprocess": preprocess,
            "verify": verify,
        }
    )
    found, _ = _read(argument("path", PATH, path), asked, None, SILENT)
    return Read(found.spec, found.weights)


def from_torch(
    module: torch.nn.Module,
    input: torch.Tensor | Sequence[int],  # noqa: A002 (the usual word)
    *,
    name: str | None = None,
    flat: bool = False,
    preprocess: str | Path | None = None,
    verify: bool = True,
) -> Read:
    """A network that is a torch module, as a spec, and its weights.

    ``input`` is an example, a tensor with its batch, or sizes without one. The module
    is captured by ``torch.export`` and not changed; its ``state_dict`` loads strictly
    into :func:`resgen.to_torch` of the spec's graph. How pictures are prepared is taken
    of a ``pretrained_cfg`` as timm's modules have it. The rest is as in
    :func:`from_onnx`.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> spec, weights = from_torch(model, (3, 8, 8))
    >>> sorted(weights)
    ['0.bias', '0.weight']
    """
    asked = Importing.of(
        {"name": name, "flat": flat, "preprocess": preprocess, "verify": verify}
    )
    shape = _example(input)
    found, _ = _read(argument("module", MODULE, module), asked, shape, SILENT)
    return Read(found.spec, found.weights)


def run(
    source: str | Path | torch.nn.Module,
    asked: Importing,
    *,
    shape: torch.Tensor | Sequence[int] | None = None,
    progress: Progress = SILENT,
) -> ImportedNetwork:
    """As :func:`import_`."""
    begin = time.perf_counter()
    file = Path(source) if isinstance(source, str | Path) else None
    if asked.out is not None:
        require_place(asked.out, force=asked.force, source=file)
    found, proof = _read(source, asked, shape, progress)
    name = folder_name(found.spec.name)
    folder = write_import(
        found,
        asked.out or Path("imported", name),
        source=file.name if file else type(source).__name__,
        file=file,
        cut=asked.cut,
        proven=None if proof is None else proof.to_json(),
        force=asked.force,
    )
    built = None
    if asked.build:
        building = Building(weights=folder.weights, verify=asked.verify)
        built = build(found.spec, found.graph, building, progress=progress)
    seconds = time.perf_counter() - begin
    return ImportedNetwork(folder, found.spec, analyse(found.graph), built, seconds)


def _example(given: Any) -> torch.Tensor | Sequence[int]:
    """A tensor, or sizes without a batch."""
    if hasattr(given, "data_ptr"):
        return given  # type: ignore[no-any-return]
    sizes: Sequence[int] = argument("input", SIZES, given)
    return sizes


def _read(
    source: str | Path | torch.nn.Module,
    asked: Importing,
    shape: torch.Tensor | Sequence[int] | None,
    progress: Progress,
) -> tuple[Imported, Imports | None]:
    """A network that was read, its design recovered, and what was proven of it."""
    if isinstance(source, str | Path):
        path = Path(source)
        if path.suffix not in FILES:
            raise UsageError(
                f"{path} ends in neither of {' and '.join(FILES)}, and networks are "
                "imported from those",
                hint="torch.onnx.export and torch.export.save write them; "
                "resgen.from_torch takes a module as it is",
            )
        check_file(path)
        if path.suffix == ".onnx":
            return read_file(path, asked, progress)
    if asked.cut is not None:
        raise asked.refused("{cut} names a node of an ONNX file")
    return _of_module(source, asked, shape, progress)


def read_file(
    path: Path, asked: Importing, progress: Progress
) -> tuple[Imported, Imports | None]:
    """The network of an ONNX file, and what was proven of it, if anything was."""
    from resgen.importing.onnx.read import read
    from resgen.importing.onnx.trace import OpenSizes
    from resgen.proof.same_file import prove_file

    sizes = dict(asked.shape)
    try:
        flat = read(path, size=next(iter(sizes.values()), None), cut=asked.cut or "")
    except OpenSizes as error:
        raise asked.refused(error.message, hint="say them with {shape}") from error
    if sizes.keys() - {"", flat.tensors[INPUT].name}:
        raise asked.refused("{shape} names an input that the file lacks")
    flat = flat.called(asked.name or path.stem)
    return _finished(
        flat,
        lambda found: prove_file(found, path, cut=asked.cut or ""),
        asked,
        progress,
        lambda spec: members(spec, as_expected(spec, asked.preprocess, path)),
    )


def _of_module(
    source: Path | str | torch.nn.Module,
    asked: Importing,
    shape: torch.Tensor | Sequence[int] | None,
    progress: Progress,
) -> tuple[Imported, Imports | None]:
    from resgen.importing.torch.read import read, read_file, settled, unwrapped
    from resgen.proof.same_module import prove_module

    if isinstance(source, str | Path):
        beside: Path | None = Path(source)
        flat, module, batch = read_file(Path(source))
        named, own = Path(source).stem, None
    else:
        if shape is None:
            raise UsageError(
                "a module is read on an input: give one, or its sizes without the "
                "batch, such as (3, 224, 224)"
            )
        flat, module, batch = read(source, shape), unwrapped(source)[0], None
        named, beside = type(module).__name__, None
        own = getattr(module, "pretrained_cfg", None)
    return _finished(
        flat.called(asked.name or named),
        lambda found: prove_module(found, module, batch),
        asked,
        progress,
        lambda spec: members(spec, as_expected(spec, asked.preprocess, beside, own)),
        settled(module) or _MISSED,
    )


def _recovered(
    flat: Flat,
    asked: Importing,
    progress: Progress,
    stated: Callable[[Spec], Mapping[str, Any]],
) -> Imported:
    """The spec, and what is said of it."""
    graph = flat.graph
    (given,) = graph.inputs
    if not 2 <= given.type.rank <= 4:
        raise ResgenError(
            f"{graph.name} takes an input of {given.type}, and one of a spec has "
            "channels and one to three spatial axes"
        )
    said = f"{count(len(graph.nodes), 'operator')}, {graph.params:,} parameters"
    progress.say("read", said)
    found = imported(flat, structure=not asked.flat, stated=stated)
    alike: dict[tuple[str, str], list[str]] = {}
    for note in found.flat.notes:
        alike.setdefault((note.kind, note.why), []).append(note.what)
    for (kind, why), what in alike.items():
        some = listed(what) if len(what) < 4 else f"{what[0]} and {len(what) - 1} more"
        progress.say("read", f"{kind}: {some} ({why})")
    stages = [s for s in found.graph.sections if s.kind == "stage" and s.blocks]
    depths = ", ".join(str(stage.blocks) for stage in stages)
    shape = (
        f"{count(len(stages), 'stage')} of {depths} blocks" if stages else "no stages"
    )
    progress.say("design", f"{shape}; {size(found.document):,} bytes of JSON")
    return found


def _finished(
    flat: Flat,
    prove: Callable[[Imported], Imports],
    asked: Importing,
    progress: Progress,
    stated: Callable[[Spec], Mapping[str, Any]],
    missed: str = _MISSED,
) -> tuple[Imported, Imports | None]:
    """The design, and what was proven of it, unless that is skipped.

    Where nothing is, the fault is the reading's, and not the source's. ``stated``
    are members of the spec that come with the source, ``missed`` is why a reading of
    it may compute something else.
    """
    found = _recovered(flat, asked, progress, stated)
    if not asked.verify:
        return found, None
    try:
        proof = prove(found)
    except Departure as error:
        error.hint = f"nothing was made: {missed}"
        raise
    for line in proof.lines():
        progress.say("verify", line)
    return found, proof
