"""The best classes of pictures, as ONNX Runtime sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen.artifact.manifest import FRESH
from resgen.artifact.opened import Artifact, open_folder
from resgen.errors import MissingComponent, ResgenError, did_you_mean, listed
from resgen.graph.ir import INPUT, Graph
from resgen.pictures.find import pictures_of
from resgen.pictures.preprocess import prepare, read
from resgen.pictures.words import takes_pictures, told
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import np_dtype
from resgen.words.numbers import shape as said
from resgen.words.numbers import share
from resgen.words.terminal import Shown, printable, style

#: Columns of a bar that stands for 100 %.
BAR: Final = 20


@dataclass(frozen=True, slots=True)
class Class:
    """One answer: the output's index, its label if the spec has any, its softmax."""

    index: int
    label: str | None
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The best classes of one picture, the likeliest first, or why there are none."""

    image: Path
    classes: tuple[Class, ...] = ()
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As ``resgen predict --json`` lists it."""
        if self.failed is not None:
            return {"image": str(self.image), "error": self.failed}
        return {
            "image": str(self.image),
            "classes": [asdict(each) for each in self.classes],
        }

    def lines(self) -> Iterator[str]:
        """What a terminal shows of a picture that has an answer."""
        if self.failed is not None:
            return
        yield style(printable(self.image.name), bold=True)
        for best in self.classes:
            label = best.label
            name = f"class {best.index}" if label is None else printable(label)
            bar = "#" * round(BAR * best.probability)
            yield f"  {share(best.probability, 1):>7}  {bar:<{BAR}}  {name}"


@dataclass(frozen=True, slots=True)
class Predicted(Shown):
    """What was found, what was done to the pictures first, and by whose weights."""

    pictures: str
    predictions: tuple[Prediction, ...]
    fresh: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the answers are read."""
        fresh = "the weights are fresh, so these classes mean nothing"
        return (f"pictures: {self.pictures}", *((fresh,) if self.fresh else ()))

    @property
    def failed(self) -> tuple[str, ...]:
        """What was wrong with pictures that have no answer."""
        return tuple(p.failed for p in self.predictions if p.failed is not None)

    def to_dict(self) -> list[dict[str, Any]]:
        """What ``resgen predict --json`` prints."""
        return [each.to_dict() for each in self.predictions]

    def lines(self) -> Iterator[str]:
        """The answers, what was done for them, and what was wrong."""
        yield from self.notes
        for each in self.predictions:
            yield from each.lines()
        yield from self.failed


def predict(
    folder: Path, images: Sequence[Path], top: int = 5, output: str | None = None
) -> Predicted:
    """The ``top`` classes of each picture, preprocessed as the spec says.

    ``output`` names the scores where the network gives out several values. A folder
    among ``images`` stands for the pictures in it. What is wrong with one picture does
    not keep the others from being answered.
    """
    artifact = open_folder(folder)
    artifact.check_hashes()
    spec, graph = artifact.spec, artifact.graph
    name = _scores(graph, output)
    if not takes_pictures(spec.preprocess, spec.input):
        raise ResgenError(
            f"{folder}: an input of {said(spec.input)} is no "
            f"{spec.preprocess.color} picture"
        )
    paths = [
        path
        for image in images
        for path in (pictures_of(image) if image.is_dir() else (image,))
    ]
    found = []
    with OnnxRuntimeSession(artifact.model) as session:
        # One at a time, unless the file takes no fewer.
        size = session.inputs[INPUT][0] or 1
        for start in range(0, len(paths), size):
            some = paths[start : start + size]
            found += _some(some, size, artifact, session, top, name)
    fresh = artifact.manifest.weights == FRESH
    return Predicted(told(spec.preprocess, spec.input), tuple(found), fresh)


def _scores(graph: Graph, asked: str | None) -> str:
    """The output with one score a class."""
    shapes = {name: graph.types[value].shape for name, value in graph.outputs}
    if asked is not None and asked not in shapes:
        near = did_you_mean(asked, shapes)
        raise ResgenError(f'{graph.name} has no output "{asked}"{near}')
    vectors = [name for name, shape in shapes.items() if len(shape) == 1]
    if asked in vectors:
        return str(asked)
    if len(vectors) == 1 and asked is None:
        return vectors[0]
    if vectors:
        wrong = "" if asked is None else f', and "{asked}" is none'
        names = listed(f'"{name}"' for name in vectors)
        raise ResgenError(
            f"{graph.name} has scores of classes in {names}{wrong}",
            hint="name one: output=NAME",
        )
    maps = listed(f"{name} ({said(shape)})" for name, shape in shapes.items())
    raise ResgenError(
        f"{graph.name} gives {maps}, and no scores of classes; predict names these"
    )


def _some(
    paths: Sequence[Path],
    size: int,
    artifact: Artifact,
    session: OnnxRuntimeSession,
    top: int,
    name: str,
) -> list[Prediction]:
    """Of at most ``size`` pictures, in their order."""
    made = [_attempt(path, artifact) for path in paths]
    failed = {i: one for i, one in enumerate(made) if isinstance(one, str)}
    ready = {i: one for i, one in enumerate(made) if not isinstance(one, str)}
    scores: dict[int, Array] = {}
    if ready:
        dtype = np_dtype(session.dtypes[INPUT])
        batch = np.stack(list(ready.values())).astype(dtype)
        # Filled up with copies of the last.
        inputs = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), 0)])
        run = session.run({INPUT: inputs})[name].astype(np.float64)
        scores = dict(zip(ready, run, strict=False))
    for index, one in scores.items():
        if not np.isfinite(one).all():
            failed[index] = (
                f"the scores of {paths[index]} are not finite numbers; are those "
                "weights whole?"
            )
    return [
        Prediction(path, failed=failed[index])
        if index in failed
        else Prediction(path, _best(scores[index], artifact.spec.labels, top))
        for index, path in enumerate(paths)
    ]


def _attempt(image: Path, artifact: Artifact) -> Array | str:
    """A picture as the file takes it, or what is wrong with it."""
    try:
        return _input(image, artifact)
    except MissingComponent:
        raise
    except ResgenError as error:
        return error.message


def _input(image: Path, artifact: Artifact) -> Array:
    """A picture as the file takes it: prepared, or of the camera's size."""
    size = artifact.manifest.camera
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
