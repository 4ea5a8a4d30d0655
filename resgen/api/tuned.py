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
from resgen.runtime.torch import load_cuda, load_torch
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


def device_of(asked: Shrinking) -> str:
    """Where what is left is trained: ``cuda:0`` where PyTorch sees a GPU.

    One that is asked for and is not there is a
    :class:`~resgen.errors.MissingDevice`.
    """
    if asked.device is None:
        torch = load_torch("nothing can be trained")
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if asked.device != "cpu":
        load_cuda(asked.device, "nothing is trained there")
    return asked.device


def mixes(device: str) -> bool:
    """Whether a device computes bfloat16 itself: GPUs since compute capability 8.0."""
    if device == "cpu":
        return False
    torch, number = load_cuda(device, "nothing is trained there")
    return bool(torch.cuda.get_device_capability(number) >= (8, 0))


def tuned(
    made: Imported,
    whole: tuple[Graph, Weights],
    data: Known,
    asked: Shrinking,
    device: str,
    folder: Path,
    progress: Progress,
) -> tuple[Weights, Tuning, States | None]:
    """The weights that a network has learned, how, and the files to resume from.

    These lie in ``folder`` until they are discarded. An iteration that was not reached
    before an interruption is begun there. Training is taken up on any device, on as
    many threads as before.
    """
    from resgen.diagnosis.training.options import Options, Trainee
    from resgen.diagnosis.training.state import saved_threads
    from resgen.diagnosis.training.train import train
    from resgen.lower.torch import to_torch
    from resgen.weights.checkpoint import from_state_dict

    dataset = data.dataset
    batch = min(TRAINED, len(dataset.trained_on))
    epochs = asked.finetune or 0
    resume = asked.resume and (asked.iterations == 1 or folder.is_dir())
    options = Options(
        steps=epochs * (len(dataset.trained_on) // batch),
        seeds=(asked.seed,),
        batch=batch,
        rate=asked.lr,
        threads=(saved_threads(folder) if resume else None) or available_cores(),
        annealed=True,
        device=device,
        mixed=mixes(device),
    )
    if device != "cpu":
        said = "with bfloat16 beside float32" if options.mixed else "in float32"
        progress.say("training", f"on {device}, {said}")
    teacher = to_torch(*whole).eval() if asked.distill else None
    trainee = Trainee(made.spec.name, made.graph, (), made.weights, teacher)
    with threads(options.threads):
        done = train(
            [trainee],
            dataset,
            options,
            folder=folder,
            resume=resume,
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
        device,
        options.mixed,
    )
    return from_state_dict(learner.module.state_dict()), tuning, done.states
