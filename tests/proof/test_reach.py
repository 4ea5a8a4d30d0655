"""Differences of an output are shares of its range, to which zero belongs."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from resgen.proof.camera import OUTPUTS
from resgen.proof.reach import apart

# Scores of a fresh detector: all lie next to the bias that it begins with.
SCORES = (-4.595 + 1e-3 * np.random.default_rng(0).normal(size=(1, 9, 4, 4))).astype(
    np.float32
)


@pytest.mark.parametrize("precision", [np.float16, ml_dtypes.bfloat16])
def test_rounding_scores_that_lie_close_together_is_no_fault(precision):
    rounded = SCORES.astype(precision)
    assert 0 < apart(rounded, SCORES)[1] < OUTPUTS
    # What is not rounding is one: 0.4 is far in scores whose sigmoid is 0.01.
    assert apart(rounded + np.float32(0.4), SCORES)[1] > OUTPUTS


@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e30])
def test_a_share_knows_no_unit(factor):
    wanted = np.float64([[-1.0, 0.5, 3.0]]) * factor
    largest, share = apart(wanted + np.float64([0.0, 0.4, 0.0]) * factor, wanted)
    assert largest == pytest.approx(0.4 * factor)
    assert share == pytest.approx(0.1)


def test_numbers_that_are_none_are_never_near():
    assert not apart(np.float32([np.nan, 1]), np.float32([1, 1]))[1] <= 1e9
    assert not apart(np.float32([np.inf, 1]), np.float32([1, 1]))[1] <= 1e9


def test_nothing_is_apart_by_nothing():
    assert apart(np.zeros(3), np.zeros(3)) == (0.0, 0.0)
    assert apart(np.empty((0, 4)), np.empty((0, 4))) == (0.0, 0.0)
