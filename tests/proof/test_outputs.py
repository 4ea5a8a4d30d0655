"""How closely outputs have to agree, on numbers that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from resgen.proof.compare import Departure, Recorded, compare_outputs
from resgen.runtime.base import Array


@dataclass
class Answers:
    """An engine that gives what it was given."""

    outputs: Mapping[str, Array]
    name: str = "the other"

    def run(self, feeds: Mapping[str, Array]) -> Mapping[str, Array]:
        return self.outputs


def test_small_numbers_are_held_to_their_range_unless_they_are_a_sigmoids():
    """Engines compute a sigmoid as closely as float32 rounds at 1/2, and no closer."""
    wanted = np.linspace(0, 1e-6, 50, dtype=np.float32)[None]
    feeds = {"input": np.zeros((1, 1), np.float32)}
    recorded = Recorded("the one", ((feeds, {"y": wanted}),))
    other = Answers({"y": wanted + np.float32(2e-7)})

    def exactly(_: Mapping[str, Array]) -> Mapping[str, Array]:
        return {"y": wanted.astype(np.float64)}

    with pytest.raises(Departure):
        compare_outputs(recorded, other, exactly)
    found = compare_outputs(recorded, other, exactly, {"y"})
    assert found.relative == pytest.approx(0.2, rel=0.01)
    far = Answers({"y": wanted + np.float32(1e-6)})
    with pytest.raises(Departure):
        compare_outputs(recorded, far, exactly, {"y"})
