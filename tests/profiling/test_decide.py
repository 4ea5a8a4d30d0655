"""The verdict, on thousands of simulated comparisons whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal
from scipy import stats as oracle

from resgen.errors import ResgenError
from resgen.profiling.statistics.decide import (
    LEAST_FLOOR,
    LEAST_PAIRS,
    LEVEL,
    Decision,
    decide,
    floor,
    schedule,
)

Array = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int, int], Array]


def by_builds(
    rng: np.random.Generator, builds: int, effect: float, pairs: int = 8
) -> tuple[Array, Array]:
    """Ratios of A and B and of A and A, whose builds differ by 1 %, pairs by 0.3 %."""
    a, b = (0.01 * rng.standard_normal(builds) for _ in range(2))
    turn, again = np.arange(pairs) % builds, np.arange(LEAST_PAIRS - 2) % builds
    noise = 0.003 * rng.standard_normal((2, pairs))
    both = b[turn] - a[turn] + effect + noise[0]
    alike = a[(again + 1) % builds] - a[again] + noise[1][: len(again)]
    return np.exp(both), np.exp(alike)


def normal(sigma: float) -> Noise:
    return lambda rng, cases, n: sigma * rng.standard_normal((cases, n))


def correlated(rng: np.random.Generator, rho: float, cases: int, n: int) -> Array:
    noise = rng.standard_normal((cases, n + 100))
    series = signal.lfilter([1], [1, -rho], noise, axis=1)[:, 100:]
    return np.asarray(series * (1 - rho**2) ** 0.5)


def drift(rng: np.random.Generator, cases: int, n: int) -> Array:
    way = rng.choice([-0.1, 0.1], (cases, 1))
    return normal(0.01)(rng, cases, n) + way * np.linspace(0, 1, n)


def warming(rng: np.random.Generator, cases: int, n: int) -> Array:
    return normal(0.005)(rng, cases, n) + 0.1 * np.exp(-np.arange(n) / 4)


def neighbours(rng: np.random.Generator, cases: int, n: int) -> Array:
    return 0.02 * correlated(rng, 0.8, cases, n)


def wandering(rng: np.random.Generator, cases: int, n: int) -> Array:
    return np.cumsum(normal(0.01)(rng, cases, n), axis=1)


def bursts(rng: np.random.Generator, cases: int, n: int) -> Array:
    busy = correlated(rng, 0.7, cases, n) > 1
    return normal(0.005)(rng, cases, n) + busy * rng.exponential(0.2, (cases, n))


def two_modes(rng: np.random.Generator, cases: int, n: int) -> Array:
    return normal(0.003)(rng, cases, n) + 0.06 * (rng.random((cases, n)) < 0.5)


def rare_mode(rng: np.random.Generator, cases: int, n: int) -> Array:
    return normal(0.003)(rng, cases, n) + 0.06 * (rng.random((cases, n)) < 0.15)


def heavy_tails(rng: np.random.Generator, cases: int, n: int) -> Array:
    return 0.01 * rng.standard_t(2, (cases, n))


def one_place(rng: np.random.Generator, cases: int, n: int) -> Array:
    """What somebody does between blocks slows the first process of each."""
    return normal(0.005)(rng, cases, n) + 0.05 * (np.arange(n) % 4 == 0)


NOISES: dict[str, Noise] = {
    "0.3 %": normal(0.003), "1 %": normal(0.01), "3 %": normal(0.03), "drift": drift,
    "warming": warming, "neighbours": neighbours, "wandering": wandering,
    "bursts": bursts, "two modes": two_modes, "rare mode": rare_mode,
    "heavy tails": heavy_tails, "one place": one_place,
}  # fmt: skip


def pair_ratios(rng: np.random.Generator, logs: Array, delay: float) -> Array:
    """B over A for each pair, when processes run as scheduled and B is delayed."""
    order = np.array(schedule(len(logs) // 2, rng)).reshape(-1, 2)
    times = np.exp(logs.reshape(-1, 2)) * np.where(order == "B", 1 + delay, 1)
    b, a = times[order == "B"], times[order == "A"]
    return np.asarray(b / a)


def comparisons(
    noise: Noise, pairs: int, delay: float, cases: int, *, aa_pairs: int = 8
) -> list[Decision]:
    """``noise`` gives the logarithms of processes' medians; B is A, but delayed."""
    rng = np.random.default_rng(11)
    measured = noise(rng, cases, 2 * pairs)
    alone = noise(rng, cases, 2 * aa_pairs)
    return [
        decide(pair_ratios(rng, ab, delay), floor(pair_ratios(rng, aa, 0)))
        for ab, aa in zip(measured, alone, strict=True)
    ]


