"""Reductions to single numbers, against torch in double precision."""

from __future__ import annotations

import math

import pytest
import torch

from resgen.diagnosis.seen.numbers import correlation, moments, nonfinite, norm


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e30])
@pytest.mark.parametrize("shape", [(7,), (8, 3, 5, 5)])
def test_a_norm_is_right_where_its_squares_leave_float32(shape, scale):
    x = drawn(*shape) * scale
    assert norm(x) == pytest.approx(float(torch.linalg.vector_norm(x.double())), 1e-5)


def test_norms_of_nothing_and_of_what_is_not_finite():
    assert norm(torch.zeros(3, 4)) == 0
    assert norm(torch.zeros(0, 4)) == 0
    x = drawn(4, 4)
    x[1, 2] = math.inf
    assert norm(x) == math.inf
    x[3, 3] = math.nan
    assert math.isnan(norm(x))
    assert nonfinite(x) == 2


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4])
def test_moments(offset):
    x = drawn(16, 8, 6, 6) + offset
    wide = x.double()
    found = moments(x)
    assert found.mean == pytest.approx(float(wide.mean()), abs=1e-6, rel=1e-6)
    assert found.variance == pytest.approx(float(wide.var(correction=0)), 1e-3)
    shared = (wide.mean(0) ** 2).sum() / (wide**2).mean(0).sum()
    assert found.alike == pytest.approx(float(shared), 1e-4)
    assert found.nonfinite == 0


def test_moments_of_values_whose_squares_overflow():
    found = moments(drawn(4, 100) * 1e25)
    assert found.variance == pytest.approx(1e50, rel=0.2)
    assert found.nonfinite == 0


def test_how_alike_inputs_are():
    one = drawn(1, 10)
    assert moments(one.expand(8, 10)).alike == pytest.approx(1)
    assert moments(torch.cat([one, -one])).alike == pytest.approx(0, abs=1e-6)
    assert moments(torch.zeros(8, 10)).alike == 1  # a dead part tells nothing apart
    assert moments(one).alike is None


def test_what_is_not_finite_is_counted_and_measures_nothing():
    x = drawn(4, 10)
    x[2, 3:6] = math.nan
    found = moments(x)
    assert (found.mean, found.variance, found.alike) == (None, None, None)
    assert found.nonfinite == 3


def test_a_narrow_type_is_added_up_in_a_wide_one():
    x = (drawn(8, 40000) * 100).half()  # its squares do not fit in float16
    assert norm(x) == pytest.approx(float(x.double().norm()), 1e-4)
    assert moments(x).variance == pytest.approx(float(x.double().var()), 1e-3)


@pytest.mark.parametrize("scale", [1.0, 1e-25, 1e25])
def test_correlation_is_the_mean_cosine_of_pairs(scale):
    x = drawn(8, 3, 4)
    x[4:] += x[:4]
    cosines = torch.nn.functional.cosine_similarity(x[:4].flatten(1), x[4:].flatten(1))
    assert correlation(x * scale) == pytest.approx(float(cosines.mean()), 1e-5)


def test_a_zero_has_no_direction():
    x = drawn(6, 5)
    x[4] = 0
    cosines = torch.nn.functional.cosine_similarity(x[[0, 2]], x[[3, 5]])
    assert correlation(x) == pytest.approx(float(cosines.mean()), 1e-5)
    assert correlation(torch.zeros(6, 5)) is None
    assert correlation(drawn(1, 5)) is None
