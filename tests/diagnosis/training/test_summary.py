"""Means over seeds, their intervals, and what counts as having learned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from resgen.diagnosis.training.summary import accuracy, estimate, learns
from resgen.errors import MissingComponent
from resgen.proof.accuracy import wilson
from resgen.records.diagnosis import Evaluation, Run


def evaluation(correct: int, count: int = 100) -> Evaluation:
    return Evaluation(10, 1.0, correct, count)


def run(correct: int | None, *, left: int | None = None) -> Run:
    seen = () if correct is None else (evaluation(3), evaluation(correct))
    return Run(0, evaluations=seen, left=left)


def test_the_interval_is_students() -> None:
    values = [0.31, 0.28, 0.4, 0.35]
    found = estimate(values)
    assert found is not None
    t = oracle.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.interval == pytest.approx((t.low, t.high))
    assert estimate([*values, None]) == found
    assert estimate([None, None]) is None
    one = estimate([0.5])
    assert one is not None
    assert (one.mean, one.interval, one.count) == (0.5, None, 1)


@pytest.mark.parametrize(("correct", "count"), [(0, 20), (7, 20), (359, 359)])
def test_one_seed_has_wilsons_interval(correct: int, count: int) -> None:
    theirs = oracle.binomtest(correct, count).proportion_ci(0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    found = accuracy([evaluation(correct, count)])
    assert found is not None
    assert found.interval == wilson(correct, count)


def test_accuracy_stays_a_share() -> None:
    found = accuracy([evaluation(99), evaluation(100)])
    assert found is not None
    assert found.interval is not None
    assert found.interval[1] == 1.0
    assert accuracy([]) is None


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    assert estimate([1.0]) is not None
    with pytest.raises(MissingComponent, match="scipy"):
        estimate([1.0, 2.0])


def test_what_counts_as_having_learned() -> None:
    assert learns([run(40), run(40)], 10) == "learns"
    assert learns([run(39), run(40)], 10) == "stalls"
    assert learns([run(66)], 2) == "stalls"
    assert learns([run(67)], 2) == "learns"
    # One seed of three that diverged counts as chance, two of three are the verdict.
    assert learns([run(55), run(55), run(90, left=7)], 10) == "learns"
    assert learns([run(54), run(54), run(90, left=7)], 10) == "stalls"
    assert learns([run(90), run(5, left=2), run(5, left=2)], 10) == "diverges"
    assert learns([run(None)], 10) == "stalls"
