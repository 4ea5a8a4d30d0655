"""What a network is calibrated and judged on: pictures or arrays, a batch at a time.

Nothing is kept: each pass prepares the pictures anew, so memory does not grow with
their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from resgen.calibrate.plausible import LOOKED_AT, check_inputs, check_pictures
from resgen.errors import ResgenError, listed
from resgen.files.arrays import read_arrays
from resgen.graph.ir import Graph
from resgen.graph.outputs import vectors
from resgen.pictures.find import PICTURES, photographs, pictures_of
from resgen.pictures.preprocess import prepare, read
from resgen.pictures.words import takes_pictures
from resgen.runtime.base import Array
from resgen.spec.model import Preprocess
from resgen.words.numbers import count
from resgen.words.numbers import shape as said

#: Inputs of noise where a network takes no pictures and none are given.
NOISE: Final = 16
#: One input of so many is held back from calibration, where there are enough.
HELD_BACK: Final = 5
LEAST_TO_SPLIT: Final = 10
#: Names of the array of an .npz that holds the right classes.
LABELS: Final = ("labels", "targets", "y")


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs of one network, ``count`` of them, ``shape`` without the batch.

    ``origin`` says in words where they are from, and ``real`` whether somebody chose
    them for this network. ``targets`` are the right classes, (N,), where they are
    known, and ``notes`` what there is to say of the inputs.
    """

    count: int
    origin: str
    real: bool
    take: Callable[[int], Array]
    targets: Array | None = None
    notes: tuple[str, ...] = ()

    def batches(self, size: int) -> Iterator[Array]:
        """All of them in order, ``size`` at a time (fewer in the last batch)."""
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            yield np.stack([self.take(i) for i in range(start, stop)])

    def split(self) -> tuple[Samples, Samples | None]:
        """Those to calibrate on, and every fifth, which is held back to judge by.

        Of few, nothing is held back.
        """
        if self.count < LEAST_TO_SPLIT:
            return self, None
        held = np.arange(HELD_BACK - 1, self.count, HELD_BACK)
        rest = np.setdiff1d(np.arange(self.count), held)
        return (
            replace(self._only(rest), origin=f"{len(rest)} of {self.origin}"),
            replace(self._only(held), origin=f"the other {len(held)}, held back"),
        )

    def _only(self, which: Array) -> Samples:
        targets = None if self.targets is None else self.targets[which]
        take = self.take
        return replace(
            self, count=len(which), take=lambda i: take(which[i]), targets=targets
        )


