"""What a network says of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from resgen.artifact.answers.base import Answer, Found, Question
from resgen.artifact.answers.boxes import Boxes, gives_boxes
from resgen.artifact.answers.classes import Classes
from resgen.artifact.answers.mask import Mask, is_map, tells_mask
from resgen.artifact.boxes import DECODE, SCORES, described
from resgen.artifact.manifest import FRESH
from resgen.artifact.opened import Artifact, open_folder
from resgen.errors import MissingComponent, ResgenError
from resgen.files.whole import make_folder, write_bytes
from resgen.graph.ir import INPUT, Graph
from resgen.graph.outputs import chosen, shapes, vectors
from resgen.pictures.find import pictures_of
from resgen.pictures.preprocess import Box, prepare, read, seen
from resgen.pictures.words import takes_pictures, told
from resgen.runtime.base import Array, Session
from resgen.spec.model import Spec
from resgen.weights.evaluate import np_dtype
from resgen.words.numbers import shape as said
from resgen.words.terminal import Shown, printable, style


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was found on one picture, the most first, or why there is nothing.

    ``kind`` names what was found, as in JSON; ``drawn`` is the file that shows it, if
    one was asked for.
    """

    image: Path
    kind: str = ""
    found: tuple[Found, ...] = ()
    drawn: Path | None = None
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As ``resgen predict --json`` lists it."""
        if self.failed is not None:
            return {"image": str(self.image), "error": self.failed}
        drawn = {} if self.drawn is None else {"drawn": str(self.drawn)}
        found = [asdict(each) for each in self.found]
        return {"image": str(self.image), self.kind: found, **drawn}

    def lines(self) -> Iterator[str]:
        """What a terminal shows of a picture that has an answer."""
        if self.failed is not None:
            return
        yield style(printable(self.image.name), bold=True)
        yield from (
            (each.line() for each in self.found) if self.found else ("  nothing",)
        )


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
    folder: Path,
    images: Sequence[Path],
    opened: Callable[[Artifact], Session],
    top: int | None = None,
    output: str | None = None,
    draw: Path | None = None,
) -> Predicted:
    """What the network says of each picture, preprocessed as the spec says.

    ``opened`` loads the folder's file, whose hashes are checked. ``top`` is how many of
    the best are told, ``output`` names the one that is read where several could be, and
    ``draw`` is a folder for the pictures with the answers on them. A folder among
    ``images`` stands for the pictures in it. What is wrong with one picture does not
    keep the others from being answered.
    """
    artifact = open_folder(folder)
    artifact.check_hashes()
    spec, graph = artifact.spec, artifact.graph
    boxes = described(spec, graph)
    kind, name = _kind(graph, spec, boxes, output)
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
    drawings = [None] * len(paths) if draw is None else _drawings(draw, paths)
    tried = (_attempt(path, artifact) for path in paths)
    found: list[Prediction] = []
    with opened(artifact) as session:
        # One at a time, unless the file takes no fewer.
        size = session.inputs[INPUT][0] or 1
        while some := list(islice(tried, size)):
            runs = _run([p for p in some if isinstance(p, _Picture)], size, session)
            for each in some:
                if isinstance(each, _Picture):
                    asked = Question(
                        boxes, name, spec.labels, each.size, each.seen, top
                    )
                    drawn = drawings[len(found)]
                    each = _answered(each.path, kind, next(runs), asked, drawn)
                found.append(each)
    fresh = artifact.manifest.weights == FRESH
    return Predicted(told(spec.preprocess, spec.input), tuple(found), fresh)


def _kind(
    graph: Graph, spec: Spec, boxes: Mapping[str, Any] | None, asked: str | None
) -> tuple[type[Answer], str]:
    """What is read, and of which output."""
    kinds: dict[str, type[Answer]] = dict.fromkeys(vectors(graph), Classes)
    hint = None
    for name, shape in shapes(graph).items():
        coarse = is_map(shape, spec.input)
        if coarse:
            hint = hint or f'output="{name}" reads that map as a mask'
        if (coarse and name == asked) or tells_mask(shape, spec.input, spec.labels):
            kinds[name] = Mask
    if boxes and boxes["decoded"] and gives_boxes(shapes(graph)):
        kinds[SCORES] = Boxes
    elif not kinds and boxes:
        raise ResgenError(
            f"{graph.name} gives the maps of a detector, and no boxes",
            hint=f'with "{DECODE}": true its head makes them',
        )
    name = chosen(graph, asked, kinds, "scores of classes", hint)
    return kinds[name], name


def _drawings(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """A file in the folder, which is made, for each picture, by its name."""
    if folder.resolve() in {path.parent.resolve() for path in paths}:
        raise ResgenError(
            f"{folder} holds the pictures themselves, whose place a drawing could take",
            hint="name another folder to draw in",
        )
    make_folder(folder)
    made: dict[Path, None] = {}
    for path in paths:
        file = folder / f"{path.stem}.png"
        others = (folder / f"{path.stem}-{n}.png" for n in count(2))
        while file in made:
            file = next(others)
        made[file] = None
    return list(made)


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture as the file takes it, its own (width, height), and what is seen."""

    path: Path
    array: Array
    size: tuple[int, int]
    seen: Box


def _attempt(path: Path, artifact: Artifact) -> _Picture | Prediction:
    """A picture as the file takes it, or what is wrong with it."""
    spec, camera = artifact.spec, artifact.manifest.camera
    try:
        picture = read(path)
        if not camera:
            array: Array = prepare(picture, spec.preprocess, spec.input)
            looked = picture.size
        else:
            looked = (camera[1], camera[0])
            array = np.asarray(picture.convert("RGB").resize(looked))
    except MissingComponent:
        raise
    except ResgenError as error:
        return Prediction(path, failed=error.message)
    return _Picture(
        path, array, picture.size, seen(looked, spec.preprocess, spec.input)
    )


def _run(
    pictures: Sequence[_Picture], size: int, session: Session
) -> Iterator[dict[str, Array]]:
    """The outputs for each of at most ``size`` pictures, in their order."""
    if not pictures:
        return
    # Filled up with copies of the last.
    filled = [*pictures, *[pictures[-1]] * (size - len(pictures))]
    dtype = np_dtype(session.dtypes.get(INPUT, "float32"))
    outputs = session.run({INPUT: np.stack([p.array for p in filled]).astype(dtype)})
    for index in range(len(pictures)):
        yield {name: run[index].astype(np.float64) for name, run in outputs.items()}


def _answered(
    path: Path,
    kind: type[Answer],
    outputs: dict[str, Array],
    asked: Question,
    drawn: Path | None,
) -> Prediction:
    """One picture's answer, drawn into a file if that is asked."""
    if not np.isfinite(outputs[asked.output]).all():
        why = f"the scores of {path} are not finite numbers; are those weights whole?"
        return Prediction(path, failed=why)
    answer = kind.read(outputs, asked)
    if drawn is not None:
        content = BytesIO()
        answer.drawn(read(path)).save(content, "PNG")
        write_bytes(drawn, content.getvalue())
    return Prediction(path, kind.KEY, tuple(answer.found), drawn)
