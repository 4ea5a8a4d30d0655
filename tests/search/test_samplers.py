"""Samplers: what each asks for, and what it makes of what it is told."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from resgen.searching.reading import load
from resgen.searching.samplers import (
    EvolutionSampler,
    GridSampler,
    OptunaSampler,
    RandomSampler,
    Sampler,
)
from resgen.searching.space import Genes, Space


def space(places: int = 3, values: int = 4) -> Space:
    every = {f"/let/v{n}": [*range(values)] for n in range(places)}
    return load({"base": "resnet20_cifar", "vary": every})


def best(sampler: Sampler, trials: int) -> int:
    """The most that a sampler comes to of the sum of genes; above a bound is none."""
    found = 0
    for _ in range(trials):
        genes = sampler.ask()
        worth = sum(genes)
        sampler.tell(genes, float(worth) if genes[0] != 1 else None)
        found = max(found, worth if genes[0] != 1 else 0)
    return found


def test_chance_is_fair() -> None:
    sampler = RandomSampler(space(1, 4), Random(0))
    drawn = Counter(sampler.ask() for _ in range(4000))
    # Four values, 1000 each: within five standard deviations of a binomial count.
    assert all(abs(n - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5 for n in drawn.values())


def test_a_grid_asks_for_all_in_order() -> None:
    sampler = GridSampler(space(2, 3), 2)
    assert [sampler.ask() for _ in range(3)] == [(0, 2), (1, 0), (1, 1)]


def test_evolution_climbs_where_chance_does_not() -> None:
    """Of 4^20 candidates the best has 60: chance stays near the mean of 30."""
    large = space(20, 4)
    evolved = best(EvolutionSampler(large, Random(1), 0, ()), 1500)
    by_chance = best(RandomSampler(large, Random(1)), 1500)
    assert by_chance < 50 < 56 <= evolved


def test_the_oldest_dies_however_good_it_is() -> None:
    """Aging evolution: a lucky one is outlived (Real et al. 2019, section 3.1)."""
    one = space(2, 50)
    lucky: Genes = (49, 49)
    sampler = EvolutionSampler(one, Random(0), 1000, [(lucky, 1e9)])
    for _ in range(30):
        sampler.tell(sampler.ask(), 0.0)
    assert all(
        sum(a != b for a, b in zip(sampler.ask(), lucky, strict=True)) for _ in range(9)
    )


def test_optuna_learns_where_it_is_installed() -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed")
    known = [((n % 4, 3, n % 3), float(3 + n % 4)) for n in range(8)]
    assert best(OptunaSampler(space(), 0, known), 30) >= 7
