"""What is measured, made ready in a folder: files that a fresh process can open.

Fresh weights of a deep network overflow or die out, and denormal numbers change times.
So unless the weights are somebody's, what is timed carries probe parameters
(:mod:`resgen.proof.probe`), which keep every value at about unit size.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from resgen._version import __version__
from resgen.artifact.engines import Building, engines_of
from resgen.artifact.folder import MODEL, WEIGHTS
from resgen.errors import ResgenError, UsageError
from resgen.files.aside import temporary_folder
from resgen.files.ordinary import check_file
from resgen.records.profile import Subject
from resgen.runtime.base import ANY
from resgen.weights.loading import Loading

if TYPE_CHECKING:
    import torch

    from resgen.artifact.source import Source
    from resgen.attribution.names import Names
    from resgen.calibrate.lowered import Lowered
    from resgen.graph.ir import Graph
    from resgen.graph.precision import Name, Precision
    from resgen.runtime.base import Array, Shape
    from resgen.spec.model import Preprocess, Spec

NETWORK: Final = "network.pickle"
#: Inputs that probe parameters are settled on.
SETTLED_ON: Final = 2
#: What weights are called that :mod:`resgen.proof.probe` drew.
PROBE: Final = "probe"
#: The precision of an engine of which only the file is there.
AS_BUILT: Final = "as built"


class Graphs(NamedTuple):
    """A network at its precision, of which PyTorch's module is made; as its ONNX file
    and TensorRT's engine were written from it; and how a picture becomes its input.
    """

    lowered: Graph
    of_file: Graph
    of_engine: Graph
    preprocess: Preprocess


@dataclass(frozen=True)
class Prepared:
    """Files to open, and what is known of them without opening any.

    ``model`` is an ONNX file, ``engine`` TensorRT's; ``network`` holds the graphs of a
    spec, with ``weights`` beside it. ``origin`` is the ONNX file that the engine
    was built from. ``builds`` are engines of several builds, ``engine`` the first of
    them. What is None cannot be had. ``others`` are what a form has made, by what the
    engines that open it take, ``names`` those in an ONNX file that another tool wrote.
    """

    subject: Subject
    precision: str
    model: Path | None = None
    engine: Path | None = None
    network: Path | None = None
    weights: Path | None = None
    origin: Path | None = None
    builds: tuple[Path, ...] = ()
    others: Mapping[str, Path] = field(default_factory=dict)
    names: Names | None = None

    def file(self, takes: str) -> Path | None:
        """What an engine that ``takes`` this opens."""
        own = {"onnx": self.model, "module": self.network, "engine": self.engine}
        return own[takes] if takes in own else self.others.get(takes)

    def only(self, takes: str) -> Prepared:
        """The same without large files that an engine which takes this never reads."""
        own = {takes: self.others[takes]} if takes in self.others else {}
        if takes == "module":
            return replace(self, model=None, others=own)
        return replace(self, weights=None, others=own)

    def size(self, takes: str) -> int | None:
        """Bytes of what such an engine reads, what a file keeps beside it included."""
        file = self.weights if takes == "module" else self.file(takes)
        if file is None:
            return None
        beside: tuple[Path, ...] = ()
        if takes == "onnx":
            from resgen.onnxfile.external import check_external

            beside = check_external(file)
        return sum(path.stat().st_size for path in (file, *beside))

    @cached_property
    def graphs(self) -> Graphs:
        """The graphs of a network, which are not known of a file."""
        if self.network is None:
            raise ResgenError(f"{self.subject.name} is a file, not a network of a spec")
        # Written by this run into a folder of its own.
        found: Graphs = pickle.loads(self.network.read_bytes())
        return found

    def module(self) -> tuple[Graph, torch.nn.Module]:
        """The graph and PyTorch's module of it."""
        from resgen.lower.torch import to_torch
        from resgen.weights.safetensors import StoredWeights

        graph = self.graphs.lowered
        stored = StoredWeights(self.weights or "")
        arrays = {p.name: stored[p.name] for p in graph.parameters}
        return graph, to_torch(graph, arrays)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured.

    ``source`` is a spec, a folder or a file. ``precision`` None is what a folder says,
    else fp32. ``weights`` is a checkpoint, taken ``how`` is said, without which
    a spec gets probe parameters.
    ``network`` is the spec and its graph where they were read already. ``shapes`` are
    sizes of inputs without the batch, for axes that a file leaves open. ``made`` are
    the files that a folder's form has made, by what the engines that open them take.
    ``takes`` is what the engines that were asked for open. With ``building`` TensorRT's
    engine is built where there is none.
    """

    source: str
    precision: Name | None = None
    weights: Path | None = None
    how: Loading = field(default_factory=Loading)
    assignments: tuple[str, ...] = ()
    network: tuple[Spec, Graph] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    made: Mapping[str, Path] = field(default_factory=dict)
    takes: Collection[str] = ()
    building: Building | None = None


@contextmanager
def prepared(wanted: Wanted) -> Iterator[Prepared]:
    """Make it ready; the files are gone after the block."""
    path = Path(wanted.source)
    with temporary_folder() as folder:
        if path.suffix == ".onnx":
            yield _with_engine(_foreign(path, wanted), wanted, Path(folder))
        elif path.suffix in (".engine", ".plan"):
            yield _engine(path, wanted)
        else:
            yield _with_engine(_network(wanted, Path(folder)), wanted, Path(folder))


def _with_engine(found: Prepared, wanted: Wanted, folder: Path) -> Prepared:
    """The same with an engine built of it, if one is wanted and there is none."""
    if wanted.building is None or found.engine is not None or found.origin is None:
        return found
    precision = "fp32" if found.network is None else found.precision
    builds = engines_of(found.origin, folder, precision, wanted.building)
    return replace(found, engine=builds[0], builds=builds)


def _foreign(path: Path, wanted: Wanted) -> Prepared:
    """An ONNX file, measured as it is."""
    from resgen.attribution.foreign import read_onnx
    from resgen.attribution.parts import parts_of_file, total
    from resgen.files.hashed import sha256_of
    from resgen.onnxfile.ends import ends_of

    _refuse(wanted, path)
    ends = ends_of(path)
    names, costs = read_onnx(path, wanted.shapes)
    parts = parts_of_file(names, costs)
    subject = Subject(
        name=path.stem,
        kind="onnx",
        sha256=sha256_of(path),
        input=_sizes(ends.inputs, wanted.shapes),
        macs=total(part.macs for part in parts if part.kind == "section") or None,
        weights="the file's",
        parts=parts,
    )
    return Prepared(subject, "as stored", model=path, origin=path, names=names)


def _sizes(
    inputs: Mapping[str, Shape], given: Mapping[str, tuple[int, ...]]
) -> tuple[int, ...] | None:
    """Of the first input without its batch, as given where they are open."""
    for name, declared in inputs.items():
        known = tuple(n for n in declared[1:] if n is not None)
        if len(known) == len(declared) - 1:
            return known
        return given.get(name, given.get(ANY))
    return None


def _engine(path: Path, wanted: Wanted) -> Prepared:
    from resgen.files.hashed import sha256_of
    from resgen.tensorrt.manifest import vouched

    _refuse(wanted, path)
    built_from = vouched(path).onnx.sha256
    beside = path.with_suffix(".onnx")
    ours = beside.is_file() and sha256_of(beside) == built_from
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    subject = Subject(name, "engine", sha256_of(path), None, weights="the engine's")
    return Prepared(subject, AS_BUILT, engine=path, origin=beside if ours else None)


def _refuse(wanted: Wanted, path: Path) -> None:
    """Options that say how a network is lowered have no effect on a file."""
    given = {
        "a precision": wanted.precision,
        "weights": wanted.weights,
        "a change": wanted.assignments,
    }
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} says how a network is written, and {path} is written already"
            )
    check_file(path)


def _network(wanted: Wanted, folder: Path) -> Prepared:
    """A spec or a folder, written once more where the folder's own file is not it."""
    from resgen.artifact.opened import open_folder
    from resgen.artifact.ready import as_written, calibrator_of, lowered_by
    from resgen.artifact.request import Wishes
    from resgen.attribution.parts import parts_of, total
    from resgen.calibrate.samples import Samples, gather
    from resgen.graph.precision import QUANTIZED
    from resgen.lower.litert.values import NHWC
    from resgen.lower.litert.write import FILE as TFLITE
    from resgen.lower.litert.write import derive, stored
    from resgen.lower.onnx import write
    from resgen.spec.canonical import digest
    from resgen.weights.safetensors import write_safetensors

    source, precision, made = _source(wanted)
    graph, origin = source.graph, source.origin
    if source.fresh:
        weights, inputs = probes(graph)
        source = replace(source, weights=weights)
        samples = Samples(len(inputs), "probes", False, lambda i: inputs[i])
    else:
        samples = gather(None, graph, source.spec.preprocess)

    def written(consumer: str, model: Path | None) -> tuple[Lowered, Graph]:
        """The network for a consumer, its file at ``model`` if that is named."""
        wishes = Wishes(precision and replace(precision, consumer=consumer))
        lowered = lowered_by(calibrator_of(source, wishes, samples), wishes)
        file_graph = as_written(lowered, source, wishes)
        if model is not None:
            write(file_graph, lowered.weights, model)
        return lowered, file_graph

    others = dict(made)
    model, engine = others.pop("onnx", None), others.pop("engine", None)
    lowered, file_graph = written("onnxruntime", None if model else folder / MODEL)
    model = model or folder / MODEL
    write_safetensors(folder / WEIGHTS, lowered.graph, lowered.weights)
    of_engine, built_from = file_graph, None if engine else model
    if lowered.wanted.name in QUANTIZED and (engine or wanted.building):
        # Its quantisers lie elsewhere.
        if engine is None:
            built_from = folder / "tensorrt" / MODEL
            built_from.parent.mkdir()
        _, of_engine = written("tensorrt", built_from)
    # What a folder has of fresh weights is not what is measured.
    if "litert" in wanted.takes and (source.fresh or "litert" not in others):
        others["litert"] = folder / TFLITE
        own, its = lowered, file_graph
        if lowered.wanted.name in QUANTIZED:
            own, its = written("litert", None)
        stored_as, half = stored(graph, its, precision and own.wanted)
        told = open_folder(Path(wanted.source)).manifest.made if made else {}
        plan = derive(stored_as, half=half, ends=told.get("ends", NHWC))
        with others["litert"].open("wb") as file:
            file.writelines(plan.pieces(own.weights))
    graphs = Graphs(lowered.graph, file_graph, of_engine, source.spec.preprocess)
    (folder / NETWORK).write_bytes(pickle.dumps(graphs))
    parts = parts_of(graph)
    subject = Subject(
        name=source.spec.name,
        kind="folder" if Path(wanted.source).is_dir() else "spec",
        sha256=digest(source.spec),
        input=source.spec.input,
        params=graph.params,
        macs=total(part.macs for part in parts if part.kind == "section"),
        weights=PROBE if source.fresh else origin,
        parts=parts,
    )
    return Prepared(
        subject,
        lowered.wanted.name,
        model=model,
        engine=engine,
        network=folder / NETWORK,
        weights=folder / WEIGHTS,
        origin=built_from,
        others=others,
    )


