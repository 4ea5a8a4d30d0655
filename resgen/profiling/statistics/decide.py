"""Is B faster than A? A verdict whose error rate is known.

The unit of evidence is a pair of fresh processes, one for A and one for B, beside each
other in time. Samples within a process are no evidence about the next one: its memory
lies elsewhere, and that alone moves its median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resgen.errors import ResgenError
from resgen.profiling.statistics.stats import special
from resgen.records.profile import Interval

Verdict: TypeAlias = Literal["faster", "slower", "equal", "undecided"]
Logs: TypeAlias = NDArray[np.float64]

#: In 2 of 100 comparisons of a thing with itself it may be called faster or slower. At
#: the usual 5 of 100, more than 10 of 200 happen four times in ten by chance; at 2 they
#: happen three times in a thousand.
LEVEL: Final = 0.98
#: Exchanging A and B in six pairs cannot be as rare as the level asks (2 / 2^6 > 2 %);
#: eight leave room for one pair that disagrees.
LEAST_PAIRS: Final = 8
#: Of less than 0.1 % no verdict is of use.
LEAST_FLOOR: Final = 0.001
#: The most that a floor comes to, and the logarithm of the most by which an interval
#: reaches either way: two pairs that differ wildly are evidence of nothing.
CAPPED: Final = 99.0
WIDEST: Final = 6 * log(10)
#: Up to so many pairs every assignment of signs is tried, beyond it a random choice.
ALL_SIGNS: Final = 12
RANDOM_SIGNS: Final = 10_000
#: More time than this many times what was spent is no advice.
MOST_TIMES: Final = 100


@dataclass(frozen=True, slots=True)
class Decision:
    """What pairs of processes say about B against A.

    ``ratio`` is B's time over A's (above 1: B is slower), ``interval`` its interval at
    ``level``, ``p`` the p-value of no difference. ``more_pairs`` is about how many more
    pairs would decide, None where it is decided or where no sensible number would (more
    pairs of the same builds tell nothing of other builds).
    """

    verdict: Verdict
    ratio: float
    interval: Interval
    p: float
    pairs: int
    floor: float
    level: float
    more_pairs: int | None = None

    @property
    def more_seconds_factor(self) -> float | None:
        """``more_pairs`` as a multiple of the time already spent."""
        return None if self.more_pairs is None else self.more_pairs / self.pairs


def decide(
    ratios: Sequence[float], floor: float, *, level: float = LEVEL, builds: int = 1
) -> Decision:
    """The verdict on B against A, from one ratio of medians (B over A) a pair.

    ``equal``: the t interval of the mean log ratio lies within ``floor`` (relative,
    from :func:`floor`), even where it leaves out 1: A differs from itself as much.
    ``faster`` or ``slower``: it leaves out 1 otherwise, and a test that only exchanges
    A and B within pairs agrees. All else, and fewer than :data:`LEAST_PAIRS` pairs, is
    ``undecided``.

    Of several ``builds`` that take turns (pair k is of build k modulo their number) the
    t interval counts builds, not pairs: what chance did to an engine when it was built
    is in all of its pairs. With three builds that differ by 1 %, counting pairs called
    a network faster or slower than itself in 11 of 100 simulated cases.

    The level holds for one look at the pairs. Who looks again after adding some must
    share it, ``level=1 - (1 - LEVEL) / looks``: at three looks eight pairs never do.
    """
    logs = _logs(ratios)
    n, margin = len(logs), float(np.log1p(max(floor, LEAST_FLOOR)))
    witnesses = logs
    if builds > 1:
        witnesses = np.array([logs[k::builds].mean() for k in range(min(builds, n))])
    mean, spread = float(witnesses.mean()), float(witnesses.std(ddof=1))
    half = float(_half_widths(spread, np.array([len(witnesses)]), level)[0])
    p = max(_t_p(mean, spread, len(witnesses)), _exchange_p(logs))
    verdict: Verdict = "undecided"
    if n >= LEAST_PAIRS:
        if abs(mean) + half <= margin:
            verdict = "equal"
        elif p <= 1 - level:
            verdict = "slower" if mean > 0 else "faster"
    return Decision(
        verdict=verdict,
        ratio=float(np.exp(mean)),
        interval=(float(np.exp(mean - half)), float(np.exp(mean + half))),
        p=p,
        pairs=n,
        floor=float(np.expm1(margin)),
        level=level,
        more_pairs=(
            _more_pairs(mean, spread, n, margin, level)
            if verdict == "undecided" and builds == 1
            else None
        ),
    )


def floor(aa_ratios: Sequence[float]) -> float:
    """The least difference worth a verdict, from pairs of processes that both ran A.

    The outer end of their interval: the largest difference between A and itself that
    was not ruled out. It must come from other processes than those that are judged, and
    is relative (0.009 is 0.9 %), at least :data:`LEAST_FLOOR`.
    """
    logs = _logs(aa_ratios)
    spread = float(logs.std(ddof=1))
    half = float(_half_widths(spread, np.array([len(logs)]), LEVEL)[0])
    found = float(np.expm1(abs(float(logs.mean())) + half))
    return min(max(LEAST_FLOOR, found), CAPPED)


def schedule(pairs: int, rng: np.random.Generator) -> list[str]:
    """In which order to run A and B: blocks ABBA and BAAB, as many of each, shuffled.

    Each two that follow each other are a pair. Within a block a steady drift cancels
    out, and what befalls the same place of every block does between blocks; the draw
    keeps all else from favouring one side.
    """
    blocks = (pairs + 1) // 2
    kinds = np.resize(rng.permutation(["ABBA", "BAAB"]), blocks)
    return list("".join(rng.permutation(kinds)))[: 2 * pairs]


def _logs(ratios: Sequence[float]) -> Logs:
    known = np.asarray(ratios, np.float64)
    if not (np.isfinite(known) & (known > 0)).all():
        raise ValueError(f"ratios of times are above 0 and finite: {list(ratios)}")
    if len(known) < 2:
        raise ResgenError(
            "fewer than 2 pairs of processes were measured, so nothing is known about "
            "how much pairs differ",
            hint=f"give it more time: a verdict takes {LEAST_PAIRS} pairs",
        )
    return np.log(known)


def _half_widths(spread: float, pairs: NDArray[np.int64], level: float) -> Logs:
    """Half the width of the t interval, for each number of pairs."""
    widths: Logs = special().stdtrit(pairs - 1, (1 + level) / 2) * spread / pairs**0.5
    return np.minimum(widths, WIDEST)


def _t_p(mean: float, spread: float, n: int) -> float:
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * special().stdtr(n - 1, -abs(mean) * n**0.5 / spread))


def _exchange_p(logs: Logs) -> float:
    """The p-value when A and B are exchanged within pairs, at random or in all ways.

    Of a thing with itself every exchange is as likely as what was seen, whatever the
    distribution: it holds where the t interval's normal distribution does not.
    """
    n = len(logs)
    sums = np.abs(_signs(n) @ logs)
    as_far = int((sums >= abs(logs.sum()) * (1 - 1e-9)).sum())
    # The assignment that was seen is one of all of them, but not of a random choice.
    return as_far / len(sums) if n <= ALL_SIGNS else (as_far + 1) / (len(sums) + 1)


@lru_cache(maxsize=8)
def _signs(n: int) -> Logs:
    if n <= ALL_SIGNS:
        return np.array(list(product((-1.0, 1.0), repeat=n)))
    rng = np.random.default_rng(0)
    return rng.choice([-1.0, 1.0], (RANDOM_SIGNS, n))


def _more_pairs(
    mean: float, spread: float, n: int, margin: float, level: float
) -> int | None:
    """How many more pairs decide, if these pairs' mean and spread stay what they are.

    At least one; None beyond :data:`MOST_TIMES` times the pairs there are.
    """
    totals = np.arange(max(n + 1, LEAST_PAIRS), MOST_TIMES * n + 1)
    halves = _half_widths(spread, totals, level)
    apart, within = halves < abs(mean), abs(mean) + halves <= margin
    enough = np.flatnonzero(apart | within)
    return int(totals[enough[0]]) - n if len(enough) else None
