"""The best classes of pictures, as ONNX Runtime sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resgen.artifact.opened import Artifact, open_folder
from resgen.errors import ResgenError
from resgen.graph.ir import INPUT, OUTPUT
from resgen.pictures.preprocess import prepare, read
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import np_dtype


@dataclass(frozen=True, slots=True)
class Class:
    """One answer: the output's index, its label if the spec has any, its softmax."""

    index: int
    label: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The best classes of one picture, the likeliest first."""

    image: Path
    classes: tuple[Class, ...]


def predict(folder: Path, images: Sequence[Path], top: int = 5) -> list[Prediction]:
    """The ``top`` classes of each picture, preprocessed as the spec says."""
    artifact = open_folder(folder)
    artifact.check_hashes()
    spec, graph = artifact.spec, artifact.graph
    shape = graph.types[graph.outputs[0][1]].shape
    if len(shape) != 1 or len(graph.outputs) != 1:
        raise ResgenError(
            f"{spec.name} gives {shape}, not one score a class; it cannot predict"
        )
    found = []
    with OnnxRuntimeSession(artifact.model) as session:
        batch = session.inputs[INPUT][0] or 1
        for image in images:
            picture = _input(image, artifact).astype(np_dtype(session.dtypes[INPUT]))
            inputs = np.repeat(picture[None], batch, axis=0)
            scores = session.run({INPUT: inputs})[OUTPUT][0].astype(np.float64)
            found.append(Prediction(image, _best(scores, spec.labels, top)))
    return found


def _input(image: Path, artifact: Artifact) -> Array:
    """A picture as the file takes it: prepared, or of the camera's size."""
    size = artifact.manifest.get("camera")
    if not size:
        spec = artifact.spec
        return prepare(read(image), spec.preprocess, spec.input)
    height, width = size
    return np.asarray(read(image).convert("RGB").resize((width, height)))


def _best(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]],
    labels: tuple[str, ...] | None,
    top: int,
) -> tuple[Class, ...]:
    exponentials = np.exp(scores - scores.max())
    shares = exponentials / exponentials.sum()
    order = np.argsort(-shares, kind="stable")[:top]
    return tuple(
        Class(int(i), None if labels is None else labels[i], float(shares[i]))
        for i in order
    )