def _source(wanted: Wanted) -> tuple[Source, Precision | None, Mapping[str, Path]]:
    """The network, its precision, and what there is of it at that precision.

    A folder has the one that it was exported at, unless another is asked for. Its ONNX
    file is opened as it is where it holds somebody's weights and takes any batch.
    """
    from resgen.artifact.opened import open_folder
    from resgen.artifact.source import from_folder, from_spec
    from resgen.expansion.network import load
    from resgen.graph.precision import Precision

    asked = None if wanted.precision in (None, "fp32") else Precision(wanted.precision)
    path = Path(wanted.source)
    if not path.is_dir():
        spec, graph = wanted.network or (load(wanted.source, wanted.assignments), None)
        source = from_spec(spec, graph=graph, weights=wanted.weights, how=wanted.how)
        return source, asked, {}
    if wanted.weights or wanted.assignments:
        raise UsageError(
            f"other weights or values change what {path} was built from",
            hint="profile the spec instead",
        )
    artifact = open_folder(path)
    manifest = artifact.manifest
    told = replace(manifest.precision or Precision(), consumer="onnxruntime")
    placed = manifest.precision in (None, told)
    own = None if told == Precision() else told
    if wanted.precision is not None and asked != own:
        return from_folder(path), asked, {}
    source = from_folder(path, scales=placed)
    made = {takes: file for takes, file in wanted.made.items() if file.is_file()}
    written = manifest.onnx
    ours = manifest.resgen == __version__ and "fold_norm" in written.passes
    fixed = written.batch or written.dynamic or manifest.camera
    if ours and placed and not source.fresh and not fixed:
        made["onnx"] = path / MODEL
    artifact.check_hashes([file.name for file in made.values()])
    return source, own, made


def probes(graph: Graph) -> tuple[dict[str, Array], Array]:
    """Probe parameters, and the inputs that they were settled on."""
    import numpy as np

    from resgen.proof.gate import probed
    from resgen.proof.probe import draw
    from resgen.runtime.torch import load_torch

    load_torch("fresh weights cannot be given a realistic size")
    shape = (SETTLED_ON, *graph.inputs[0].type.shape)
    inputs = np.random.default_rng(0).standard_normal(shape, np.float32)
    drawn = dict(draw(graph, 0))
    probed(graph, drawn, inputs)
    return drawn, inputs
