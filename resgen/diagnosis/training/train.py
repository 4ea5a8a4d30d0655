"""Several networks from several seeds, trained side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.training.learner import Learner
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.training.state import TRAINING, WEIGHTS, States, keep
from resgen.records.diagnosis import Run
from resgen.words.progress import SILENT, Progress

#: Steps that one network takes before the next has its turn.
TURN: Final = 5
#: Seconds after which the state of all is saved again.
SAVED_EVERY: Final = 20.0


@dataclass(frozen=True, slots=True)
class Trained:
    """The runs of each network, in the order given, a run for each seed.

    ``weights`` are the files of those that were kept, ``learners`` what has learned,
    and ``states`` the files to resume from.
    """

    runs: tuple[tuple[Run, ...], ...]
    interrupted: bool
    weights: tuple[Path, ...]
    learners: tuple[Learner, ...] = ()
    states: States | None = None


def train(
    trainees: Sequence[Trainee],
    dataset: Dataset,
    options: Options,
    *,
    folder: Path | None = None,
    resume: bool = False,
    keep_weights: bool = False,
    until: int | None = None,
    progress: Progress = SILENT,
) -> Trained:
    """Train every network from every seed, on the same batches in the same order.

    They take turns of a few steps, so whatever changes on the machine meets all, and an
    interruption (KeyboardInterrupt) leaves all equally far; it is not raised but told.
    A run whose loss leaves the finite numbers ends there, the others go on.

    ``folder`` gets the state of each run (``training/``), from which ``resume`` goes
    on to the very numbers that an uninterrupted run gives on as many threads, and with
    ``keep_weights`` the weights of the finished ones (``weights/``). State of other
    options, data or networks is refused: :class:`~resgen.errors.ResgenError`. With
    ``until`` they train for so many of their steps for now.
    """
    for trainee in trainees:
        dataset.require(trainee.graph)
    dataset.batch(0, options.batch)
    states = None
    if folder is not None:
        states = States(folder / TRAINING, trainees, dataset, options)
    learners = [
        Learner(trainee, seed, dataset, options)
        for seed in options.seeds
        for trainee in trainees
    ]
    if states is not None and resume:
        states.restore(learners)
    elif states is not None:
        states.discard()
    interrupted = False
    try:
        # What the caller draws from torch's random numbers is left as it was.
        used = [options.device] if options.device != "cpu" else []
        with torch.random.fork_rng(devices=used):
            _take_turns(learners, options, until or options.steps, states, progress)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if states is not None:
            states.save(learners)
    kept: tuple[Path, ...] = ()
    if keep_weights and folder is not None:
        kept = keep([one for one in learners if one.stopped], folder / WEIGHTS)
    runs = tuple(
        tuple(one.run() for one in learners if one.trainee is trainee)
        for trainee in trainees
    )
    return Trained(runs, interrupted, kept, tuple(learners), states)


def _take_turns(
    learners: Sequence[Learner],
    options: Options,
    end: int,
    states: States | None,
    progress: Progress,
) -> None:
    total = len(learners) * end
    saved = time.monotonic()
    for begin in range(0, end, TURN):
        until = min(begin + TURN, end)
        # Of those that were taken up again some may be ahead.
        for learner in learners:
            if learner.stopped or learner.done >= until:
                continue
            learner.advance(until)
            done = sum(end if x.stopped else x.done for x in learners)
            text = f"{learner.trainee.name}, seed {learner.seed}"
            progress.advance(text, done, total)
        if states is not None and time.monotonic() - saved > SAVED_EVERY:
            states.save(learners)
            saved = time.monotonic()
