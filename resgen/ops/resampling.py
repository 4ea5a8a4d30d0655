"""Pillow's interpolation as numbers: what each new position takes of which old ones.

``Image.resize`` smooths what it shrinks: its filters grow with the factor, weights are
rounded to 22 bits behind the point, and every pass yields whole numbers (Resample.c).
``Image.transform`` only samples, and drops what is behind the point at the end
(Geometry.c).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, pi, sin
from typing import Final

#: Of a new position: the first old one that it takes from, and the weights from there.
Taps = tuple[int, tuple[float, ...]]
#: Bits behind the point of a fixed-point weight.
BITS: Final = 22
#: The widest and the narrowest low digit: TensorFloat-32 holds the digits of the first,
#: and the sums of high digits stay below 2**24 with the second.
WIDEST: Final = 12
NARROWEST: Final = 7


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float) -> float:
    """Keys 1981, a = -1/2."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return -0.5 * (((x - 5) * x + 8) * x - 4) if x < 2 else 0.0


def _lanczos(x: float) -> float:
    """A sinc under the middle of another that is three times as wide."""
    if not -3 <= x < 3:
        return 0.0
    return 1.0 if x == 0 else _sinc(x) * _sinc(x / 3)


def _sinc(x: float) -> float:
    return sin(pi * x) / (pi * x)


#: The filters and how far they reach.
_FILTERS: Final[dict[str, tuple[Callable[[float], float], float]]] = {
    "bilinear": (_triangle, 1.0),
    "bicubic": (_cubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}


@cache
def taps(
    before: int, after: int, interpolation: str, antialias: bool
) -> tuple[Taps, ...]:
    """The weights of every new position along one axis.

    ``interpolation`` is ``bilinear``, ``bicubic``, ``lanczos`` or ``nearest``;
    ``antialias`` says whether what shrinks is smoothed, which ``lanczos`` always is.
    """
    if interpolation == "nearest":
        return tuple((place, (1.0,)) for place in _nearest(before, after))
    if antialias:
        return tuple(_smoothed(before, after, interpolation))
    return tuple(_sampled(before, after, interpolation))


def passes(
    before: Sequence[int],
    after: Sequence[int],
    part: Sequence[int],
    interpolation: str,
    antialias: bool,
) -> tuple[tuple[Taps, ...] | None, ...]:
    """The taps of each axis, of the positions in a part; None where all stay.

    ``part`` is where that starts along each axis, and then its sizes. Pillow, too,
    makes no pass along an axis whose size does not change.
    """
    found: list[tuple[Taps, ...] | None] = []
    starts, counts = part[: len(after)], part[len(after) :]
    for old, new, start, count in zip(before, after, starts, counts, strict=True):
        if (old, 0, old) == (new, start, count):
            found.append(None)
        else:
            every = taps(old, new, interpolation, antialias)
            found.append(every[start : start + count])
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Digits:
    """Fixed-point weights as ``high * 2**shift + low``, all of them whole numbers.

    Sums of their products with pixels are whole numbers below 2**24 (of up to a
    thousand weights), which float32 adds without rounding in any order. So

        floor((high + floor(low / 2**shift)) / 2**(22 - shift) + 1/2)

    is what Pillow computes in integers, to the bit and on every machine.
    """

    high: tuple[Taps, ...]
    low: tuple[Taps, ...]
    shift: int

    @property
    def unit(self) -> float:
        """One of the low digit's in those of the high one."""
        return 2.0**-self.shift

    @property
    def half(self) -> float:
        """One half of a step between pixels, in units of the high digit."""
        return 2.0 ** (BITS - self.shift - 1)

    @property
    def step(self) -> float:
        """One of the high digit's in steps between pixels."""
        return 2.0 ** (self.shift - BITS)


def digits(rows: Sequence[Taps]) -> Digits:
    """The weights of antialiased taps in two digits, the low one of either sign."""
    most = max(len(weights) for _, weights in rows)
    # 8 bits of a pixel, all but one of the digit and those of their number make 24.
    room = 24 - 8 + 1 - (most - 1).bit_length()
    shift = max(min(room, WIDEST), NARROWEST)
    half = 2 ** (shift - 1)
    high, low = [], []
    for first, weights in rows:
        parts = [divmod(int(w * 2**BITS) + half, 2**shift) for w in weights]
        high.append((first, tuple(float(part[0]) for part in parts)))
        low.append((first, tuple(float(part[1] - half) for part in parts)))
    return Digits(tuple(high), tuple(low), shift)


def matrix(rows: Sequence[Taps], columns: int) -> array[float]:
    """The taps as a dense matrix of float32, row by row: (len(rows), columns)."""
    filled = array("f", bytes(4 * len(rows) * columns))
    for row, (first, weights) in enumerate(rows):
        start = row * columns + first
        filled[start : start + len(weights)] = array("f", weights)
    return filled


def _nearest(before: int, after: int) -> Iterator[int]:
    # Pillow adds up steps, so the rounding of a product would differ from its own.
    step = before / after
    at = step * 0.5
    for _ in range(after):
        yield min(int(at), before - 1)
        at += step


def _smoothed(before: int, after: int, interpolation: str) -> Iterator[Taps]:
    weigh, reach = _FILTERS[interpolation]
    scale = before / after
    widened = max(scale, 1.0)
    support = reach * widened
    for position in range(after):
        centre = (position + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        end = min(int(centre + support + 0.5), before)
        raw = [weigh((x - centre + 0.5) / widened) for x in range(first, end)]
        total = sum(raw) or 1.0
        yield first, tuple(_fixed(weight / total) for weight in raw)


def _fixed(weight: float) -> float:
    return int(weight * 2**BITS + (0.5 if weight >= 0 else -0.5)) / 2**BITS


def _sampled(before: int, after: int, interpolation: str) -> Iterator[Taps]:
    scale = before / after
    for position in range(after):
        at = scale * (position + 0.5) - 0.5
        left = floor(at)
        d = at - left
        if interpolation == "bilinear":
            around = [(left, 1 - d), (left + 1, d)]
        else:  # Keys 1981, a = -1
            around = [
                (left - 1, d * (d * (2 - d) - 1)),
                (left, d * d * (d - 2) + 1),
                (left + 1, d * (d * (1 - d) + 1)),
                (left + 2, d * d * (d - 1)),
            ]
        # Beyond an edge stands the pixel at the edge.
        places = [min(max(place, 0), before - 1) for place, _ in around]
        weights = [0.0] * (max(places) - places[0] + 1)
        for place, (_, weight) in zip(places, around, strict=True):
            weights[place - places[0]] += weight
        yield places[0], tuple(weights)
