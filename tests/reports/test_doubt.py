"""Figures of operators that contradict the run are told as such, in every form."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reports.make import breakdown, parts, record, run

from resgen.records.profile import Run
from resgen.reports.profile.markdown import render
from resgen.reports.profile.summary import above, doubt, sentences


def summed(times: float) -> Run:
    """A run whose operators add up to so many times its median."""
    one = run()
    assert one.summary is not None
    told = replace(breakdown(parts()), operator_sum=times * one.summary.median)
    return replace(one, breakdown=told)


@pytest.mark.parametrize("times", [1.4, 3.0, 18.0])
def test_a_sum_beyond_the_median_is_told(times: float) -> None:
    one = summed(times)
    said = doubt(one)
    assert said is not None
    assert f"{times:.1f} times the median" in said
    whole = replace(record(), runs=(one,))
    assert any(said in sentence for sentence in sentences([whole]))
    assert f"{times:.1f} times the median" in render([whole])


@pytest.mark.parametrize("times", [0.4, 0.97, 1.1])
def test_a_sum_about_the_median_or_below_is_not(times: float) -> None:
    assert doubt(summed(times)) is None


def test_requests_in_flight_share_a_median_with_nothing() -> None:
    assert doubt(replace(summed(3.0), mode="throughput")) is None


def test_more_than_the_attainable_comes_with_its_reason() -> None:
    told = breakdown(parts())
    fast = replace(told.charges[0], seconds=1e-3, attainable=1.02e-3)
    over = replace(told, charges=(fast, *told.charges[1:]))
    assert above(over)
    whole = replace(record(), runs=(replace(run(), breakdown=over),))
    assert "caches held" in render([whole])
