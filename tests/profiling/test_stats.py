"""Figures of samples: intervals that contain what they promise to contain."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal
from scipy import stats as oracle

from resgen.errors import MissingComponent
from resgen.profiling.statistics.stats import (
    block_length,
    drift,
    median_interval,
    percentile,
    summarize,
)
from resgen.records.profile import Samples

RUNS = 300


def correlated(
    rho: float, n: int, runs: int = RUNS, seed: int = 7
) -> NDArray[np.float64]:
    """Standard normal series whose neighbours have correlation ``rho``, one a row."""
    noise = np.random.default_rng(seed).standard_normal((runs, n + 200))
    series = signal.lfilter([1], [1, -rho], noise, axis=1)[:, 200:]
    return np.asarray(series * (1 - rho**2) ** 0.5)


def inside(interval: tuple[float, float], value: float) -> bool:
    return interval[0] <= value <= interval[1]


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("rho", "n", "least"), [(0, 30, 0.93), (0, 1000, 0.93), (0.5, 100, 0.88),
                            (0.5, 1000, 0.92), (0.9, 1000, 0.86)]
)  # fmt: skip
@pytest.mark.slow
def test_interval_contains_the_median(rho: float, n: int, least: float) -> None:
    # Heavy to the right, as times are; the true median is 1.
    runs = np.exp(0.05 * correlated(rho, n))
    hits = [inside(median_interval(x, block_length(x)), 1.0) for x in runs]
    assert np.mean(hits) >= least


@pytest.mark.slow
def test_interval_in_two_modes() -> None:
    slow = correlated(0.8, 2000) > oracle.norm.ppf(0.7)
    times = 1 + 0.3 * slow + 0.01 * correlated(0, 2000, seed=8)
    truth = 1 + 0.01 * oracle.norm.ppf(0.5 / 0.7)
    hits = [inside(median_interval(x, block_length(x)), truth) for x in times]
    assert np.mean(hits) >= 0.90


def test_interval_is_that_of_a_plain_bootstrap() -> None:
    times = np.random.default_rng(3).lognormal(0, 0.1, 25)
    # The same widening for few samples as in the module, by its definition.
    wide = oracle.t.ppf(0.975, 24) * (25 / 24) ** 0.5
    level = 1 - 2 * oracle.norm.cdf(-wide)
    plain = oracle.bootstrap(
        (times,), np.median, confidence_level=level, method="percentile",
        n_resamples=20_000, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    ours = median_interval(times, 1)
    width = plain.high - plain.low
    assert ours == pytest.approx((plain.low, plain.high), abs=0.1 * width)


def test_interval_narrows_with_more_samples() -> None:
    times = np.exp(0.05 * correlated(0.5, 16_000, 1)[0])
    widths = []
    for n in (250, 1000, 4000, 16_000):
        low, high = median_interval(times[:n], block_length(times[:n]))
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)
    assert widths[0] / widths[-1] == pytest.approx(8, rel=0.4)


def test_interval_of_very_few_samples_is_their_range() -> None:
    assert median_interval(np.array([3.0, 1.0, 2.0]), 1) == (1.0, 3.0)
    assert median_interval(np.array([3.0]), 1) == (3.0, 3.0)


def test_blocks_grow_with_correlation() -> None:
    lengths = [
        np.median([block_length(x) for x in correlated(rho, 1000, 50)])
        for rho in (0, 0.5, 0.9, 0.97)
    ]
    assert lengths[0] == 1
    assert lengths == sorted(set(lengths))


def test_one_slow_sample_hides_no_correlation() -> None:
    times = 1 + 0.01 * correlated(0.9, 1000, 1)[0]
    before = block_length(times)
    times[500] = 1000.0
    assert block_length(times) == pytest.approx(before, abs=2)
    assert before > 10


@pytest.mark.parametrize(("share", "least"), [(0.9, 36), (0.95, 72), (0.99, 368)])
def test_percentiles_need_samples(share: float, least: int) -> None:
    # 1 - share^n: the chance that any sample lies beyond; it has to be 97.5 %.
    rng = np.random.default_rng(0)
    assert percentile(rng.permutation(least - 1) + 1.0, share) == (None, None)
    value, interval = percentile(rng.permutation(least) + 1.0, share)
    assert value is not None
    assert interval is not None
    assert inside(interval, value)
    assert interval[1] == least


@pytest.mark.parametrize("share", [0.9, 0.95, 0.99])
def test_percentile_intervals_are_binomial(share: float) -> None:
    order = np.random.default_rng(0).permutation(5000) + 1.0  # a time is its rank
    value, interval = percentile(order, share)
    assert value == pytest.approx(5000 * share, abs=1)
    low, high = oracle.binom.ppf([0.025, 0.975], 5000, share)
    assert interval == (low, high + 1)


@pytest.mark.parametrize("rho", [0, 0.5, 0.8])
@pytest.mark.slow
def test_percentile_intervals_contain_the_percentile(rho: float) -> None:
    runs = np.exp(0.05 * correlated(rho, 2000))
    for share in (0.9, 0.95, 0.99):
        truth = np.exp(0.05 * oracle.norm.ppf(share))
        intervals = [percentile(x, share)[1] for x in runs]
        known = [i for i in intervals if i is not None]
        assert len(known) > RUNS / 2
        assert np.mean([inside(i, truth) for i in known]) >= 0.90


def test_one_burst_is_one_witness() -> None:
    rng = np.random.default_rng(0)
    scattered = rng.normal(1, 0.01, 1000)
    burst = scattered.copy()
    scattered[rng.choice(1000, 12, replace=False)] += 1
    burst[400:412] += 1
    assert percentile(scattered, 0.99)[0] is not None
    assert percentile(burst, 0.99) == (None, None)


@pytest.mark.parametrize("rho", [0, 0.5, 0.9])
def test_drift_is_not_seen_where_there_is_none(rho: float) -> None:
    alarms = [drift(x)[1] < 0.05 for x in np.exp(0.05 * correlated(rho, 1000))]
    assert np.mean(alarms) <= 0.08


def test_drift_is_seen() -> None:
    noise = np.exp(0.03 * correlated(0.3, 1000, 100))
    for times in noise * np.linspace(1, 1.06, 1000):
        change, p = drift(times)
        assert change == pytest.approx(1.03, abs=0.015)
        assert p < 0.05
    for times in noise:
        times[500:] *= 0.97
        change, p = drift(times)
        assert change == pytest.approx(0.97, abs=0.015)
        assert p < 0.05


def test_drift_is_seen_past_an_outlier() -> None:
    times = 1 + 0.01 * correlated(0, 200, 1)[0] + np.linspace(0, 0.05, 200)
    times[20] = 100.0
    change, p = drift(times)
    assert change == pytest.approx(1.025, abs=0.01)
    assert p < 0.01


def test_summary() -> None:
    times = np.random.default_rng(0).lognormal(-7, 0.1, 2000)
    samples = Samples(at=tuple(np.cumsum(times)), seconds=tuple(times), block=20)
    summary = summarize(samples)
    assert summary == summarize(samples)
    assert summary.n == 2000
    assert summary.min == times.min()
    assert summary.median == np.median(times)
    assert summary.mean == pytest.approx(times.mean())
    assert summary.iqr == pytest.approx(oracle.iqr(times))
    assert summary.p99 == np.quantile(times, 0.99)
    assert inside(summary.median_interval, summary.median)
    for interval in (summary.p90_interval, summary.p95_interval, summary.p99_interval):
        assert interval is not None
        assert interval[0] < interval[1]


@pytest.mark.parametrize("n", [1, 2, 5, 6, 9, 10, 11, 25, 26, 127, 128, 129, 500])
def test_summary_of_equal_times(n: int) -> None:
    """A coarse clock gives equal times; that is no reason to fail, or to see drift."""
    summary = summarize(Samples(at=tuple(map(float, range(n))), seconds=(0.5,) * n))
    assert summary.median_interval == (0.5, 0.5)
    assert (summary.drift, summary.drift_p) == (1.0, 1.0)
    assert summary.iqr == 0


@pytest.mark.parametrize("n", [1, 2, 5, 6, 9, 10, 11, 25, 26, 127, 128, 129, 500])
def test_figures_are_in_order_at_every_size(n: int) -> None:
    times = np.random.default_rng(n).lognormal(0, 1, n)
    summary = summarize(Samples(at=tuple(times), seconds=tuple(times), block=7))
    low, high = summary.median_interval
    assert summary.min <= low <= summary.median <= high <= times.max()
    assert 0 <= summary.drift_p <= 1


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingComponent, match="scipy") as failure:
        summarize(Samples(at=(0.0,) * 50, seconds=tuple(np.arange(50.0))))
    assert failure.value.hint == 'pip install "resgen[profile]"'


def test_scipy_is_imported_only_where_it_is_used() -> None:
    program = (
        "import sys\n"
        "from resgen.profiling.statistics import decide, stats\n"
        "sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
