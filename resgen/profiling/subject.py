"""What is measured, made ready in a folder: files that a fresh process can open.

Fresh weights of a deep network overflow or die out, and denormal numbers change times.
So unless the weights are somebody's, what is timed carries probe parameters
(:mod:`resgen.proof.probe`), which keep every value at about unit size.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.errors import ResgenError, UsageError
from resgen.files.aside import temporary_folder
from resgen.profiling.engine import Building, engines_of
from resgen.profiling.feeds import ANY
from resgen.records.latency import Subject
from resgen.runtime.engines import Form
from resgen.weights.loading import Loading

if TYPE_CHECKING:
    import torch

    from resgen.artifact.source import Source
    from resgen.graph.ir import Graph
    from resgen.graph.precision import Name, Precision
    from resgen.runtime.base import Array, Shape
    from resgen.spec.model import Preprocess, Spec

MODEL: Final = "model.onnx"
ENGINE: Final = "model.engine"
WEIGHTS: Final = "weights.safetensors"
NETWORK: Final = "network.pickle"
#: Inputs that probe parameters are settled on.
SETTLED_ON: Final = 2
#: What weights are called that :mod:`resgen.proof.probe` drew.
PROBE: Final = "probe"
#: The precision of an engine of which only the file is there.
AS_BUILT: Final = "as built"


@dataclass(frozen=True)
class Prepared:
    """Files to open, and what is known of them without opening any.

    ``model`` is an ONNX file, ``engine`` TensorRT's; ``network`` holds the graph at its
    precision, with ``weights`` beside it. ``origin`` is the ONNX file that the engine
    was built from. ``builds`` are engines of several builds, ``engine`` the first of
    them. What is None cannot be had.
    """

    subject: Subject
    precision: str
    model: Path | None = None
    engine: Path | None = None
    network: Path | None = None
    weights: Path | None = None
    origin: Path | None = None
    builds: tuple[Path, ...] = ()

    def file(self, form: Form) -> Path | None:
        """What an engine that takes ``form`` opens."""
        return {"onnx": self.model, "module": self.network, "engine": self.engine}[form]

    def size(self, form: Form) -> int | None:
        """Bytes of what such an engine reads, what a file keeps beside it included."""
        file = self.weights if form == "module" else self.file(form)
        if file is None:
            return None
        beside: list[Path] = []
        if form == "onnx":
            from resgen.onnxfile.external import check_external

            beside = list(check_external(file))
        return sum(path.stat().st_size for path in (file, *beside))

    @cached_property
    def _stored(self) -> tuple[Graph, Graph, Preprocess, Graph]:
        if self.network is None:
            raise ResgenError(f"{self.subject.name} is a file, not a network of a spec")
        # Written by this run into a folder of its own.
        content = self.network.read_bytes()
        stored: tuple[Graph, Graph, Preprocess, Graph] = pickle.loads(content)
        return stored

    @property
    def graph(self) -> Graph:
        """The graph at its precision, of which PyTorch's module is made."""
        return self._stored[0]

    @property
    def file_graph(self) -> Graph:
        """The graph that the ONNX file was written from, its norms folded."""
        return self._stored[1]

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes an input."""
        return self._stored[2]

    @property
    def engine_graph(self) -> Graph:
        """The graph that TensorRT's engine was built from, by way of a file."""
        return self._stored[3]

    def module(self) -> tuple[Graph, torch.nn.Module]:
        """The graph and PyTorch's module of it."""
        from resgen.lower.torch import to_torch
        from resgen.weights.safetensors import StoredWeights

        if self.weights is None:
            raise ResgenError(f"{self.subject.name} is a file, not a network of a spec")
        stored = StoredWeights(self.weights)
        arrays = {p.name: stored[p.name] for p in self.graph.parameters}
        return self.graph, to_torch(self.graph, arrays)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured.

    ``source`` is a spec, a folder or a file. ``precision`` None is what a folder says,
    else fp32. ``weights`` is a checkpoint, taken ``how`` is said, without which
    a spec gets probe parameters.
    ``network`` is the spec and its graph where they were read already. ``shapes`` are
    sizes of inputs without the batch, for axes that a file leaves open. With
    ``building`` TensorRT's engine is built where there is none.
    """

    source: str
    precision: Name | None = None
    weights: Path | None = None
    how: Loading = field(default_factory=Loading)
    assignments: tuple[str, ...] = ()
    network: tuple[Spec, Graph] | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
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
    parts = parts_of_file(*read_onnx(path, wanted.shapes))
    subject = Subject(
        name=path.stem,
        kind="onnx",
        sha256=sha256_of(path),
        input=_sizes(ends.inputs, wanted.shapes),
        macs=total(part.macs for part in parts if part.kind == "section") or None,
        weights="the file's",
        parts=parts,
    )
    return Prepared(subject, "as stored", model=path, origin=path)


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
        "--precision": wanted.precision,
        "--weights": wanted.weights,
        "--set": wanted.assignments,
    }
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} says how a network is written, and {path} is written already"
            )
    if not path.is_file():
        raise ResgenError(f"{path} does not exist")


def _network(wanted: Wanted, folder: Path) -> Prepared:
    """A spec or a folder, written once more at its precision."""
    from resgen.artifact.source import from_folder, from_spec
    from resgen.attribution.parts import parts_of, total
    from resgen.expansion.network import load
    from resgen.graph.precision import QUANTIZED, Precision
    from resgen.spec.canonical import digest

    path = Path(wanted.source)
    precision = Precision(wanted.precision or "fp32")
    engine = None
    if path.is_dir():
        if wanted.weights or wanted.assignments:
            raise UsageError(
                f"--weights and --set change what {path} was built from",
                hint="profile the spec instead",
            )
        source = from_folder(path)
        precision = _precision(path, wanted)
        same = precision == _precision(path, replace(wanted, precision=None))
        engine = path / ENGINE if same and (path / ENGINE).is_file() else None
    else:
        spec, known = wanted.network or (load(wanted.source, wanted.assignments), None)
        source = from_spec(spec, graph=known, weights=wanted.weights, how=wanted.how)
    lowered, weights = _lowered(source, precision)
    graph = _write(folder, source, lowered, weights, precision)
    own: Graph = graph
    origin: Path | None = folder / MODEL if engine is None else None
    if precision.name in QUANTIZED and (engine or wanted.building):
        build = folder / "tensorrt" if engine is None else None
        own, origin = _for_engine(build, source, precision)
    stored = pickle.dumps((lowered, graph, source.spec.preprocess, own))
    (folder / NETWORK).write_bytes(stored)
    parts = parts_of(source.graph)
    subject = Subject(
        name=source.spec.name,
        kind="folder" if path.is_dir() else "spec",
        sha256=digest(source.spec),
        input=source.spec.input,
        params=sum(p.size for p in source.graph.parameters if p.trainable),
        macs=total(part.macs for part in parts if part.kind == "section"),
        weights=PROBE if source.fresh else source.origin,
        parts=parts,
    )
    return Prepared(
        subject,
        precision.name,
        model=folder / MODEL,
        engine=engine,
        network=folder / NETWORK,
        weights=folder / WEIGHTS,
        origin=origin,
    )


def _precision(folder: Path, wanted: Wanted) -> Precision:
    """What a folder was exported at, unless another one is asked for."""
    from resgen.artifact.opened import open_folder
    from resgen.graph.precision import Precision

    told = open_folder(folder).manifest.precision
    if wanted.precision is not None or told is None:
        return Precision(wanted.precision or "fp32")
    return replace(told, consumer="onnxruntime")


def _lowered(source: Source, precision: Precision) -> tuple[Graph, dict[str, Array]]:
    """The graph at a precision, and its weights: the user's, or probes."""
    from resgen.calibrate.lowered import Calibrator
    from resgen.calibrate.samples import Samples, gather

    graph = source.graph
    if not source.fresh:
        weights = {p.name: source.weights[p.name] for p in graph.parameters}
        samples = gather(None, graph, source.spec.preprocess)
        learned = source.weights
    else:
        weights, inputs = probes(graph)
        samples = Samples(len(inputs), "probes", False, lambda i: inputs[i])
        learned = {}
    if precision.name == "fp32" and not precision.keep:
        return graph, weights
    made = Calibrator(graph, weights, samples, learned=learned).at(precision)
    return made.graph, dict(made.weights)


