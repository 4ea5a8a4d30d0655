"""The page of a search, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resgen.reports.search import render
from resgen.searching.journal import Trial
from resgen.searching.outcome import Beside, Found, Outcome
from resgen.searching.price import Bounds, Price
from resgen.searching.verdict import against_chance


@pytest.mark.slow
def test_the_page_draws_candidates_and_names_the_best(
    opened: Callable[..., Any],
) -> None:
    prices = [Price(10**5 + at, 10**7 + 10**4 * at, 1000) for at in range(50)]
    trials = [Trial((at,), price, price.params, {}) for at, price in enumerate(prices)]
    best = Found("net<1>", {"/a": 1}, prices[-1], prices[-1].params, {}, (4e-3, 5e-3))
    outcome = Outcome(
        "1", "space", "0" * 64, 1e6, 1e6, exact=False, bounds=Bounds(macs=2e7),
        score="params", sampler="evolution", seed=0, drawn=100, chance=100, within=50,
        refused={"macs": 140, "RG112": 10}, rate=800.0, winners=(best,),
        by_chance=best, against_chance=against_chance([5, 6, 7, 8], [1, 2, 3, 9]),
        conditions=None, beside=(Beside("other", "undecided", 1.01, (0.9, 1.1)),),
        doubts=("a cat walked by",), spec="net.json",
    )  # fmt: skip
    page = opened(render(outcome, trials))
    page.wait_for_selector("#search canvas, #search svg")
    told = page.inner_text("#summary")
    assert "net<1>" in told
    assert "undecided" in told
    assert "a cat walked by" in told
    assert page.locator("#thrown tbody tr").count() == 2
