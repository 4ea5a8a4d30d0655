"""Trained weights as files, in the form that ``resgen build --weights`` takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from resgen.diagnosis.training.learner import Learner
from resgen.diagnosis.training.names import file_name
from resgen.errors import ResgenError
from resgen.weights.checkpoint import from_state_dict
from resgen.weights.safetensors import write_safetensors


def keep(learners: Sequence[Learner], folder: Path) -> tuple[Path, ...]:
    """Write the weights of each run that stayed finite; the files."""
    files = []
    for learner in learners:
        if learner.left is not None:
            continue
        path = folder / file_name(learner.trainee.name, learner.seed)
        weights = from_state_dict(learner.module.state_dict())
        with placed(path) as aside:
            write_safetensors(aside, learner.trainee.graph, weights)
        files.append(path)
    return tuple(files)


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A file to write, which takes its place once it is whole."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> ResgenError:
    """What a person is told of a file that cannot be written."""
    return ResgenError(f"cannot write {path}: {(error.strerror or str(error)).lower()}")