def gather(
    source: Path | None,
    graph: Graph,
    preprocess: Preprocess,
    *,
    labels: Sequence[str] | None = None,
    seed: int = 0,
) -> Samples:
    """Samples from a folder of pictures or an ``.npz`` file; without one, stand-ins.

    An ``.npz`` holds one array of inputs, prepared already: float32, (N, *input), and
    may hold ``labels``, (N,). A folder may hold one folder for each class, named as in
    ``labels`` or in the order of their names. The
    stand-ins are the photographs that scikit-image ships, or noise. What does not fit
    the network, or cannot be read, is a :class:`~resgen.errors.ResgenError`.
    """
    (given,) = graph.inputs
    shape = given.type.shape
    if source is not None and source.suffix == ".npz":
        return _arrays(source, graph, preprocess)
    takes = takes_pictures(preprocess, shape)
    if source is not None and not takes:
        raise ResgenError(
            f"the input of {graph.name} is no picture, so a folder of them cannot "
            "calibrate it",
            hint="an .npz file with an array of inputs can",
        )
    paths, targets = photographs(), None
    if source is not None:
        paths, targets = _pictures(source, graph, labels)
    if takes and paths:

        def take(i: int) -> Array:
            return prepare(read(paths[i]), preprocess, shape)

        number = len(paths)
        origin = f"{number} photographs that scikit-image ships"
        notes: tuple[str, ...] = (
            f"{number} photographs are a first look only: calibrate on yours",
        )
        if source is not None:
            origin = f"{count(number, 'image')} of {source.name}"
            spread = range(0, number, -(-number // LOOKED_AT))
            notes = check_pictures(map(take, spread), source)
        return Samples(number, origin, source is not None, take, targets, notes)

    def noise(i: int) -> Array:
        return np.random.default_rng((seed, i)).standard_normal(shape, np.float32)

    note = f"{graph.name} takes no pictures that are at hand, so ranges are of noise"
    return Samples(NOISE, f"{NOISE} inputs of noise", False, noise, None, (note,))


def _pictures(
    folder: Path, graph: Graph, labels: Sequence[str] | None
) -> tuple[list[Path], Array | None]:
    """The pictures of a folder, and their classes where it has a folder for each."""
    own = folder.is_dir() and any(
        p.suffix.lower() in PICTURES for p in folder.iterdir()
    )
    inner = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if own or not inner:
        return pictures_of(folder), None
    names = [path.name for path in inner]
    count = _classes(graph, folder)
    if labels and set(names) <= set(labels):
        indices = [list(labels).index(name) for name in names]
    elif len(names) == count:
        indices = list(range(count))
    else:
        raise ResgenError(
            f"{folder} has {len(names)} folders, which are neither named as the labels "
            f"of {graph.name} nor as many as its {count} classes",
            hint='a spec names its classes in "labels"',
        )
    found = [
        (p, k) for k, at in zip(indices, inner, strict=True) for p in pictures_of(at)
    ]
    return [path for path, _ in found], np.array([k for _, k in found])


def _classes(graph: Graph, source: Path) -> int:
    """How many classes the network tells, by the one output that does."""
    found = vectors(graph)
    if len(found) != 1:
        names = listed(f'"{name}"' for name in found)
        told = f"tells classes by {names}" if found else "has no scores of classes"
        raise ResgenError(
            f"{source} holds right classes, and {graph.name} {told}",
            hint="of such a network the inputs are enough",
        )
    (count,) = found.values()
    return count


def _targets(
    path: Path, arrays: Mapping[str, Array], count: int, graph: Graph
) -> Array | None:
    """The right classes in an .npz, checked."""
    name = next((name for name in LABELS if name in arrays), None)
    if name is None:
        return None
    found: Array = arrays[name]
    classes = _classes(graph, path)
    fits = found.shape == (count,) and found.dtype.kind in "iu"
    if not fits or found.min() < 0 or found.max() >= classes:
        raise ResgenError(
            f"{name} of {path} is {found.dtype}, {said(found.shape)}; wanted are "
            f"{count} whole numbers from 0 to {classes - 1}"
        )
    return found


def _arrays(path: Path, graph: Graph, preprocess: Preprocess) -> Samples:
    shape = graph.inputs[0].type.shape
    arrays = read_arrays(path)
    if "" in arrays:
        raise ResgenError(
            f"{path} cannot be read as an .npz file: it is a lone array",
            hint="numpy.savez writes one",
        )
    fitting = [
        a for a in arrays.values() if a.shape[1:] == shape and a.dtype.kind in "fiu"
    ]
    if len(fitting) != 1 or not len(fitting[0]):
        found = ", ".join(f"{n}: {a.dtype}, {said(a.shape)}" for n, a in arrays.items())
        raise ResgenError(
            f"{path} holds {found or 'nothing'}; wanted is one array of numbers, "
            f"N x {said(shape)}",
        )
    given = fitting[0]
    with np.errstate(over="ignore"):  # it is told below
        array = given.astype(np.float32)
    if not np.isfinite(array).all():
        raise ResgenError(f"{path} holds numbers that are not finite")
    notes = check_inputs(given, path, preprocess, shape)
    targets = _targets(path, arrays, len(array), graph)
    return Samples(
        len(array),
        f"{len(array)} inputs of {path.name}",
        True,
        lambda i: array[i],
        targets,
        notes,
    )
