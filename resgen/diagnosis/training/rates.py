"""The learning rates that a network bears: a sweep over one short run."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import isfinite, log

import torch

from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.training.learner import finite, loss_of, seed_noise, sgd
from resgen.diagnosis.training.options import Trainee
from resgen.lower.torch import to_torch
from resgen.records.diagnosis import RangeTest
from resgen.words.progress import SILENT, Progress

LEAST = 1e-5
MOST = 1.0
STEPS = 60
#: Weight of the past in the smoothed loss, for a test of some tens of steps.
SMOOTHING = 0.9
#: The smoothed loss is beyond return at this many times its least value.
BEYOND = 4.0
#: A smoothed loss that keeps more than this share of where it began has not fallen:
#: the least slope would be one of noise.
FALLEN = 0.9


def range_test(
    trainee: Trainee,
    dataset: Dataset,
    *,
    batch: int = 64,
    progress: Progress = SILENT,
) -> RangeTest:
    """Train once while the learning rate grows from 1e-5 to 1, by the same factor.

    Smith 2017, "Cyclical Learning Rates for Training Neural Networks", with the
    exponential steps and the end of fastai's ``lr_find`` (Howard and Gugger 2020): it
    stops where the smoothed loss is four times its least, or the loss is not finite.
    """
    dataset.require(trainee.graph)
    module = to_torch(trainee.graph, seed=0)
    optimizer = sgd(module, LEAST)
    rates: list[float] = []
    losses: list[float | None] = []
    limit = None
    with torch.random.fork_rng(devices=[]):
        for step in range(STEPS):
            rate = LEAST * (MOST / LEAST) ** (step / (STEPS - 1))
            optimizer.param_groups[0]["lr"] = rate
            seed_noise(0, step)
            optimizer.zero_grad()
            loss = loss_of(module, dataset.batch(step, batch), dataset.scores.name)
            value = loss.item()
            rates.append(rate)
            losses.append(finite(value))
            text = f"{trainee.name}, learning rate {rate:.1e}"
            progress.advance(text, step + 1, STEPS)
            if not isfinite(value) or beyond(losses):
                limit = rate
                progress.advance(text, STEPS, STEPS)
                break
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return RangeTest(tuple(rates), tuple(losses), steepest(rates, losses), limit)


def smoothed(losses: list[float | None]) -> list[float]:
    """The moving average of the finite losses, its start corrected as Adam's is.

    Kingma and Ba 2015, section 3.
    """
    average, made = 0.0, []
    for i, loss in enumerate((x for x in losses if x is not None), 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        made.append(average / (1 - SMOOTHING**i))
    return made


def beyond(losses: list[float | None]) -> bool:
    """Whether the smoothed loss has grown beyond return."""
    smooth = smoothed(losses)
    return smooth[-1] > BEYOND * min(smooth)


def steepest(rates: list[float], losses: list[float | None]) -> float | None:
    """The rate where the smoothed loss falls fastest over log rate.

    As fastai's ``steep``; the first tenth is left out, where the average is of few
    losses, and so is a fall that only makes up for a rise before it. None where the
    loss does not fall by a tenth.
    """
    curve = [*zip(rates, smoothed(losses), strict=False)][STEPS // 10 :]
    if len(curve) < 2 or min(loss for _, loss in curve) > FALLEN * curve[0][1]:
        return None
    lowest = accumulate((loss for _, loss in curve), min)
    slopes = [
        ((b[1] - a[1]) / log(b[0] / a[0]), a[0])
        for (a, b), low in zip(pairwise(curve), lowest, strict=False)
        if b[1] < low
    ]
    return min(slopes)[1]
