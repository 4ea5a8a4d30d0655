"""The page of a choice, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resgen.reports.choice import render
from resgen.reports.tables import Table


@pytest.mark.slow
def test_the_page_draws_the_networks_and_the_budget(opened: Callable[..., Any]) -> None:
    points = [
        {
            "name": f"net{at}",
            "weights": "w",
            "top1": 70.0 + at,
            "latency": 0.004 * 2**at,
            "measured": at < 2,
            "front": at != 1,
        }
        for at in range(4)
    ]
    table = Table.words("the front", ["network"], [[p["name"]] for p in points], 1)
    page = opened(
        render(
            budget=0.008,
            facts="here",
            sentences=["net1 <is> it"],
            commands=["resgen profile net1"],
            front=table,
            others=table,
            points=points,
        )
    )
    page.wait_for_selector("#choice canvas, #choice svg")
    assert "net1 <is> it" in page.inner_text("#summary")
    assert "resgen profile net1" in page.inner_text("#summary pre")
    assert page.locator("#front tbody tr").count() == 4
