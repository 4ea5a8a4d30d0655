"""An ONNX file that is ready for what else is to be made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.artifact.folder import MODEL
from resgen.artifact.request import Made
from resgen.errors import ResgenError
from resgen.files.aside import temporary_folder
from resgen.graph.ir import Graph
from resgen.graph.passes.camera import camera
from resgen.graph.precision import precisions
from resgen.lower.onnx import Written, write
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.tensorrt.build import Locate, nowhere
from resgen.tensorrt.files import Fingerprint, fingerprint
from resgen.weights.evaluate import np_dtype

#: How far an engine's output may be off, as a share of its range, on top of what the
#: precision itself was measured to cost.
FLOORS: Final[Mapping[str, float]] = {
    "fp32": 1e-3, "fp16": 1e-2, "bf16": 4e-2, "int8": 1e-1, "fp8": 1e-1,
}  # fmt: skip

Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Ready:
    """A file in a folder that is not at its place yet.

    ``precisions`` are all that its operators have, the narrowest last. ``locate`` finds
    the line of the spec that an ONNX node is from. ``trial`` gives inputs of a batch
    size and what the network makes of them in float32, which ``exact`` gives for any
    inputs of the file; ``tolerance`` is how far another
    engine may be off, as a share of an output's range. ``sizes`` are the inputs' shapes
    without the batch, as the spec states them. ``identity`` holds the hashes of the
    file and of what it keeps beside it.
    """

    model: Path
    name: str
    precisions: tuple[str, ...]
    locate: Locate
    labels: tuple[str, ...] | None
    trial: Callable[[int], tuple[Feeds, Feeds]]
    exact: Callable[[Feeds], Feeds]
    tolerance: float
    sizes: Mapping[str, tuple[int, ...]]
    identity: Fingerprint

    @property
    def folder(self) -> Path:
        """Where what is made of the file goes."""
        return self.model.parent


def locate_from_graph(graph: Graph) -> Locate:
    """Places in the spec of the nodes of the ONNX file that ``graph`` became.

    A node is named by its operator, and where one operator takes several nodes, what
    follows the first slash tells them apart (see :mod:`resgen.lower.onnx`).
    """
    nodes = {node.name: node for node in graph.nodes}

    def locate(name: str) -> str | None:
        node = nodes.get(name.split("/")[0])
        if node is None:
            return None
        at = node.origin.place
        section = graph.sections[node.origin.section]
        parts = [f"{at.file}:{at.line}:{at.column}", section.name]
        if node.origin.block is not None:
            parts.append(f"block {node.origin.block}")
        return ", ".join(parts)

    return locate


def of_network(made: Made, proof: Mapping[str, Any]) -> Ready:
    """A file that was written from a spec."""
    lowered = made.lowered
    each = precisions(lowered.calibrator.folded, lowered.wanted)
    found = {*each.values(), lowered.narrowest} - {lowered.narrowest}
    measured = (proof.get("accuracy") or {}).get("largest") or 0.0
    return Ready(
        made.model,
        made.source.spec.name,
        (*sorted(found), lowered.narrowest),
        locate_from_graph(made.graph),
        made.source.spec.labels,
        lambda batch: _trial(made, batch),
        lambda feeds: _exact(made, feeds),
        2 * measured + FLOORS[lowered.narrowest],
        {given.name: given.type.shape for given in made.graph.inputs},
        _identity(made.written),
    )


def of_file(model: Path, name: str) -> Ready:
    """A file that somebody else wrote."""
    return Ready(
        model, name, ("fp32",), nowhere, None,
        lambda batch: _foreign_trial(model, batch),
        lambda feeds: _foreign(model, feeds), FLOORS["fp16"], {},
        fingerprint(model),
    )  # fmt: skip


def _identity(written: Written) -> Fingerprint:
    """The hashes that were taken while the file was written."""
    model, *beside = written.files
    return Fingerprint(model.sha256, {file.name: file.sha256 for file in beside})


def _trial(made: Made, batch: int) -> tuple[Feeds, Feeds]:
    """Samples as the file takes them, and the float32 network's outputs."""
    calibrator = made.lowered.calibrator
    (given,) = made.graph.inputs
    if made.wishes.camera is not None:
        shape = (batch, *given.type.shape)
        inputs = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    else:
        first = next(calibrator.samples.batches(min(batch, calibrator.samples.count)))
        inputs = np.concatenate([first] * -(-batch // len(first)))[:batch]
    outputs = _exact(made, {given.name: inputs})
    dtype = np_dtype(given.type.dtype)
    return {given.name: inputs.astype(dtype)}, outputs


def _exact(made: Made, feeds: Feeds) -> Feeds:
    """The float32 network's outputs."""
    exact, size = made.lowered.calibrator.folded, made.wishes.camera
    if size is not None:
        exact = camera(exact, made.source.spec.preprocess, size)
    (given,) = exact.inputs
    dtype = np_dtype(given.type.dtype)
    with temporary_folder() as folder:
        path = Path(folder) / MODEL
        write(exact, made.lowered.weights, path)
        with OnnxRuntimeSession(path) as session:
            return session.run({n: each.astype(dtype) for n, each in feeds.items()})


def _foreign_trial(model: Path, batch: int) -> tuple[Feeds, Feeds]:
    """Noise for a file's inputs, and what ONNX Runtime makes of it."""
    generator = np.random.default_rng(0)
    with OnnxRuntimeSession(model, any_placement=True) as session:
        feeds = {}
        for name, shape in session.inputs.items():
            rest = shape[1:]
            if None in rest:
                raise ResgenError(
                    f'the input "{name}" of {model.name} has open sizes, so no test '
                    "inputs can be made",
                    hint="export it with a fixed height and width",
                )
            sizes = (shape[0] or batch, *(n for n in rest if n is not None))
            noise = generator.standard_normal(sizes, np.float32)
            feeds[name] = noise.astype(np_dtype(session.dtypes[name]))
        return feeds, session.run(feeds)


def _foreign(model: Path, feeds: Feeds) -> Feeds:
    """What ONNX Runtime makes of inputs."""
    with OnnxRuntimeSession(model, any_placement=True) as session:
        return session.run(feeds)
