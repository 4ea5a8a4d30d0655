"""What networks tell that were held out."""

from __future__ import annotations

from resgen.latency.checks import Check, Checks


def test_a_prediction_is_judged_by_the_median_of_the_times() -> None:
    """One slow minute is no fault of the prediction, and is told beside it."""
    good = Check("a", 1.05, (0.9, 1.1), (1.5, 1.0, 1.02))
    bad = Check("b", 1.3, (1.2, 1.4), (1.0, 1.0, 1.0))
    checks = Checks((good, bad))
    assert checks.close() == 0.5
    assert checks.close(0.01) == 0.0
    assert checks.inside() == 0.5
    assert checks.steady() == 0.5
    told = "\n".join(checks.lines())
    assert "2 networks" in told
    assert "0 % within 5 %, 50 % within 10 %, 50 % within 20 %" in told
    assert "50 % took what their interval says" in told


def test_without_a_network_nothing_is_told() -> None:
    assert Checks(()).close() is None
    assert list(Checks(()).lines()) == []
