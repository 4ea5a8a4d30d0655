"""A trial: a network trains on a user's data as far as a rung of a bracket.

The network is plain data, so another process or machine can train it; what it has
learned lies in a file from which the next rung goes on to the very numbers that
uninterrupted training gives.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import threads
from resgen.errors import ResgenError
from resgen.expansion.network import expand, load
from resgen.searching.halving import Reached
from resgen.spec.canonical import canonical_form
from resgen.spec.model import Spec
from resgen.words.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class Lesson:
    """What all trials learn from, and how: the same for each of them.

    ``first`` is the spec, as canonical JSON, that the data are made to fit; ``data``
    is what ``--data`` names (None: scikit-learn's digits), and ``digest`` what it
    holds. ``steps`` are those of a trial that is never left behind, along which the
    learning rate falls from ``rate`` to 0; ``seed`` is that of weights, of the order
    of batches and of what is held back.
    """

    first: str
    data: str | None
    digest: str
    steps: int
    batch: int = 64
    rate: float = 0.05
    seed: int = 0
    threads: int = 1
    output: str | None = None

    @property
    def sha256(self) -> str:
        """Tells it from others: the data count by what they hold, wherever they lie."""
        said = {**asdict(self), "data": None}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Contender:
    """A network that is tried, by a name of its own, as canonical JSON."""

    name: str
    form: str

    @classmethod
    def of(cls, spec: Spec) -> Contender:
        """That of a spec, by its name, which no other of the search has."""
        return cls(spec.name, _text(spec))


def lesson(
    spec: Spec,
    data: str | None,
    *,
    epochs: int,
    batch: int = 64,
    output: str | None = None,
    seed: int = 0,
    **how: Any,
) -> tuple[Lesson, Dataset]:
    """What trials like ``spec`` learn in so many epochs, and the data themselves.

    ``how`` are further fields of :class:`Lesson`. Data that cannot be read or do not
    fit are a :class:`~resgen.errors.ResgenError`.
    """
    found = _gathered(_text(spec), data, output, seed)
    size = min(batch, len(found.trained_on))
    steps = epochs * (len(found.trained_on) // size)
    first = _text(spec)
    made = Lesson(
        first, data, found.digest, steps, size, seed=seed, output=output, **how
    )
    return made, found


def advance(
    trial: Contender,
    lesson: Lesson,
    until: int,
    folder: Path,
    *,
    progress: Progress = SILENT,
) -> Reached:
    """Train until so many steps have been taken, and tell what was learned.

    The state in ``folder`` (``training/``) is where it goes on from, if there is one,
    and what it leaves there; after the last step the weights lie there as well
    (``weights/``). An interruption leaves the state of the step before it and is
    raised: KeyboardInterrupt. Data other than the lesson's are a
    :class:`~resgen.errors.ResgenError`.
    """
    from resgen.diagnosis.training.learner import evaluate, judge
    from resgen.diagnosis.training.options import Options, Trainee
    from resgen.diagnosis.training.train import train

    begin = time.perf_counter()
    chooses, judges = _gathered(
        lesson.first, lesson.data, lesson.output, lesson.seed
    ).halves()
    if chooses.digest != lesson.digest:
        raise ResgenError(
            f"{chooses.about.origin} holds other data here than where the search began",
            hint="give every machine the same data, or search anew",
        )
    graph = expand(load(_json(trial.form))).inference
    options = Options(
        steps=lesson.steps,
        seeds=(lesson.seed,),
        batch=lesson.batch,
        rate=lesson.rate,
        threads=lesson.threads,
        annealed=True,
    )
    last = until >= lesson.steps
    state, _ = files(trial, lesson, folder)
    with threads(lesson.threads):
        done = train(
            [Trainee(trial.name, graph, ())],
            chooses,
            options,
            folder=folder,
            resume=state.is_file(),
            keep_weights=last,
            until=until,
            progress=progress,
        )
        if done.interrupted:
            raise KeyboardInterrupt
        (learner,) = done.learners
        loss, right = judge(learner.module, chooses, lesson.batch)
        unseen = None
        if last and learner.left is None:
            judged = evaluate(learner.module, judges, lesson.batch, learner.done)
            unseen = judged.correct, judged.count
    return Reached(
        trial.name,
        until,
        int(right.sum()),
        len(right),
        loss,
        np.packbits(right).tobytes().hex(),
        learner.left,
        unseen,
        time.perf_counter() - begin,
    )


def files(trial: Contender, lesson: Lesson, folder: Path) -> tuple[Path, Path]:
    """Where the state of a trial lies between rungs, and its weights after the last."""
    from resgen.diagnosis.training.state import TRAINING, WEIGHTS, file_name

    name = file_name(trial.name, lesson.seed)
    return folder / TRAINING / name, folder / WEIGHTS / name


@lru_cache(maxsize=1)
def _gathered(form: str, data: str | None, output: str | None, seed: int) -> Dataset:
    """The data as one network takes them; read once for all trials of a process."""
    spec = load(_json(form))
    graph = expand(spec).inference
    return gather(data, graph, spec.preprocess, output=output, seed=seed)


def _text(spec: Spec) -> str:
    return json.dumps(canonical_form(spec), sort_keys=True)


def _json(form: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(form)
    return found
