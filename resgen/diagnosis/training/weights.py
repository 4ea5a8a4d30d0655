"""Trained weights as files, in the form that ``resgen build --weights`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resgen.diagnosis.training.learner import Learner
from resgen.diagnosis.training.names import file_name
from resgen.files.whole import make_folder, whole
from resgen.weights.checkpoint import from_state_dict
from resgen.weights.safetensors import write_safetensors


def keep(learners: Sequence[Learner], folder: Path) -> tuple[Path, ...]:
    """Write the weights of each run that stayed finite; the files."""
    files = []
    make_folder(folder)
    for learner in learners:
        if learner.left is not None:
            continue
        path = folder / file_name(learner.trainee.name, learner.seed)
        weights = from_state_dict(learner.module.state_dict())
        with whole(path) as aside:
            write_safetensors(aside, learner.trainee.graph, weights)
        files.append(path)
    return tuple(files)
