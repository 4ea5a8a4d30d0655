"""The search for the best network that is fast enough, on machines of our own."""

from __future__ import annotations

import numpy as np
import pytest

from resgen.latency.choosing import Candidate, Search, Timed, settle

COUNT = 200


def candidates(seed: int) -> tuple[list[Candidate], dict[str, float]]:
    """Networks whose accuracy grows with what they cost, and what each takes."""
    generator = np.random.default_rng(seed)
    macs = np.exp(generator.uniform(np.log(5e7), np.log(2e10), COUNT))
    moved = macs**0.8 * np.exp(generator.normal(2, 0.4, COUNT))
    kernels = generator.integers(20, 300, COUNT)
    top1 = 40 + 4 * np.log10(macs) + generator.normal(0, 1.5, COUNT)
    took = (macs / 55e9 + moved / 8e9 + kernels * 9e-6) * np.exp(
        generator.normal(0, 0.08, COUNT)
    )
    found = [
        Candidate(str(at), float(top1[at]), (macs[at], moved[at], float(kernels[at])))
        for at in range(COUNT)
    ]
    return found, {str(at): float(took[at]) for at in range(COUNT)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("budget", [0.004, 0.02, 0.1])
def test_the_answer_is_the_best_of_all_though_few_are_timed(
    seed: int, budget: float
) -> None:
    found, took = candidates(seed)
    asked: list[str] = []

    def time(each: Candidate) -> Timed:
        asked.append(each.key)
        return Timed(took[each.key], 1.02 * took[each.key])

    search = Search(found, budget, {})
    best, sure = settle(search, time, again=time, enough=lambda: False)
    within = [each for each in found if 1.02 * took[each.key] <= budget]
    assert best == max(within, key=lambda each: each.top1)
    assert sure
    assert len(set(asked)) < COUNT / 4
    # Nobody is both faster and as accurate as what is on the front.
    front = search.front()
    for each in front:
        faster = (e for e in found if search.latency(e) < search.latency(each))
        assert all(other.top1 < each.top1 for other in faster)


def test_what_is_known_is_not_timed_again() -> None:
    found, took = candidates(0)
    known = {key: Timed(each, each) for key, each in took.items()}
    again: list[str] = []

    def once_more(each: Candidate) -> Timed:
        again.append(each.key)
        return known[each.key]

    search = Search(found, 0.02, known)
    best, _ = settle(search, pytest.fail, again=once_more, enough=lambda: False)
    assert best is not None
    assert again == [best.key]


def test_what_is_too_slow_when_looked_at_for_longer_is_not_named() -> None:
    found, took = candidates(0)
    known = {key: Timed(each, each) for key, each in took.items()}
    slow = Search(found, 0.02, known).best()
    assert slow is not None

    def once_more(each: Candidate) -> Timed:
        factor = 2 if each == slow else 1
        return Timed(took[each.key], factor * took[each.key])

    search = Search(found, 0.02, known)
    best, sure = settle(search, pytest.fail, again=once_more, enough=lambda: False)
    assert best is not None
    assert best.top1 < slow.top1
    assert sure


def test_a_budget_that_nothing_meets_has_a_nearest() -> None:
    found, took = candidates(0)
    search = Search(found, 1e-5, {})

    def time(each: Candidate) -> Timed:
        return Timed(took[each.key], took[each.key])

    best, sure = settle(search, time, again=time, enough=lambda: False)
    assert best is None
    assert sure
    assert took[search.nearest().key] < 3 * min(took.values())


def test_time_that_is_up_ends_it_unsure() -> None:
    found, _ = candidates(0)
    search = Search(found, 0.02, {})
    best, sure = settle(search, pytest.fail, again=pytest.fail, enough=lambda: True)
    assert (best, sure) == (None, False)


def test_a_network_that_cannot_be_timed_is_left_out() -> None:
    found, took = candidates(1)

    def time(each: Candidate) -> Timed | None:
        if int(each.key) % 2:
            return None
        return Timed(took[each.key], took[each.key])

    search = Search(found, 0.02, {})
    best, _ = settle(search, time, again=time, enough=lambda: False)
    assert best is not None
    assert int(best.key) % 2 == 0
