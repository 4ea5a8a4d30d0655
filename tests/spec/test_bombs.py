"""However much a spec repeats, nests or misspells, its answer is near.

No time is measured here: what is charged is counted, so an answer that comes within
the allowance took no longer than a large network's. ``test_hostile_soak.py`` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import bombs
import pytest

import resgen
from resgen.expansion import network
from resgen.expansion.network import Examined, examine
from resgen.spec.places import MAX_PROBLEMS, Problems


def answered(found: Examined) -> None:
    assert (found.graph is None) == bool(found.errors)
    assert len(found.errors) <= MAX_PROBLEMS
    for problem in found.problems:
        assert len(problem.message) < 700
        assert problem.place.line >= 1


CONV = {"op": "conv", "out": 3, "kernel": 3, "stride": 2}
PATH = "b{i}." + "a." * 99 + "a"
GROWN = (
    bombs.bare("b0", blocks=bombs.doubling(40)),
    bombs.bare("b0", blocks=bombs.chain(300)),
    bombs.bare({"for": "i", "in": 900, "body": {"concat": [[], []]}}),
    bombs.bare({"for": "i", "in": 90_000, "as": PATH, "body": CONV}),
    bombs.bare(stages=[{"body": [], "dilate": True, "stride": 2}] * 90),
    bombs.bare(**{"k" * 100_000: [0] * 20_000}),
    {**bombs.bare(), "set": bombs.deep_sets()},
)


@pytest.mark.slow
@pytest.mark.parametrize("spec", GROWN)
def test_what_grows_is_refused(spec: bombs.Json) -> None:
    found = examine(spec)
    answered(found)
    assert found.errors
    assert {p.code for p in found.errors} <= {
        "RG004",
        "RG010",
        "RG041",
        "RG050",
        "RG051",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("made", "step"), [(bombs.nested, 11), (bombs.listed, 3)])
def test_repetitions_in_one_another_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: Callable[[], Iterator[tuple[str, bombs.Json]]],
    step: int,
) -> None:
    """With a small allowance: the whole of it is a soak test."""
    path = tmp_path / "bomb.json"
    monkeypatch.setattr(network, "Problems", lambda _: Problems(30_000))
    for _, spec in islice(made(), 0, None, step):
        path.write_bytes(bombs.written(spec))
        answered(examine(path))


@pytest.mark.slow
def test_the_largest_networks_of_the_zoo_are_far_from_the_allowance() -> None:
    charged: list[Problems] = []

    def counting(allowance: float) -> Problems:
        charged.append(Problems(allowance / 3))
        return charged[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "Problems", counting)
        assert examine("resnet1202_cifar").graph is not None
    assert charged


def test_strides_of_maps_that_grow_again_are_no_limit() -> None:
    """Attention of pooled maps, as in BAT (Chi et al. 2020), goes on beyond any."""
    grown = [{"op": "max_pool", "kernel": 2}, {"op": "resize", "like": "whole"}]
    body = [{"name": "whole"}, *grown]
    again = {"for": "i", "in": 40, "body": body}
    found = examine({**bombs.bare(), "input": [3, 8, 8], "head": [again]})
    assert not found.errors


def test_strides_of_a_collapsed_map_are_counted_no_further_than_can_be_shown() -> None:
    chain = {"for": "i", "in": 15_000, "body": CONV}
    shown = resgen.inspect(resgen.load(bombs.bare(chain)))
    assert len("\n".join(shown.lines())) < 2000
