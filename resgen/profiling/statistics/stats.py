"""Figures of samples that were taken one after another, with honest intervals.

Neighbouring times are correlated: a clock that drops or a neighbour's load lasts for
many of them. Intervals that take them for independent are too narrow, so here medians
are bootstrapped in blocks and percentiles count only the independent samples.
"""

from __future__ import annotations

from types import ModuleType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resgen.errors import MissingComponent
from resgen.records.profile import Interval, Samples, Summary

Seconds: TypeAlias = NDArray[np.float64]

LEVEL: Final = 0.95
RESAMPLES: Final = 1000
#: Of more blocks than this an interval gets hardly narrower, but shorter ones miss
#: correlation that lasts longer than the samples could show.
MOST_BLOCKS: Final = 25
#: Of fewer blocks than this nobody can tell how much blocks differ.
LEAST_BLOCKS: Final = 10
#: Below this even the extremes do not contain the median at 95 %: 2 / 2^n > 5 %.
LEAST_SAMPLES: Final = 6
#: Order statistics among which a resample's median is looked for.
CANDIDATES: Final = 128


def special() -> ModuleType:
    """``scipy.special``; :class:`~resgen.errors.MissingComponent` without scipy."""
    try:
        from scipy import special
    except ImportError as missing:
        raise MissingComponent(
            "scipy", "times cannot be judged", 'pip install "resgen[profile]"'
        ) from missing
    module: ModuleType = special
    return module


def summarize(samples: Samples) -> Summary:
    """All figures of a run; the same samples give the same figures.

    ``seconds`` must not be empty. A percentile is None where its interval would reach
    beyond the greatest sample.
    """
    seconds = np.asarray(samples.seconds, np.float64)
    block = max(samples.block, block_length(seconds))
    quarter, median, three_quarters = np.quantile(seconds, [0.25, 0.5, 0.75])
    percentiles = [percentile(seconds, share) for share in (0.9, 0.95, 0.99)]
    (p90, p90_interval), (p95, p95_interval), (p99, p99_interval) = percentiles
    change, p = drift(seconds)
    return Summary(
        n=len(seconds),
        min=float(seconds.min()),
        median=float(median),
        median_interval=median_interval(seconds, block),
        mean=float(seconds.mean()),
        iqr=float(three_quarters - quarter),
        p90=p90,
        p90_interval=p90_interval,
        p95=p95,
        p95_interval=p95_interval,
        p99=p99,
        p99_interval=p99_interval,
        drift=change,
        drift_p=p,
    )


def median_interval(seconds: Seconds, block: int) -> Interval:
    """Where the median lies, by the circular block bootstrap (Politis, Romano 1992).

    ``block`` is from :func:`block_length`; it is held to :data:`LEAST_BLOCKS` to
    :data:`MOST_BLOCKS` blocks. Percentiles of few resampled blocks are too narrow, so
    they are widened as a t interval is (Hesterberg 2015, "expanded percentile"). A
    fixed seed makes the figure reproducible. Below :data:`LEAST_SAMPLES` samples it is
    their whole range.
    """
    n = len(seconds)
    if n < LEAST_SAMPLES:
        return float(seconds.min()), float(seconds.max())
    block = _held(block, n)
    medians = _resampled_medians(seconds, block, np.random.default_rng(0))
    functions, drawn = special(), -(-n // block)
    wide = functions.stdtrit(drawn - 1, (1 + LEVEL) / 2) * (drawn / (drawn - 1)) ** 0.5
    tail = functions.ndtr(-wide)
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)


