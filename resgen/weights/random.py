"""Random draws that are the same bits on every machine and under every NumPy.

NumPy promises the raw words of its bit generators (NEP 19), but not what ``normal()``
makes of them, and a logarithm differs between mathematical libraries and processors.
So raw Philox words (Salmon et al. 2011) become numbers here by nothing but table
look-up, integer operations and ``+ - * / sqrt``, which IEEE 754 rounds exactly. Each is
a ufunc of its own, since a compiler could fuse two of them into one rounding.

Weights are drawn in blocks of :data:`BLOCK`, each a function of the key and its own
index alone, so blocks may be drawn in any order and by any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

#: Draws in a block: small enough to stay in a cache, large enough to hide the calls.
BLOCK: Final = 1 << 18

#: Cells of equal probability that the distribution is cut into, on its upper 16 bits.
CELLS: Final = 1 << 16
#: Cells at either end that are too curved for a straight line: about 0.1 % of draws.
EDGE_CELLS: Final = 32


def key(seed: int, name: str) -> tuple[int, int]:
    """The Philox key of a name under a seed."""
    digest = sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def words(key: tuple[int, int], block: int, count: int) -> Words:
    """The first ``count`` 32-bit words of a block.

    Blocks start 2**64 counters apart, so they never overlap.
    """
    generator = np.random.Philox(
        key=np.array(key, dtype=np.uint64),
        counter=np.array((0, block, 0, 0), dtype=np.uint64),
    )
    raw = generator.random_raw((count + 1) // 2)
    # The lower half of each word first, on big-endian machines too.
    halves = raw.astype("<u8", copy=False).view("<u4")[:count]
    return halves.astype(np.uint32, copy=False)


def uniform(words: Words, bound: float, out: Weights) -> None:
    """Fill ``out`` with the uniform distribution on (-bound, bound).

    The values are the odd multiples of ``bound / 2**24``: symmetric, and integers that
    float32 holds exactly until the one rounding of the last product.
    """
    odd = (words >> np.uint32(7)) | np.uint32(1)
    centred = odd.view(np.int32) - np.int32(1 << 24)
    np.multiply(centred.astype(np.float32), np.float32(bound * 2.0**-24), out=out)


def normal(words: Words, std: float, truncate: float | None, out: Weights) -> None:
    """Fill ``out`` with the normal distribution of mean 0.

    ``truncate`` cuts it at that many standard deviations. A word picks a cell by its
    upper half and a point on the cell's straight line by its lower half; in the edge
    cells the quantile of the whole word is computed, so the tails are those of the
    normal distribution down to its 2**-33 quantile (6.3 standard deviations).
    """
    middle, step, below = _table(truncate)
    cell = (words >> np.uint32(16)).astype(np.intp)
    offset = (words & np.uint32(CELLS - 1)).astype(np.float32)
    # "clip" never clips here: it spares the buffer that checked indices go through.
    np.take(step, cell, out=out, mode="clip")
    np.multiply(out, offset, out=out)
    np.add(out, np.take(middle, cell, mode="clip"), out=out)

    # Adding wraps the upper edge around to zero, beside the lower one.
    edge = np.uint32(EDGE_CELLS << 16)
    at = np.flatnonzero(words + edge < edge + edge)
    uniform = (words[at].astype(np.float64) + 0.5) * 2.0**-32
    out[at] = quantile(below + (1.0 - 2.0 * below) * uniform)
    np.multiply(out, np.float32(std), out=out)


@lru_cache
def _table(truncate: float | None) -> tuple[Weights, Weights, float]:
    """Lines through the quantile function, one a cell.

    Returns the value at half a step into each cell, the step between neighbouring
    words, and the probability that is cut off at each end. The last rounds so far
    below float32 that no draw leaves the cut.
    """
    below = 0.0 if truncate is None else _below(-truncate)
    knots = np.arange(CELLS + 1) / CELLS
    # Edge cells are not read: the ends 0 and 1 need a finite stand-in, no more.
    p = np.clip(below + (1.0 - 2.0 * below) * knots, 2.0**-33, 1.0 - 2.0**-33)
    z = quantile(p)
    step = (z[1:] - z[:-1]) * 2.0**-16
    middle = z[:-1] + 0.5 * step
    return middle.astype(np.float32), step.astype(np.float32), below


def _below(z: float) -> float:
    """The probability of less than ``z < 0``: the quantile function, bisected."""
    low, high = 2.0**-33, 0.5
    while low < (middle := 0.5 * (low + high)) < high:
        if float(quantile(np.array([middle]))[0]) < z:
            low = middle
        else:
            high = middle
    return low


# Coefficients of PPND16, from the constant term upwards.
_CENTRE: Final = (
    (
        3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
        1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
        3.3430575583588128105e4, 2.5090809287301226727e3,
    ),
    (
        1.0, 4.2313330701600911252e1, 6.8718700749205790830e2,
        5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4,
        2.8729085735721942674e4, 5.2264952788528545610e3,
    ),
)  # fmt: skip
_TAIL: Final = (
    (
        1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
        3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
        2.27238449892691845833e-2, 7.74545014278341407640e-4,
    ),
    (
        1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
        6.89767334985100004550e-1, 1.48103976427480074590e-1,
        1.51986665636164571966e-2, 5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)  # fmt: skip


def quantile(p: Floats) -> Floats:
    """The standard normal quantile, for ``p`` from ``exp(-25)`` to ``1 - exp(-25)``.

    Algorithm AS 241 (PPND16) of Wichura 1988, without its third range, which 32-bit
    draws never enter; relative error about 1e-15.
    """
    q = p - 0.5
    central = np.abs(q) <= 0.425
    z = np.empty_like(p)

    near = q[central]
    z[central] = near * _ratio(0.180625 - near * near, *_CENTRE)

    far = p[~central]
    distance = np.sqrt(-_log(np.minimum(far, 1.0 - far)))
    z[~central] = np.copysign(_ratio(distance - 1.6, *_TAIL), q[~central])
    return z


def _ratio(x: Floats, above: Sequence[float], below: Sequence[float]) -> Floats:
    """One polynomial over another, by Horner's rule."""
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x: Floats, coefficients: Sequence[float]) -> Floats:
    *lower, value = coefficients
    total = np.full_like(x, value)
    for coefficient in reversed(lower):
        total *= x
        total += coefficient
    return total


_LN2: Final = 0.6931471805599453


def _log(x: Floats) -> Floats:
    """The natural logarithm: ``2 atanh((m - 1) / (m + 1)) + e ln 2`` of x = m 2**e."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476  # keeps m within a factor sqrt(2) of 1
    mantissa = np.where(small, mantissa + mantissa, mantissa)
    exponent = np.where(small, exponent - 1, exponent)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = _polynomial(s * s, [2.0 / odd for odd in range(1, 24, 2)])
    return s * series + exponent * _LN2
