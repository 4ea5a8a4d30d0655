"""How predictions go with the size of a network."""

from __future__ import annotations

import numpy as np
import pytest

from resgen.latency.tilt import Tilt

TOOK = np.geomspace(1e-3, 1e-1, 60)


def test_a_power_of_the_time_is_found_and_taken_out() -> None:
    """Predictions are the power 0.9 of what networks take, give or take 5 %."""
    noise = np.random.default_rng(0).normal(0, 0.05, len(TOOK))
    told = 1e-2 * (TOOK / 1e-2) ** 0.9 * np.exp(noise)
    tilt = Tilt(TOOK.tolist(), np.log(told / TOOK).tolist())
    for took in (1e-3, 5e-3, 5e-2):
        found = tilt.seconds(1e-2 * (took / 1e-2) ** 0.9)
        assert found == pytest.approx(took, rel=0.05)
    left = tilt.left(np.log(told / TOOK).tolist())
    assert np.std(left) == pytest.approx(np.std(noise), rel=0.2)


def test_networks_of_one_size_tell_nothing_of_others() -> None:
    off = np.random.default_rng(0).normal(0, 0.2, 60).tolist()
    alike = Tilt(np.geomspace(9e-3, 1e-2, 60).tolist(), off)
    assert alike.seconds(1e-1) == pytest.approx(1e-1, rel=0.05)


def test_one_that_is_far_off_counts_as_one_that_is_off() -> None:
    off = [0.0] * 59 + [2.0]
    tilt = Tilt(TOOK.tolist(), off)
    assert tilt.seconds(1e-3) == pytest.approx(1e-3, rel=0.05)
    assert tilt.left(off)[-1] == pytest.approx(2.0, rel=0.05)


def test_without_networks_predictions_stay() -> None:
    tilt = Tilt((), ())
    assert tilt.seconds(1e-3) == pytest.approx(1e-3)
    assert len(tilt.left(())) == 0
