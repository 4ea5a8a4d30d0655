"""Sizes of rungs, who goes on from one, and what stays undecided."""

from __future__ import annotations

import pytest

from resgen.searching.halving import Reached, Rung, bracket, climbed


def of(name, correct, *, count=100, loss=1.0, left=None):
    return Reached(name, 10, correct, count, loss, left)


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
