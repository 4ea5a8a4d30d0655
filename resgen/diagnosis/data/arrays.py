"""An ``.npz`` file with an array of inputs and an array of their classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resgen.diagnosis.data.dataset import Examples, Labels
from resgen.diagnosis.data.pictures import resizing
from resgen.errors import ResgenError
from resgen.files.arrays import read_arrays
from resgen.files.hashed import sha256_of
from resgen.graph.ir import Graph
from resgen.graph.outputs import Scores
from resgen.pictures.preprocess import prepare
from resgen.pictures.words import takes_pictures
from resgen.spec.model import Preprocess
from resgen.words.numbers import shape as sized

Array: TypeAlias = NDArray[Any]

#: What the two arrays may be called, the likeliest first, in any case.
IMAGES: Final = ("images", "x", "inputs", "data", "x_train")
LABELS: Final = ("labels", "y", "targets", "target", "y_train")


def arrays(
    path: Path, graph: Graph, preprocess: Preprocess, scores: Scores
) -> Examples:
    """Inputs and labels of a file.

    Inputs of N x input are taken as they are. Bytes (uint8) of a network that takes
    pictures are pictures of any size, N x H x W [x colours] or N x colours x H x W, and
    are prepared as the spec says.
    """
    held = read_arrays(path)
    images_name, labels_name = _chosen(held, path)
    images, labels = held[images_name], held[labels_name]
    shape = graph.inputs[0].type.shape
    classes = _labels(labels, f"{labels_name} of {path}")
    if len(images) != len(classes):
        raise ResgenError(
            f"{path} holds {len(images)} {images_name} and {len(classes)} {labels_name}"
        )
    _within(classes, scores, graph, f"{labels_name} of {path}")
    notes = [
        f"{path.name} also holds {name}, which was not used"
        for name in held
        if name not in (images_name, labels_name)
    ]
    pictures = _pictures(images) if takes_pictures(preprocess, shape) else None
    if pictures is not None:
        size = (pictures.shape[2], pictures.shape[1])
        notes += resizing({size}, preprocess, shape)

        def take(i: int) -> NDArray[np.float32]:
            return prepare(pictures[i], preprocess, shape)
    else:
        inputs = _inputs(images, shape, f"{images_name} of {path}", preprocess)

        def take(i: int) -> NDArray[np.float32]:
            one: NDArray[np.float32] = inputs[i]
            return one

    return Examples(
        take=take,
        labels=classes,
        origin=path.name,
        digest=f"{sha256_of(path)} {preprocess} {shape}",
        notes=tuple(notes),
    )


# --- the file -------------------------------------------------------------------------


def _chosen(held: Mapping[str, Array], path: Path) -> tuple[str, str]:
    """The names of the inputs and of the labels; a lone array (.npy) has none."""
    images, labels = (_named(held, names) for names in (IMAGES, LABELS))
    # Two arrays of other names are told apart by what they are.
    flat = [n for n, a in held.items() if a.ndim == 1 and n != images]
    deep = [n for n, a in held.items() if a.ndim > 1 and n != labels]
    if labels is None and len(flat) == 1:
        labels = flat[0]
    if images is None and len(deep) == 1:
        images = deep[0]
    if images is None or labels is None:
        raise ResgenError(
            f"{path} holds {_contents(held)}; wanted are inputs and their classes",
            hint="call the array of inputs x and the one of whole numbers y",
        )
    return images, labels


def _named(held: Mapping[str, Array], names: tuple[str, ...]) -> str | None:
    lowered = {name.lower(): name for name in held}
    return next((lowered[name] for name in names if name in lowered), None)


def _contents(held: Mapping[str, Array]) -> str:
    each = (f"{n} ({a.dtype}, {sized(a.shape)})".strip() for n, a in held.items())
    return ", ".join(each) or "nothing"


# --- labels ---------------------------------------------------------------------------


def _labels(found: Array, where: str) -> Labels:
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]  # as Keras keeps those of CIFAR
    if found.dtype.kind not in "iu" or found.ndim != 1:
        raise ResgenError(
            f"{where} is {found.dtype}, {sized(found.shape)}; wanted is one whole "
            "number for each input",
            hint="y.argmax(1) of one-hot labels, y.astype(int) of whole floats",
        )
    return found.astype(np.int64)


def _within(labels: Labels, scores: Scores, graph: Graph, where: str) -> None:
    """Refuse labels that the network has no score for, and a single class."""
    if len(np.unique(labels)) < 2:
        raise ResgenError(f"{where} holds fewer than two classes")
    bad = np.flatnonzero((labels < 0) | (labels >= scores.classes))
    if len(bad):
        first = int(bad[0])
        raise ResgenError(
            f"{where} goes from {labels.min()} to {labels.max()}, and "
            f'"{scores.name}" of {graph.name} tells {scores.classes} classes, '
            f"0 to {scores.classes - 1}",
            hint=f"the first outside is at index {first}: {labels[first]}",
        )


# --- inputs ---------------------------------------------------------------------------


def _pictures(found: Array) -> Array | None:
    """Bytes as N x H x W or N x H x W x colours; None if they are no pictures."""
    if found.dtype != np.uint8:
        return None
    if found.ndim == 3:
        return found
    if found.ndim != 4:
        return None
    if found.shape[3] in (1, 3, 4):
        pictures = found
    elif found.shape[1] in (1, 3, 4):
        pictures = found.transpose(0, 2, 3, 1)
    else:
        return None
    # A picture of one colour has no axis for it in Pillow.
    return pictures[..., 0] if pictures.shape[3] == 1 else pictures


def _inputs(
    found: Array, shape: tuple[int, ...], where: str, preprocess: Preprocess
) -> NDArray[np.float32]:
    """Numbers of N x input, which need no preparing."""
    if shape[0] == 1 and found.shape[1:] == shape[1:]:
        found = found[:, None]  # one channel, whose axis was left out
    if found.dtype.kind not in "fiu" or found.shape[1:] != shape:
        raise ResgenError(
            f"{where} is {found.dtype}, {sized(found.shape)}; wanted are numbers, "
            f"N x {sized(shape)}",
            hint="pictures of other sizes are resized if they are bytes (uint8), "
            "N x H x W x colours"
            if takes_pictures(preprocess, shape)
            else None,
        )
    bad = next(_not_finite(found), None)
    if bad is not None:
        raise ResgenError(
            f"{where} holds {found[bad]} at index {list(bad)}: learning needs finite "
            "numbers",
        )
    with np.errstate(over="raise"):
        try:
            made: NDArray[np.float32] = found.astype(np.float32, copy=False)
        except FloatingPointError as error:
            raise ResgenError(f"{where} holds numbers too large for float32") from error
    return made


def _not_finite(found: Array) -> Iterator[tuple[int, ...]]:
    """The place of the first NaN or infinity, input by input to save memory."""
    for i, one in enumerate(found):
        if not np.isfinite(one).all():
            place = np.argwhere(~np.isfinite(one))[0]
            yield (i, *(int(n) for n in place))
