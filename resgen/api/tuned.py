"""What is left of a network, on data: how much it tells right, and its training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.api.asked.shrink import Shrinking
from resgen.artifact.shrunk import Right, Tuning
from resgen.diagnosis.data.dataset import Batch
from resgen.diagnosis.data.learned import BATCH, Known
from resgen.diagnosis.diagnose import threads
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.machine.cores import available_cores
from resgen.proof.accuracy import wilson
from resgen.recovery.imported import Imported
from resgen.weights.evaluate import Weights
from resgen.words.numbers import count
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.diagnosis.training.state import States

#: Inputs that channels are compared by and norms settle on.
SEEN: Final = 512
#: Inputs in a batch of training.
TRAINED: Final = 64


def data_line(data: Known) -> str:
    """What is told of the data."""
    about = data.dataset.about
    whose = "" if data.labelled else ", by what the whole network says of each"
    line = (
        f"{about.origin}: {about.count - about.held_back:,} to shrink it by, "
        f"{about.held_back:,} to judge it by{whose}"
    )
    return "\n".join([line, *about.notes])


def batches(data: Known) -> Iterator[Batch]:
    """Some of what is not held back."""
    dataset = data.dataset
    size = min(BATCH, len(dataset.trained_on))
    for step in range(min(SEEN, len(dataset.trained_on)) // size):
        yield dataset.batch(step, size)


def right(data: Known, graph: Graph, weights: Weights) -> Right:
    """How much of what was held back a network tells right."""
    from resgen.diagnosis.training.learner import evaluate
    from resgen.lower.torch import to_torch

    seen = evaluate(to_torch(graph, weights), data.dataset, BATCH, 0)
    return Right(seen.correct, wilson(seen.correct, seen.count))


def tuned(
    made: Imported,
    whole: tuple[Graph, Weights],
    data: Known,
    asked: Shrinking,
    folder: Path,
    progress: Progress,
) -> tuple[Weights, Tuning, States | None]:
    """The weights that a network has learned, how, and the files to resume from.

    These lie in ``folder`` until they are discarded. An iteration that was not reached
    before an interruption is begun there.
    """
    from resgen.diagnosis.training.options import Options, Trainee
    from resgen.diagnosis.training.train import train
    from resgen.lower.torch import to_torch
    from resgen.weights.checkpoint import from_state_dict

    dataset = data.dataset
    batch = min(TRAINED, len(dataset.trained_on))
    epochs = asked.finetune or 0
    options = Options(
        steps=epochs * (len(dataset.trained_on) // batch),
        seeds=(asked.seed,),
        batch=batch,
        rate=asked.lr,
        threads=available_cores(),
        annealed=True,
    )
    teacher = to_torch(*whole).eval() if asked.distill else None
    trainee = Trainee(made.spec.name, made.graph, (), made.weights, teacher)
    with threads(options.threads):
        done = train(
            [trainee],
            dataset,
            options,
            folder=folder,
            resume=asked.resume and (asked.iterations == 1 or folder.is_dir()),
            progress=progress,
        )
    (learner,), ((run,),) = done.learners, done.runs
    if done.interrupted:
        progress.say(
            "training", f"after {len(run.losses)} of {options.steps} steps; resume it"
        )
        raise KeyboardInterrupt
    if run.left is not None:
        steps = count(run.left, "step")
        raise ResgenError(
            f"the loss of {made.spec.name} is not finite after {steps} of training",
            hint="take a smaller learning rate",
        )
    tuning = Tuning(
        epochs,
        options.steps,
        batch,
        asked.lr,
        asked.seed,
        asked.distill,
        asked.iterations,
    )
    return from_state_dict(learner.module.state_dict()), tuning, done.states