def _held(block: int, n: int) -> int:
    return max(1, min(max(block, -(-n // MOST_BLOCKS)), n // LEAST_BLOCKS))


def _resampled_medians(
    seconds: Seconds, block: int, rng: np.random.Generator
) -> Seconds:
    """The medians of :data:`RESAMPLES` resamples, found by counting.

    How many samples of a block lie at or below a candidate is known beforehand, so a
    resample costs one sum a block instead of one partition of all its samples.
    """
    n, order = len(seconds), np.sort(seconds)
    drawn = -(-n // block)
    below = _block_sums((seconds <= order[(n - 1) // 2])[:, None], block)
    # Candidates lie as far out as the resampled medians' ranks can be expected to.
    reach = max(4 * float(below.std()) * drawn**0.5, CANDIDATES / 2)
    first, last = max(0.0, n / 2 - reach), min(n - 1.0, n / 2 + reach)
    candidates = np.unique(order[np.linspace(first, last, CANDIDATES).astype(int)])
    place = np.searchsorted(candidates, seconds)
    counts = _block_sums(place[:, None] <= np.arange(len(candidates)), block)
    starts = rng.integers(0, n, (RESAMPLES, drawn))
    totals = np.zeros((RESAMPLES, len(candidates)), np.int32)
    for column in starts.T:
        totals += counts[column]
    half, last_candidate = drawn * block / 2, len(candidates) - 1
    lower = np.minimum((totals < half).sum(axis=1), last_candidate)
    upper = np.minimum((totals <= half).sum(axis=1), last_candidate)
    medians: Seconds = (candidates[lower] + candidates[upper]) / 2
    return medians


def _block_sums(marks: NDArray[np.bool_], block: int) -> NDArray[np.int32]:
    """For every start, how many of a circular block's samples are marked, by column."""
    around = np.concatenate([marks, marks[: block - 1]])
    sums = np.zeros((len(around) + 1, marks.shape[1]), np.int32)
    np.cumsum(around, axis=0, out=sums[1:], dtype=np.int32)
    return sums[block:] - sums[:-block]


def block_length(seconds: Seconds) -> int:
    """How many neighbours make a block that is nearly independent of the next.

    The automatic choice of Politis and White (2004, corrected 2009) for the circular
    bootstrap, on signs about the median: these are what a median's variance depends
    on, and a single slow sample does not hide the correlation of the others.
    """
    n = len(seconds)
    total, slope = _correlation(np.sign(seconds - np.median(seconds)))
    if slope == 0 or total <= 0:
        return 1
    best = float((1.5 * (slope / total) ** 2 * n) ** (1 / 3))
    return max(1, min(round(best), int(min(3 * n**0.5, n / 3))))


def _correlation(series: Seconds) -> tuple[float, float]:
    """The sums of correlations and of |lag| x correlation, over lags of both signs.

    The first is 1 for independent samples, and else how many of them count as one. Lags
    end where correlation is lost in noise, and are tapered by the flat-top window.
    """
    n = len(series)
    centred = series - series.mean() if n else series
    power = float(centred @ centred)
    if n < LEAST_SAMPLES or power == 0:
        return 1.0, 0.0
    transformed = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    correlation = np.fft.irfft(np.abs(transformed) ** 2)[:n] / power
    digits = np.log10(n)
    quiet_run, bound = max(5, int(np.ceil(digits**0.5))), 2 * (digits / n) ** 0.5
    most = min(n - 1, int(np.ceil(n**0.5)) + quiet_run)
    loud = np.flatnonzero(np.abs(correlation[1 : most + 1]) >= bound) + 1
    # The last loud lag that no run of quiet ones comes before.
    gaps = np.diff(loud, prepend=0)
    until = np.flatnonzero(gaps > quiet_run)
    heard = loud[: until[0]] if len(until) else loud
    last = 2 * int(heard[-1]) if len(heard) else 0
    if last == 0:
        return 1.0, 0.0
    lags = np.arange(1, min(last, n - 1) + 1)
    weighted = np.minimum(1, 2 * (1 - lags / last)) * correlation[lags]
    return 1 + 2 * float(weighted.sum()), 2 * float((lags * weighted).sum())


def percentile(
    seconds: Seconds, share: float
) -> tuple[float, Interval] | tuple[None, None]:
    """A percentile and its interval, both None where the sample is too small.

    The interval ends at order statistics, by the binomial distribution: exact whatever
    the distribution of the times. Correlated samples count as fewer: slow ones come in
    bursts, and ten of one burst are not ten independent witnesses.
    """
    value, n = float(np.quantile(seconds, share)), len(seconds)
    together = max(1.0, _correlation((seconds > value).astype(np.float64))[0])
    independent = int(n / together)
    low, high = _ranks(independent, share)
    if low < 1 or high > independent:
        return None, None
    order, scale = np.sort(seconds), n / independent
    first, last = int(low * scale), min(n, int(np.ceil(high * scale)))
    return value, (float(order[first - 1]), float(order[last - 1]))


def _ranks(n: int, share: float) -> tuple[int, int]:
    """Ranks, from 1, of the order statistics between which a percentile lies."""
    if n == 0:
        return 0, 1
    functions, tail = special(), (1 - LEVEL) / 2

    def least(probability: float) -> int:
        """The least count that is reached with this probability."""
        count = max(0, int(np.ceil(functions.bdtrik(probability, n, share))) - 1)
        return count if functions.bdtr(count, n, share) >= probability else count + 1

    return least(tail), least(1 - tail) + 1


def drift(seconds: Seconds) -> tuple[float, float]:
    """The second half's median over the first's, and the p-value of no change.

    A t test on the mean ranks of :data:`LEAST_BLOCKS` blocks: Mann and Whitney's test,
    for samples that are independent only from block to block.
    """
    n = len(seconds)
    half, blocks = n // 2, LEAST_BLOCKS // 2
    if n < LEAST_BLOCKS:
        return 1.0, 1.0
    change = float(np.median(seconds[half:]) / np.median(seconds[:half]))
    ranks = _ranked(seconds)
    means = np.array(
        [
            [part.mean() for part in np.array_split(side, blocks)]
            for side in (ranks[:half], ranks[half:])
        ]
    )
    noise = float(means.var(axis=1, ddof=1).mean())
    difference = abs(float(means[1].mean() - means[0].mean()))
    if noise == 0:
        return change, 1.0 if difference == 0 else 0.0
    t = difference / (2 * noise / blocks) ** 0.5
    return change, float(2 * special().stdtr(2 * blocks - 2, -t))


def _ranked(seconds: Seconds) -> Seconds:
    """Ranks from 0, the mean rank where several are equal."""
    order = np.sort(seconds)
    left = np.searchsorted(order, seconds, "left")
    ranks: Seconds = (left + np.searchsorted(order, seconds, "right") - 1) / 2
    return ranks
