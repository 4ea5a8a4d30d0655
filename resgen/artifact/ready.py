"""An ONNX file in a folder that is not at its place yet: what forms are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.artifact.folder import MODEL, WEIGHTS
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source
from resgen.calibrate.lowered import Calibrator, Lowered, Progress
from resgen.calibrate.samples import Samples
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.graph.parts import homes
from resgen.graph.passes.camera import camera
from resgen.graph.passes.inference import for_inference
from resgen.graph.precision import NAMES, Precision, as_shipped, at_precision
from resgen.lower.onnx import Written, write
from resgen.onnxfile.fingerprint import Fingerprint, fingerprint
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.tensorrt.build import Locate, nowhere
from resgen.weights.evaluate import Weights, np_dtype
from resgen.weights.safetensors import StoredWeights

#: How far an engine's output may be off, as a share of its range, on top of what the
#: precision itself was measured to cost.
FLOORS: Final[Mapping[str, float]] = {
    "fp32": 1e-3, "fp16": 1e-2, "bf16": 4e-2, "int8": 1e-1, "fp8": 1e-1,
}  # fmt: skip

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Ready:
    """A file that somebody else wrote, in the folder where forms write beside it.

    Of such a file no more is known than what it says; :class:`Made` is a network's, of
    which all is. ``graph`` is the network as its spec states it and ``weights`` its
    parameters by name, the scales of its precision included. ``labels`` are the names
    of its classes, and ``sizes`` the inputs' shapes without the batch. ``precisions``
    are all that the file's operators have, the narrowest last.
    """

    folder: Path
    name: str
    graph: Graph | None = None
    weights: Weights = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    precisions: tuple[str, ...] = ("fp32",)

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL

    @property
    def tolerance(self) -> float:
        """How far another engine may be off, as a share of an output's range."""
        return FLOORS["fp16"]

    @property
    def locate(self) -> Locate:
        """Finds the line of the spec that an ONNX node is from."""
        return nowhere

    @cached_property
    def identity(self) -> Fingerprint:
        """The hashes of the file and of what it keeps beside it."""
        return fingerprint(self.model)

    def trial(self, batch: int) -> tuple[Feeds, Feeds]:
        """Inputs of a batch size as the file takes them, and their outputs in float32.

        Here noise, and what ONNX Runtime makes of it.
        """
        generator = np.random.default_rng(0)
        with OnnxRuntimeSession(self.model, any_placement=True) as session:
            feeds = {}
            for name, shape in session.inputs.items():
                rest = shape[1:]
                if None in rest:
                    raise ResgenError(
                        f'the input "{name}" of {self.model.name} has open sizes, so '
                        "no test inputs can be made",
                        hint="export it with a fixed height and width",
                    )
                sizes = (shape[0] or batch, *(n for n in rest if n is not None))
                noise = generator.standard_normal(sizes, np.float32)
                feeds[name] = noise.astype(np_dtype(session.dtypes[name]))
            return feeds, session.run(feeds)

    def exact(self, feeds: Feeds) -> Feeds:
        """The outputs in float32 of any inputs of the file."""
        with OnnxRuntimeSession(self.model, any_placement=True) as session:
            return session.run(feeds)


