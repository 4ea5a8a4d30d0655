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
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen._version import __version__
from resgen.artifact.engines import Building, engines_of
from resgen.artifact.folder import MODEL, WEIGHTS
from resgen.artifact.prepared import AS_BUILT, PROBE, Graphs, Prepared
from resgen.errors import UsageError
from resgen.files.aside import temporary_folder
from resgen.files.ordinary import check_file
from resgen.records.profile import Subject
from resgen.runtime.base import ANY
from resgen.weights.loading import Loading

if TYPE_CHECKING:
    from resgen.artifact.source import Source
    from resgen.calibrate.lowered import Lowered
    from resgen.calibrate.samples import Samples
    from resgen.graph.ir import Graph
    from resgen.graph.precision import Name, Precision
    from resgen.runtime.base import Array, Shape
    from resgen.spec.model import Spec

NETWORK: Final = "network.pickle"
#: Inputs that probe parameters are settled on.
SETTLED_ON: Final = 2


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
            yield _with_engine(_foreign(path, wanted), wanted, folder)
        elif path.suffix in (".engine", ".plan"):
            yield _engine(path, wanted)
        else:
            yield _with_engine(_network(wanted, folder), wanted, folder)


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
    from resgen.graph.precision import QUANTIZED
    from resgen.lower.litert.values import NHWC
    from resgen.lower.litert.write import FILE as TFLITE
    from resgen.weights.safetensors import write_safetensors

    source, precision, made = _source(wanted)
    lowering = _Lowering.of(source, precision)
    others = dict(made)
    model, engine = others.pop("onnx", None), others.pop("engine", None)
    lowered, of_file = lowering.at("onnxruntime", None if model else folder / MODEL)
    model = model or folder / MODEL
    write_safetensors(folder / WEIGHTS, lowered.graph, lowered.weights)
    # Other engines have the quantisers elsewhere.
    quantized = lowered.wanted.name in QUANTIZED
    of_engine, built_from = of_file, None if engine else model
    if quantized and (engine or wanted.building):
        if engine is None:
            built_from = folder / "tensorrt" / MODEL
            built_from.parent.mkdir()
        _, of_engine = lowering.at("tensorrt", built_from)
    # What a folder has of fresh weights is not what is measured.
    if "litert" in wanted.takes and (source.fresh or "litert" not in others):
        others["litert"] = folder / TFLITE
        own = lowering.at("litert") if quantized else (lowered, of_file)
        told = open_folder(Path(wanted.source)).manifest.made if made else {}
        lowering.litert(others["litert"], own, told.get("ends", NHWC))
    graphs = Graphs(lowered.graph, of_file, of_engine, source.spec.preprocess)
    (folder / NETWORK).write_bytes(pickle.dumps(graphs))
    return Prepared(
        _subject(wanted, source),
        lowered.wanted.name,
        model=model,
        engine=engine,
        network=folder / NETWORK,
        weights=folder / WEIGHTS,
        origin=built_from,
        others=others,
    )


@dataclass(frozen=True, slots=True)
class _Lowering:
    """A network at a precision, as it is written for one consumer or another."""

    source: Source
    precision: Precision | None
    samples: Samples

    @classmethod
    def of(cls, source: Source, precision: Precision | None) -> _Lowering:
        """With probe parameters instead of fresh weights."""
        from resgen.calibrate.samples import Samples, gather

        if not source.fresh:
            samples = gather(None, source.graph, source.spec.preprocess)
            return cls(source, precision, samples)
        weights, inputs = probes(source.graph)
        samples = Samples(len(inputs), "probes", False, lambda i: inputs[i])
        return cls(replace(source, weights=weights), precision, samples)

    def at(self, consumer: str, model: Path | None = None) -> tuple[Lowered, Graph]:
        """The network for a consumer, and its file's graph, a file if one is named."""
        from resgen.artifact.ready import as_written, calibrator_of, lowered_by
        from resgen.artifact.request import Wishes
        from resgen.lower.onnx import write

        wishes = Wishes(self.precision and replace(self.precision, consumer=consumer))
        calibrator = calibrator_of(self.source, wishes, self.samples)
        lowered = lowered_by(calibrator, wishes)
        graph = as_written(lowered, self.source, wishes)
        if model is not None:
            write(graph, lowered.weights, model)
        return lowered, graph

    def litert(self, path: Path, own: tuple[Lowered, Graph], ends: str) -> None:
        """Write what :meth:`at` gave as a LiteRT file with such ``ends``."""
        from resgen.lower.litert.write import derive, stored

        lowered, of_file = own
        wanted = self.precision and lowered.wanted
        graph, half = stored(self.source.graph, of_file, wanted)
        with path.open("wb") as file:
            file.writelines(derive(graph, half=half, ends=ends).pieces(lowered.weights))


def _subject(wanted: Wanted, source: Source) -> Subject:
    from resgen.attribution.parts import parts_of, total
    from resgen.spec.canonical import digest

    spec, graph = source.spec, source.graph
    parts = parts_of(graph)
    return Subject(
        name=spec.name,
        kind="folder" if Path(wanted.source).is_dir() else "spec",
        sha256=digest(spec),
        input=spec.input,
        params=graph.params,
        macs=total(part.macs for part in parts if part.kind == "section"),
        weights=PROBE if source.fresh else source.origin,
        parts=parts,
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