def probes(graph: Graph, seed: int = 0) -> tuple[dict[str, Array], Array]:
    """Probe parameters, and the inputs that they were settled on."""
    import numpy as np

    from resgen.proof.gate import settle
    from resgen.proof.probe import draw
    from resgen.runtime.torch import load_torch

    torch = load_torch("fresh weights cannot be given a realistic size: --weights FILE")
    from resgen.lower.torch import to_torch

    (given,) = graph.inputs
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((SETTLED_ON, *given.type.shape), np.float32)
    drawn: dict[str, Array] = dict(draw(graph, seed))
    module = to_torch(graph, drawn).eval()
    with torch.no_grad():
        settle(graph, module, {given.name: torch.from_numpy(inputs)})
    return drawn, inputs


def _write(
    folder: Path,
    source: Source,
    lowered: Graph,
    weights: dict[str, Array],
    precision: Precision,
) -> Graph:
    """Write the file and the weights; the graph that the file was written from."""
    from resgen.graph.passes import apply
    from resgen.graph.passes.fold_norm import fold_norm
    from resgen.graph.precision import as_shipped
    from resgen.lower.onnx import write
    from resgen.weights.safetensors import write_safetensors

    plain = lowered is source.graph
    graph = apply(lowered, fold_norm) if plain else as_shipped(lowered, precision)
    write(graph, weights, folder / MODEL)
    write_safetensors(folder / WEIGHTS, lowered, weights)
    return graph


def _for_engine(
    folder: Path | None, source: Source, precision: Precision
) -> tuple[Graph, Path | None]:
    """A quantised network as TensorRT wants it, whose quantisers lie elsewhere.

    With a ``folder`` its file is written there.
    """
    from resgen.graph.precision import as_shipped, at_precision
    from resgen.lower.onnx import write

    precision = replace(precision, consumer="tensorrt")
    if folder is None:
        return as_shipped(at_precision(source.graph, precision), precision), None
    lowered, weights = _lowered(source, precision)
    graph = as_shipped(lowered, precision)
    folder.mkdir()
    write(graph, weights, folder / MODEL)
    return graph, folder / MODEL
