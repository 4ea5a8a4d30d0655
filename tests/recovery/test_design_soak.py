"""The whole zoo recovered, with a table of how it compares with what people wrote."""

from __future__ import annotations

import time

import pytest
from as_read import by_hand, read, size
from readable import faults

import resgen
from resgen.recovery.recover import design, met
from resgen.spec import zoo


@pytest.mark.soak
def test_the_zoo_recovered_is_as_short_as_what_people_wrote() -> None:
    ratios = []
    for name in zoo.names():
        flat = read(name)
        began = time.perf_counter()
        made = design(flat)
        took = time.perf_counter() - began
        assert met(flat.graph, made), name
        assert not list(faults(made)), name
        ours, theirs = size(made), size(by_hand(name))
        found, wanted = len(made["stages"]), len(resgen.load(name).stages)
        ratios.append((ours / theirs, name))
        print(
            f"{ours / theirs:6.2f} {ours:6} {theirs:6} stages {found:2} of {wanted:2}"
            f" {took:5.1f} s {name}"
        )
    ratios.sort()
    count = len(ratios)
    for share in (0.25, 0.5, 0.75, 0.9):
        print(f"{share:.0%}: {ratios[int(share * count)][0]:.2f}")
    print("worst:", ", ".join(f"{n} {r:.2f}" for r, n in ratios[-10:]))
    assert ratios[count // 2][0] <= 1