def wrong(decisions: list[Decision]) -> int:
    return sum(d.verdict in {"faster", "slower"} for d in decisions)


@pytest.mark.drawn(6)
@pytest.mark.parametrize("pairs", [8, 14])
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
@pytest.mark.slow
def test_false_alarms(noise: Noise, pairs: int) -> None:
    cases = 1000
    decisions = comparisons(noise, pairs, 0, cases)
    assert wrong(decisions) <= oracle.binom.ppf(0.999, cases, 1 - LEVEL)


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [8, 9, 20])
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_false_alarms_in_many(noise: Noise, pairs: int) -> None:
    cases = 10_000
    decisions = comparisons(noise, pairs, 0, cases)
    assert wrong(decisions) <= oracle.binom.ppf(0.999, cases, 1 - LEVEL)


@pytest.mark.slow
def test_false_alarms_without_a_floor() -> None:
    """The level is the test's own: the floor is a second guard, not the only one."""
    rng = np.random.default_rng(5)
    found = [decide(np.exp(x), 0) for x in normal(0.02)(rng, 1000, 10)]
    assert 0.01 * 1000 < wrong(found) <= oracle.binom.ppf(0.999, 1000, 1 - LEVEL)


def test_false_alarms_from_samples() -> None:
    """Whole processes: correlated samples with bursts, medians taken as always."""
    cases, n = 300, 100

    def medians(rng: np.random.Generator, cases: int, processes: int) -> Array:
        samples = 0.03 * correlated(rng, 0.7, cases * processes, n)
        samples += 0.5 * (correlated(rng, 0.8, cases * processes, n) > 1.3)
        base = 0.01 * rng.standard_normal((cases, processes))
        return base + np.median(samples, axis=1).reshape(cases, processes)

    assert wrong(comparisons(medians, 8, 0, cases)) <= oracle.binom.ppf(
        0.999, cases, 1 - LEVEL
    )
    slower = comparisons(medians, 12, 0.05, 100)
    assert sum(d.verdict == "slower" for d in slower) >= 90


@pytest.mark.parametrize(
    ("noise", "pairs"),
    [("0.3 %", 8), ("1 %", 8), ("drift", 8), ("neighbours", 8), ("wandering", 8)],
)
@pytest.mark.parametrize("delay", [0.05, -0.05])
def test_five_per_cent_is_seen(noise: str, pairs: int, delay: float) -> None:
    decisions = comparisons(NOISES[noise], pairs, delay, 200)
    verdict = "slower" if delay > 0 else "faster"
    assert sum(d.verdict == verdict for d in decisions) >= 0.97 * 200
    ratios = np.array([d.ratio for d in decisions])
    assert np.median(ratios) == pytest.approx(1 + delay, abs=0.003)


def test_more_pairs_see_through_more_noise() -> None:
    power = [
        np.mean([d.verdict == "slower" for d in
                 comparisons(normal(0.02), pairs, 0.05, 200, aa_pairs=pairs)])
        for pairs in (8, 20)
    ]  # fmt: skip
    assert power[0] > 0.7
    assert power[1] > 0.95


def test_intervals_contain_the_ratio() -> None:
    decisions = comparisons(normal(0.02), 10, 0.03, 1000)
    hits = sum(d.interval[0] <= 1.03 <= d.interval[1] for d in decisions)
    assert hits == pytest.approx(1000 * LEVEL, abs=15)


