"""Loss and gradient of a batch, and how well held-back data are told."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from resgen.diagnosis.data.dataset import Batch, Dataset
from resgen.records.diagnosis import Evaluation


def loss_of(module: torch.nn.Module, batch: Batch, output: str) -> torch.Tensor:
    """The mean cross-entropy of a batch by this output of the network."""
    scores = _scores(module, batch, output)
    return cross_entropy(scores, torch.from_numpy(batch.labels))


def finite(value: float) -> float | None:
    """The number as a record holds it."""
    return value if isfinite(value) else None


def seed_noise(seed: int, step: int) -> None:
    """Begin torch's random numbers anew, so that a step's dropout is its own.

    Training that is taken up again then drops what it would have dropped.
    """
    words = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    torch.manual_seed(int(words[0]))


@torch.no_grad()
def evaluate(
    module: torch.nn.Module, dataset: Dataset, size: int, step: int
) -> Evaluation:
    """Held-back data in inference mode, ``size`` at a time.

    Batch norm then uses its running averages, which in the first tens of steps are
    still near where they began: early accuracies are below what the weights could do.
    A score that is not finite tells nothing, so it never counts as right.
    """
    module.eval()
    total, correct, count = 0.0, 0, 0
    for batch in dataset.tested(size):
        scores = _scores(module, batch, dataset.scores.name)
        labels = torch.from_numpy(batch.labels)
        total += float(cross_entropy(scores, labels, reduction="sum"))
        told = (scores.argmax(1) == labels) & scores.isfinite().all(1)
        correct += int(told.sum())
        count += len(labels)
    module.train()
    return Evaluation(step, finite(total / count), correct, count)


def _scores(module: torch.nn.Module, batch: Batch, output: str) -> torch.Tensor:
    made = module(torch.from_numpy(batch.images))
    # A network that names its outputs returns them by name.
    scores: torch.Tensor = made[output] if isinstance(made, Mapping) else made
    return scores
