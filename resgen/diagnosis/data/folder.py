"""A folder with a sub-folder of pictures for each class, as torchvision lays it out."""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from resgen.diagnosis.data.dataset import Examples
from resgen.diagnosis.data.outputs import Scores
from resgen.diagnosis.data.pictures import require_pictures, resizing
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.pictures.find import PICTURES
from resgen.pictures.preprocess import prepare, read
from resgen.spec.model import Preprocess

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
            hint='--data takes a folder, an .npz file or the word "digits"',
        ) from error
    except NotADirectoryError as error:
        raise ResgenError(
            f"{path} is neither a folder nor an .npz file",
            hint='--data takes a folder, an .npz file or the word "digits"',
        ) from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ResgenError(f"cannot read {path}: {why}") from error
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
