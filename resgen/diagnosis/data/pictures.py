"""Examples that are pictures: digits, and folders with a sub-folder a class."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from resgen.diagnosis.data.dataset import Examples
from resgen.errors import MissingComponent, ResgenError
from resgen.files.ordinary import unreadable
from resgen.graph.ir import Graph
from resgen.graph.outputs import Scores
from resgen.pictures.find import PICTURES
from resgen.pictures.preprocess import prepare, read
from resgen.pictures.words import takes_pictures
from resgen.spec.model import Preprocess
from resgen.words.numbers import shape as sized

#: Of a resized picture less than this share of its area left after the crop is told.
LEAST: Final = 0.5


def require_pictures(graph: Graph, preprocess: Preprocess, what: str) -> None:
    """Refuse pictures for a network whose input cannot be one."""
    (given,) = graph.inputs
    shape = given.type.shape
    if not takes_pictures(preprocess, shape):
        raise ResgenError(
            f"the input of {graph.name}, {sized(shape)}, is no {preprocess.color} "
            f"picture, so it cannot learn from {what}",
            hint=f"give it an .npz file with an array x of N x {sized(shape)} and "
            "an array y of N labels",
        )


def resizing(
    sizes: Collection[tuple[int, int]], preprocess: Preprocess, shape: tuple[int, ...]
) -> Iterator[str]:
    """Notes on how pictures of these sizes (width, height) become inputs; maybe none.

    The steps are those of :func:`resgen.pictures.preprocess.prepare`.
    """
    height, width = shape[1:]
    straight = preprocess.resize is None and preprocess.crop is None
    if straight and set(sizes) <= {(width, height)}:
        return
    steps = []
    side = preprocess.resize
    if side is not None:
        steps.append(f"the shorter side to {side}")
    crop = (height, width)
    if preprocess.crop is not None:
        crop = (preprocess.crop, preprocess.crop)
    if not straight:
        steps.append(f"the middle {sized(crop)}")
    if crop != (height, width) or straight:
        steps.append(f"to {sized((height, width))}")
    smooth = ", antialiased" if preprocess.antialias else ""
    was = sized(next(iter(sizes))[::-1]) if len(sizes) == 1 else "various sizes"
    yield (
        f"pictures of {was} resized as preprocess says: {', then '.join(steps)} "
        f"({preprocess.interpolation}{smooth})"
    )
    if side is not None and crop[0] * crop[1] < LEAST * side * side:
        yield (
            f"the crop leaves {100 * crop[0] * crop[1] / side**2:.2g} % of a square "
            'picture; "resize": null in preprocess would keep all of it'
        )


#: What ``--data`` calls them.
NAME = "digits"
CLASSES = 10


def digits(graph: Graph, preprocess: Preprocess, scores: Scores) -> Examples:
    """The digits as inputs of the network.

    They are brought straight to the input's size: a crop that suits photographs would
    leave a stroke of a digit. Grey is repeated for the colours.
    """
    require_pictures(graph, preprocess, "digits")
    if scores.classes < CLASSES:
        raise ResgenError(
            f'the digits have {CLASSES} classes, and "{scores.name}" of {graph.name} '
            f"tells {scores.classes}",
            hint="give it pictures of its own, in a folder with a sub-folder a class",
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise MissingComponent(
            "scikit-learn",
            "there are no digits to learn from (other data can be named)",
            'pip install "resgen[diagnose]"',
        ) from missing
    found = load_digits()
    # The 17 levels of grey become those of a picture.
    pixels = np.rint(found.images * (255 / 16)).astype(np.uint8)
    whole = replace(preprocess, resize=None, crop=None)
    shape = graph.inputs[0].type.shape
    notes = [*resizing({(8, 8)}, whole, shape)]
    if whole != preprocess:
        notes.append("the resize and crop of preprocess were left out for the digits")
    return Examples(
        take=lambda i: prepare(pixels[i], whole, shape),
        labels=found.target.astype(np.int64),
        origin="scikit-learn's digits",
        digest=sha256(pixels.tobytes() + repr((whole, shape)).encode()).hexdigest(),
        notes=tuple(notes),
    )


#: Pictures that are opened beforehand, to find broken ones and to know their sizes.
OPENED: Final = 1000
_LAYOUT: Final = "one sub-folder of pictures for each class: FOLDER/cat/1.png"


def folder(
    path: Path, graph: Graph, preprocess: Preprocess, scores: Scores
) -> Examples:
    """The pictures below ``path``; classes count in the order of their names.

    As with torchvision's ImageFolder, except that hidden folders are passed over.
    """
    require_pictures(graph, preprocess, f"pictures in {path}")
    classes = _classes(path)
    if len(classes) > scores.classes:
        raise ResgenError(
            f"{path} has {len(classes)} sub-folders of classes, and "
            f'"{scores.name}" of {graph.name} tells {scores.classes}',
            hint=f"the last of them is {classes[-1].name}",
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, below in enumerate(classes):
        own = sorted(
            p for p in below.rglob("*") if p.suffix.lower() in PICTURES and p.is_file()
        )
        if not own:
            raise ResgenError(
                f"{below} holds no pictures; known are {', '.join(PICTURES)}",
                hint="each sub-folder is a class: remove it, or put its pictures there",
            )
        paths += own
        labels += [label] * len(own)
    shape = graph.inputs[0].type.shape
    about = [(p.relative_to(path).as_posix(), p.stat().st_size) for p in paths]
    spread = paths[:: max(1, len(paths) // OPENED)]
    sizes = {read(p).size for p in islice(spread, OPENED)}
    return Examples(
        take=lambda i: prepare(read(paths[i]), preprocess, shape),
        labels=np.array(labels, np.int64),
        origin=f"pictures of {path.resolve().name}",
        digest=sha256(repr((about, preprocess, shape)).encode()).hexdigest(),
        notes=tuple(resizing(sizes, preprocess, shape)),
    )


def _classes(path: Path) -> list[Path]:
    """The sub-folders, by name; two at least."""
    try:
        inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    except FileNotFoundError as error:
        raise ResgenError(
            f"{path} does not exist",
            hint='data are a folder, an .npz file or the word "digits"',
        ) from error
    except NotADirectoryError as error:
        raise ResgenError(
            f"{path} is neither a folder nor an .npz file",
            hint='data are a folder, an .npz file or the word "digits"',
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    found = [p for p in inside if p.is_dir()]
    if not inside:
        raise ResgenError(f"{path} is empty", hint=f"wanted is {_LAYOUT}")
    if not found:
        raise ResgenError(f"{path} has no sub-folders", hint=f"wanted is {_LAYOUT}")
    if len(found) < 2:
        raise ResgenError(
            f"{path} has one sub-folder, {found[0].name}, and one class is nothing to "
            "tell apart",
            hint=f"wanted is {_LAYOUT}",
        )
    return found
