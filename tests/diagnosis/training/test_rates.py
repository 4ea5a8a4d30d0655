"""The sweep over learning rates finds where training works and where it ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diagnosis.hearing import Hearing

import resgen
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.training.options import Trainee
from resgen.diagnosis.training.rates import (
    LEAST,
    MOST,
    STEPS,
    beyond,
    range_test,
    smoothed,
    steepest,
)


@pytest.mark.slow
def test_rates_grow_by_the_same_factor(trainee: Trainee, data: Dataset) -> None:
    torch.manual_seed(3)
    begin = torch.random.get_rng_state()
    seen: list[int] = []
    found = range_test(
        trainee,
        data,
        batch=32,
        progress=Hearing(lambda done, total, text: seen.append(done)),
    )
    assert torch.equal(torch.random.get_rng_state(), begin)
    np.testing.assert_allclose(
        found.rates, np.geomspace(LEAST, MOST, STEPS)[: len(found.rates)]
    )
    assert len(found.losses) == len(found.rates) == len(seen)
    assert found.steepest is not None
    assert 0.005 < found.steepest < MOST
    assert found == range_test(trainee, data, batch=32)


def test_it_ends_where_the_loss_is_beyond_return(
    trainee: Trainee, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resgen.diagnosis.training.rates.MOST", 1e6)
    found = range_test(trainee, data, batch=32)
    assert len(found.rates) < STEPS
    assert found.limit == found.rates[-1]
    assert None not in found.losses[:-1]


@pytest.mark.slow
def test_of_a_network_that_does_not_learn_no_rate_is_named(
    tiny: dict[str, Any], data: Dataset
) -> None:
    bare = {**tiny, "defaults": {**tiny["defaults"], "norm": "none"}}
    found = range_test(Trainee("bare", resgen.expand(resgen.load(bare)), ()), data)
    assert found.steepest is None
    assert None not in found.losses


def test_smoothing_is_that_of_fastai() -> None:
    # fastai's AvgSmoothLoss: lerp towards the past, then corrected for its start.
    losses = np.random.default_rng(0).random(20).tolist()
    value, wanted = 0.0, []
    for count, loss in enumerate(losses, 1):
        value = loss + 0.9 * (value - loss)
        wanted.append(value / (1 - 0.9**count))
    assert smoothed(losses) == pytest.approx(wanted)


def test_where_it_is_steepest_and_where_it_ends() -> None:
    rates = np.geomspace(LEAST, MOST, STEPS).tolist()
    fall = [2.3 - 2.0 / (1 + np.exp(-(i - 30))) for i in range(STEPS)]
    found = steepest(rates, fall)
    # The average of ten trails behind the loss, whose middle is at 30.
    assert found is not None
    assert rates[30] <= found <= rates[34]
    assert steepest(rates, [1.0 + 0.01 * i for i in range(STEPS)]) is None
    assert steepest(rates[:3], [2.0, 1.0, 0.5]) is None
    # Coming down from a peak is no progress.
    peak = [value + 20.0 * (50 <= i < 54) for i, value in enumerate(fall)]
    assert steepest(rates, peak) == found
    assert not beyond([1.0, 1.0, 3.0])
    assert beyond([1.0, 1.0, 100.0])
