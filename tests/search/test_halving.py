"""Sizes of rungs, who goes on from one, and what stays undecided."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from resgen.searching.halving import Reached, Rung, bracket, climbed, same


def of(name, correct, *, count=100, loss=1.0, left=None, first=0):
    """One that tells examples from the first on right, those after the last first."""
    told = np.roll(np.arange(count) < correct, first)
    right = np.packbits(told).tobytes().hex()
    return Reached(name, 10, correct, count, loss, right, left)


@pytest.mark.parametrize(
    ("trials", "least", "rungs"),
    [
        (81, 1, [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]),
        (27, 3, [(27, 3), (9, 9), (3, 27), (1, 81)]),
        (9, 9, [(9, 9), (3, 27), (1, 81)]),
        (6, 27, [(6, 27), (2, 81)]),
        (5, 81, [(5, 81)]),
    ],
)
def test_the_brackets_of_hyperband(trials, least, rungs):
    """Li et al. 2018, table 1: R = 81 and a factor of 3."""
    found = bracket(trials, 81, least=least)
    assert [(rung.trials, rung.steps) for rung in found] == rungs


def test_the_best_go_on_and_of_equals_the_one_with_less_loss():
    found = climbed(
        Rung(4, 10),
        [of("c", 80, loss=0.5), of("a", 80, loss=0.6), of("b", 90), of("d", 10)],
        2,
    )
    assert [one.trial for one in found.reached] == ["b", "c", "a", "d"]
    assert found.promoted == ("b", "c")
    assert found.undecided == ("a",)


def test_more_examples_decide():
    two = [of("a", 900, count=1000), of("b", 800, count=1000)]
    assert climbed(Rung(2, 10), two, 1).undecided == ()
    few = [of("a", 9, count=10), of("b", 8, count=10)]
    assert climbed(Rung(2, 10), few, 1).undecided == ("b",)


def test_a_trial_whose_loss_was_lost_never_goes_on():
    found = climbed(Rung(2, 10), [of("a", 99, left=3), of("b", 10)], 2)
    assert found.promoted == ("b",)
    assert found.undecided == ()


@pytest.mark.parametrize(("ahead", "behind"), [(0, 0), (1, 0), (9, 1), (60, 40)])
def test_two_are_told_apart_by_what_one_alone_tells_right(ahead, behind):
    one = of("a", 100 + ahead, count=500)
    other = of("b", 100 + behind, count=500, first=ahead)
    expected = binomtest(behind, ahead + behind).pvalue if ahead else 1.0
    assert same(one, other) == pytest.approx(expected)
    assert same(other, one) == same(one, other)


def test_the_same_examples_decide_where_shares_do_not():
    """Both intervals overlap; one trial is right wherever the other is, and more."""
    apart = [of("a", 60), of("b", 50)]
    assert apart[0].interval[0] < apart[1].interval[1]
    assert climbed(Rung(2, 10), apart, 1).undecided == ()
    mixed = [of("a", 60), of("b", 50, first=40)]
    assert climbed(Rung(2, 10), mixed, 1).undecided == ("b",)