def test_the_same_is_found_equal_in_time() -> None:
    counts = Counter(d.verdict for d in comparisons(normal(0.01), 20, 0, 300))
    assert counts["equal"] > 0.85 * 300


@pytest.mark.parametrize("delay", [0.0, 0.02])
@pytest.mark.slow
def test_advice_on_more_pairs_leads_to_a_verdict(delay: float) -> None:
    rng = np.random.default_rng(9)
    decided, asked = 0, 0
    for _ in range(400):
        ratios = (1 + delay) * np.exp(0.02 * rng.standard_normal(8))
        first = decide(ratios, 0.02)
        if first.verdict == "undecided" and first.more_pairs is not None:
            assert first.more_seconds_factor == first.more_pairs / 8
            more = (1 + delay) * np.exp(0.02 * rng.standard_normal(first.more_pairs))
            second = decide([*ratios, *more], 0.02)
            asked += 1
            decided += second.verdict != "undecided"
    assert asked > 100
    # Their mean and spread are not what they seemed, so more often than not is all.
    assert decided > asked / 2


@pytest.mark.parametrize("seed", [2, 4, 5, 7])  # in two of them t is the greater
def test_decision_is_that_of_t_and_of_exchanging(seed: int) -> None:
    ratios = np.exp(np.random.default_rng(seed).normal(0.02, 0.02, 9))
    decision = decide(ratios, 0.001)
    test = oracle.ttest_1samp(np.log(ratios), 0)
    interval = test.confidence_interval(LEVEL)
    assert decision.interval == pytest.approx(np.exp([interval.low, interval.high]))
    assert decision.ratio == pytest.approx(oracle.gmean(ratios))
    exchanged = oracle.permutation_test(
        (np.log(ratios),), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert decision.p == pytest.approx(max(test.pvalue, exchanged.pvalue))


def test_exchanging_many_pairs_is_sampled() -> None:
    ratios = np.exp(np.random.default_rng(4).normal(0.006, 0.02, 40))
    decision = decide(ratios, 0.001)
    test = oracle.ttest_1samp(np.log(ratios), 0)
    assert decision.p == pytest.approx(test.pvalue, abs=0.02)
    assert decision == decide(ratios, 0.001)
    # Of 10,000 random exchanges none is as far out, yet p is not 0.
    assert decide([1.05, 1.06] * 10, 0.001).p == pytest.approx(1 / 10_001)


def test_one_outlier_among_eight_is_no_evidence() -> None:
    assert decide([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0], 0.01).verdict == "undecided"


def test_exchanging_a_and_b_exchanges_the_verdict() -> None:
    ratios = np.exp(np.random.default_rng(6).normal(0.05, 0.01, 8))
    slower, faster = decide(ratios, 0.01), decide(1 / ratios, 0.01)
    assert (slower.verdict, faster.verdict) == ("slower", "faster")
    assert slower.ratio * faster.ratio == pytest.approx(1)
    assert slower.interval[0] * faster.interval[1] == pytest.approx(1)
    assert slower.p == pytest.approx(faster.p)
    assert slower.more_pairs is None
    assert slower.more_seconds_factor is None


def test_a_difference_within_the_floor_is_none() -> None:
    ratios = np.exp(np.random.default_rng(6).normal(0.01, 0.001, 12))
    assert decide(ratios, 0.02).verdict == "equal"
    assert decide(ratios, 0.005).verdict == "slower"


def test_fewer_than_eight_pairs_decide_nothing() -> None:
    few = decide([1.5] * (LEAST_PAIRS - 1), 0.01)
    assert few.verdict == "undecided"
    assert few.more_pairs == 1
    assert decide([1.5] * LEAST_PAIRS, 0.01).verdict == "slower"
    assert decide([1.0] * LEAST_PAIRS, 0.01).verdict == "equal"


def test_two_looks_share_the_level() -> None:
    """With seven of eight the same way, one look decides and a second one may not."""
    ratios = [1.05, 1.05, 1.06, 1.05, 1.04, 1.05, 1.05, 0.999]
    assert decide(ratios, 0.01).verdict == "slower"
    assert decide(ratios, 0.01, level=1 - (1 - LEVEL) / 3).verdict == "undecided"


def test_too_little_to_say_anything() -> None:
    for ratios in ([], [1.0]):
        with pytest.raises(ResgenError, match="fewer than 2 pairs") as failure:
            decide(ratios, 0.01)
        assert failure.value.hint is not None
        with pytest.raises(ResgenError, match="fewer than 2 pairs"):
            floor(ratios)
    for broken in (0.0, float("nan"), float("inf"), -1.0):
        with pytest.raises(ValueError, match="above 0"):
            decide([1.0, broken], 0.01)


def test_floor_covers_noise_and_bias() -> None:
    rng = np.random.default_rng(0)
    assert floor([1.0] * 8) == LEAST_FLOOR
    quiet, loud = (floor(np.exp(rng.normal(0, s, 10))) for s in (0.003, 0.03))
    assert 0.002 < quiet < 0.006
    assert 0.02 < loud < 0.06
    assert floor([1.05] * 8) == pytest.approx(0.05)
    # Of two names of one difference, B over A and A over B, neither is favoured.
    assert floor([1 / 1.05] * 8) == pytest.approx(0.05)
    assert floor(np.exp(rng.normal(0, 0.01, 40))) < floor(
        np.exp(rng.normal(0, 0.01, 5))
    )


@pytest.mark.parametrize("pairs", [1, 2, 7, 8, 9, 20])
def test_schedule(pairs: int) -> None:
    rng = np.random.default_rng(0)
    seen = {"".join(schedule(pairs, rng)) for _ in range(200)}
    for order in seen:
        assert len(order) == 2 * pairs
        assert all(set(order[i : i + 2]) == {"A", "B"} for i in range(0, len(order), 2))
        blocks = [order[i : i + 4] for i in range(0, 4 * (pairs // 2), 4)]
        assert set(blocks) <= {"ABBA", "BAAB"}
        assert abs(blocks.count("ABBA") - blocks.count("BAAB")) <= 1 + pairs % 2
    assert {order[0] for order in seen} == {"A", "B"}
    assert len(seen) >= min(20, pairs // 2)


# --- engines that are built several times ---------------------------------------------


def verdicts(builds: int, effect: float, *, count: bool = True) -> Counter[str]:
    rng = np.random.default_rng(0)
    found: Counter[str] = Counter()
    for _ in range(1000):
        pairs, alike = by_builds(rng, builds, effect)
        ours = decide(pairs.tolist(), floor(alike.tolist()), level=0.99,
                      builds=builds if count else 1)  # fmt: skip
        found[ours.verdict] += 1
    return found


@pytest.mark.parametrize("builds", [3, 4])
@pytest.mark.slow
def test_builds_that_differ_are_no_difference_of_networks(builds: int) -> None:
    found = verdicts(builds, 0.0)
    assert found["faster"] + found["slower"] <= 0.02 * found.total()
    # What it would be if each pair were a witness of its own.
    naive = verdicts(3, 0.0, count=False)
    assert naive["faster"] + naive["slower"] > 0.05 * naive.total()


def test_four_builds_find_what_is_five_times_their_differences() -> None:
    found = verdicts(4, 0.05)
    assert found["slower"] > 0.65 * found.total()
    assert found["faster"] == 0


def test_more_pairs_of_the_same_builds_are_no_advice() -> None:
    ratios = [1.0, 1.06] * 4
    assert decide(ratios, 0.001).more_pairs is not None
    assert decide(ratios, 0.001, builds=4).more_pairs is None


def test_pairs_that_differ_wildly_leave_it_undecided_within_bounds() -> None:
    """Two of each kind are all that a busy machine has time for."""
    found = decide([0.2, 9.0], floor([0.1, 30.0]))
    low, high = found.interval
    assert found.verdict == "undecided"
    assert 0 < low < found.ratio < high < 1e9  # what a record of it may hold
    assert found.floor < 100
