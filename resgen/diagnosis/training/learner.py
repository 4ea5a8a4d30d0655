"""One network that learns from one seed, a few steps at a time."""

from __future__ import annotations

from contextlib import nullcontext
from math import isfinite
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from resgen.diagnosis.data.dataset import Batch, Dataset
from resgen.diagnosis.seen.observer import Observer
from resgen.diagnosis.training.options import MOMENTUM, WEIGHT_DECAY, Options, Trainee
from resgen.lower.torch import scores_of, to_torch
from resgen.records.diagnosis import Evaluation, Measures, Moment, Run

#: Of distillation, Hinton et al. 2015: what scores are divided by, which shows what a
#: teacher thinks of the other classes; and the teacher's share of the loss.
TEMPERATURE: Final = 4.0
TEACHING: Final = 0.5


class Learner:
    """A network in training: its weights, their momentum, and what was seen so far.

    The order of batches is the dataset's, the same for all. ``whole`` is false while a
    step is under way, when weights and losses do not belong together.
    """

    def __init__(
        self, trainee: Trainee, seed: int, dataset: Dataset, options: Options
    ) -> None:
        self.trainee = trainee
        self.seed = seed
        given = trainee.weights
        # A module shares arrays that it is given.
        own = None if given is None else {n: a.copy() for n, a in given.items()}
        self.module = to_torch(trainee.graph, own, seed=seed).to(options.device)
        if trainee.teacher is not None:
            trainee.teacher.to(options.device)
        self.optimizer = sgd(self.module, options.rate)
        self.losses: list[float | None] = []
        self.evaluations: list[Evaluation] = []
        self.moments: list[Moment] = []
        self.left: int | None = None
        self.whole = True
        self._dataset = dataset
        self._options = options

    @property
    def done(self) -> int:
        """Steps taken."""
        return len(self.losses)

    @property
    def stopped(self) -> bool:
        """Whether no step is left to take: the last was, or the loss is not finite."""
        return self.left is not None or self.done >= self._options.steps

    def advance(self, until: int) -> None:
        """Train until so many steps have been taken, or the loss is not finite."""
        while self.done < until and not self.stopped:
            self.whole = False
            self._step()
            self.whole = True

    def run(self) -> Run:
        """What was seen; a run that could go on counts as interrupted."""
        ended: Literal["finished", "diverged", "interrupted"] = "interrupted"
        if self.stopped:
            ended = "finished" if self.left is None else "diverged"
        return Run(
            seed=self.seed,
            moments=tuple(self.moments),
            losses=tuple(self.losses),
            evaluations=tuple(self.evaluations),
            left=self.left,
            stopped=ended,
        )

    def _step(self) -> None:
        done = self.done
        batch = self._dataset.batch(done, self._options.batch)
        recorded = self._options.recorded(done)
        loss, parts = self._pass(batch, recorded)
        if not isfinite(loss):
            if parts is None:  # where it was lost is worth another pass
                _, parts = self._pass(batch, recorded=True)
            self.left = done + 1
        else:
            for group in self.optimizer.param_groups:
                group["lr"] = self._options.rate_at(done)
            self.optimizer.step()
        if parts is not None:
            self.moments.append(Moment(done, finite(loss), parts))
        if self.left is None and self._options.evaluated(done + 1):
            size = self._options.batch
            self.evaluations.append(
                evaluate(self.module, self._dataset, size, done + 1)
            )
        self.losses.append(finite(loss))

    def _pass(
        self, batch: Batch, recorded: bool
    ) -> tuple[float, tuple[Measures, ...] | None]:
        """Loss and gradients; ``recorded`` with what is seen of the parts."""
        seed_noise(self.seed, self.done)
        self.optimizer.zero_grad()
        output = self._dataset.scores.name
        seen = Observer(self.module, self.trainee.paths) if recorded else None
        with seen or nullcontext():
            with torch.autocast(
                self._options.device.partition(":")[0],
                torch.bfloat16,
                enabled=self._options.mixed,
            ):
                loss = loss_of(self.module, batch, output, self.trainee.teacher)
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), None if seen is None else seen.measures()


def sgd(module: torch.nn.Module, rate: float) -> torch.optim.SGD:
    """Stochastic gradient descent as all networks here are trained."""
    return torch.optim.SGD(
        module.parameters(), rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )


def loss_of(
    module: torch.nn.Module,
    batch: Batch,
    output: str,
    teacher: torch.nn.Module | None = None,
) -> torch.Tensor:
    """The mean cross-entropy of a batch by this output of the network.

    With a ``teacher`` a part of it is the divergence from its softened scores. It is
    float32, whatever the scores are computed in.
    """
    scores = scores_of(module, batch.images, output).float()
    loss = cross_entropy(scores, torch.from_numpy(batch.labels).to(scores.device))
    if teacher is None:
        return loss
    with torch.no_grad():
        wanted = scores_of(teacher, batch.images, output).float()
    soft, softer = (log_softmax(each / TEMPERATURE, 1) for each in (scores, wanted))
    apart = kl_div(soft, softer, reduction="batchmean", log_target=True)
    # Gradients of softened scores are smaller by the square.
    return (1 - TEACHING) * loss + TEACHING * TEMPERATURE**2 * apart


def finite(value: float) -> float | None:
    """The number as a record holds it."""
    return value if isfinite(value) else None


def seed_noise(seed: int, step: int) -> None:
    """Begin torch's random numbers anew, so that a step's dropout is its own.

    Training that is taken up again then drops what it would have dropped.
    """
    words = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]))


def evaluate(
    module: torch.nn.Module, dataset: Dataset, size: int, step: int
) -> Evaluation:
    """Held-back data in inference mode, ``size`` at a time.

    Batch norm then uses its running averages, which in the first tens of steps are
    still near where they began: early accuracies are below what the weights could do.
    A score that is not finite tells nothing, so it never counts as right.
    """
    loss, right = judge(module, dataset, size)
    return Evaluation(step, loss, int(right.sum()), len(right))


@torch.no_grad()
def judge(
    module: torch.nn.Module, dataset: Dataset, size: int
) -> tuple[float | None, NDArray[np.bool_]]:
    """As :func:`evaluate`: the mean loss, and of each example whether it is right."""
    module.eval()
    total = 0.0
    right = []
    for batch in dataset.tested(size):
        scores = scores_of(module, batch.images, dataset.scores.name)
        labels = torch.from_numpy(batch.labels).to(scores.device)
        total += float(cross_entropy(scores, labels, reduction="sum"))
        told = (scores.argmax(1) == labels) & scores.isfinite().all(1)
        right.append(told.cpu().numpy())
    module.train()
    whole = np.concatenate(right)
    return finite(total / len(whole)), whole
