"""Means over seeds, their intervals, and what counts as having learned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from resgen.diagnosis.training.summary import accuracy, learns
from resgen.errors import MissingComponent
from resgen.proof.accuracy import wilson
from resgen.records.diagnosis import Evaluation, Run


def evaluation(correct: int, count: int = 100) -> Evaluation:
    return Evaluation(10, 1.0, correct, count)


def run(correct: int | None, *, left: int | None = None) -> Run:
    seen = () if correct is None else (evaluation(3), evaluation(correct))
    return Run(0, evaluations=seen, left=left)


def test_the_interval_is_students() -> None:
    found = accuracy([evaluation(n) for n in (31, 28, 40, 35)])
    assert found is not None
    values = [0.31, 0.28, 0.4, 0.35]
    t = oracle.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found[0] == pytest.approx(np.mean(values))
    assert found[1] == pytest.approx((t.low, t.high))


@pytest.mark.parametrize(("correct", "count"), [(0, 20), (7, 20), (359, 359)])
def test_one_seed_has_wilsons_interval(correct: int, count: int) -> None:
    theirs = oracle.binomtest(correct, count).proportion_ci(0.95, method="wilson")
    assert wilson(correct, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    found = accuracy([evaluation(correct, count)])
    assert found == (correct / count, wilson(correct, count))


def test_accuracy_stays_a_share() -> None:
    found = accuracy([evaluation(99), evaluation(100)])
    assert found is not None
    assert found[1][1] == 1.0
    assert accuracy([]) is None


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy", None)
    assert accuracy([evaluation(7)]) is not None
    with pytest.raises(MissingComponent, match="scipy"):
        accuracy([evaluation(7), evaluation(8)])


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