@dataclass(frozen=True, kw_only=True)
class Made(Ready):
    """A network's file, and all that it was made of; see :func:`made_of`.

    ``source`` holds the spec as exported, ``file_graph`` is what the file was written
    from. ``derived`` tells that all files are byte for byte what they follow from,
    ``proof`` what was proven and measured of the file so far.
    """

    graph: Graph
    source: Source
    wishes: Wishes
    lowered: Lowered
    file_graph: Graph
    written: Written
    derived: bool = True
    proof: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tolerance(self) -> float:
        """How far another engine may be off, beyond what the precision costs."""
        measured = (self.proof.get("accuracy") or {}).get("largest") or 0.0
        return 2 * measured + FLOORS[self.lowered.narrowest]

    @cached_property
    def locate(self) -> Locate:
        """Finds the line of the spec that an ONNX node is from."""
        return locate_from_graph(self.file_graph)

    @cached_property
    def identity(self) -> Fingerprint:
        """The hashes that were taken while the file was written."""
        model, *beside = self.written.files
        return Fingerprint(model.sha256, {file.name: file.sha256 for file in beside})

    def trial(self, batch: int) -> tuple[Feeds, Feeds]:
        """Samples as the file takes them, and the float32 network's outputs."""
        (given,) = self.file_graph.inputs
        inputs = self.inputs(batch)
        outputs = self.exact({given.name: inputs})
        return {given.name: inputs.astype(np_dtype(given.type.dtype))}, outputs

    def inputs(self, batch: int) -> Array:
        """So many samples, some more than once; of a camera noise."""
        if self.wishes.camera is not None:
            shape = (batch, *self.file_graph.inputs[0].type.shape)
            return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        samples = self.lowered.calibrator.samples
        first = next(samples.batches(min(batch, samples.count)))
        return np.concatenate([first] * -(-batch // len(first)))[:batch]

    def exact(self, feeds: Feeds) -> Feeds:
        """The float32 network's outputs."""
        folded = self.lowered.calibrator.folded
        exact = as_taken(folded, self.source, self.wishes)
        dtype = np_dtype(exact.inputs[0].type.dtype)
        with temporary_folder() as folder:
            path = folder / MODEL
            write(exact, self.weights, path)
            with OnnxRuntimeSession(path) as session:
                return session.run({n: each.astype(dtype) for n, each in feeds.items()})


def locate_from_graph(graph: Graph) -> Locate:
    """Places in the spec of the nodes of the ONNX file that ``graph`` became.

    A node is named by its operator, and where one operator takes several nodes, what
    follows the first slash tells them apart (see :mod:`resgen.lower.onnx`).
    """
    at = homes(graph)

    def locate(name: str) -> str | None:
        node = graph.node.get(name.split("/")[0])
        if node is None:
            return None
        place = node.origin.place
        return f"{place.file}:{place.line}:{place.column}, {at[node.name].spoken}"

    return locate


def choices_of(graph: Graph) -> tuple[str, ...]:
    """Places in the spec of what chooses among boxes."""
    locate = locate_from_graph(graph)
    names = [node.name for node in graph.nodes if node.op.chooses]
    return tuple(place for name in names if (place := locate(name)))


# --- from a network to its file -------------------------------------------------------


def made_of(
    folder: Path,
    source: Source,
    wishes: Wishes,
    lowered: Lowered,
    written: Written,
    **known: Any,
) -> Made:
    """The file in ``folder`` that a network has become."""
    file_graph = as_written(lowered, source, wishes)
    found = wishes.precisions(lowered.calibrator.folded)
    return Made(
        folder,
        source.spec.name,
        graph=source.graph,
        weights=lowered.weights,
        labels=source.spec.labels,
        sizes={given.name: given.type.shape for given in file_graph.inputs},
        precisions=tuple(sorted(found, key=NAMES.index)),
        source=source,
        wishes=wishes,
        lowered=lowered,
        file_graph=file_graph,
        written=written,
        **known,
    )


def calibrator_of(
    source: Source,
    wishes: Wishes,
    samples: Samples,
    *,
    judged: Samples | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Calibrator:
    """What lowers a network: without a precision, to float32 in every part."""
    graph, weights = source.graph, source.weights
    if wishes.precision is None:
        nodes = tuple(replace(node, precision="") for node in graph.nodes)
        graph = replace(graph, nodes=nodes)
    else:
        weights = {p.name: weights[p.name] for p in graph.parameters}
    return Calibrator(
        graph,
        weights,
        samples,
        wishes.method,
        learned=source.weights,
        progress=progress,
        judged=judged,
    )


def lowered_by(calibrator: Calibrator, wishes: Wishes) -> Lowered:
    """The network at the precision that is asked for."""
    if wishes.precision is None:
        return Lowered(calibrator, Precision(), calibrator.graph, calibrator.weights)
    return calibrator.at(wishes.precision)


def planned(source: Source, wishes: Wishes) -> Graph:
    """The graph that a file at a precision will be written from, before its scales."""
    wanted = wishes.precision or Precision()
    shipped = as_shipped(at_precision(source.graph, wanted), wanted)
    return as_taken(shipped, source, wishes)


def as_written(lowered: Lowered, source: Source, wishes: Wishes) -> Graph:
    """The graph that the file is written from."""
    graph = lowered.shipped
    if wishes.precision is None:
        graph = lowered.graph
        graph = graph if wishes.keep_batchnorm else for_inference(graph)
    return as_taken(graph, source, wishes)


def as_taken(graph: Graph, source: Source, wishes: Wishes) -> Graph:
    """The graph with what prepares a camera's pictures before it, if that is asked."""
    if wishes.camera is None:
        return graph
    return camera(graph, source.spec.preprocess, wishes.camera)


def on_disk(made: Made) -> Made:
    """The same with weights that are read from its folder, one by one, when needed.

    The arrays are free then, unless somebody else holds them: of a large network they
    are as much again as the proof takes.
    """
    weights = StoredWeights(made.folder / WEIGHTS)
    calibrator = replace(made.lowered.calibrator, weights=weights, learned=weights)
    return replace(
        made,
        weights=weights,
        source=replace(made.source, weights=weights),
        lowered=replace(made.lowered, calibrator=calibrator, weights=weights),
    )
