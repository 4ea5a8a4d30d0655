"""Numbers of a finding, as one reads them aloud."""

from __future__ import annotations

from math import floor, isfinite, log10

from resgen.diagnosis.verdict.figures import Reading


def rounded(value: float, digits: int = 2) -> str:
    """A number with so many significant digits and thousands set off.

    >>> rounded(3912.7), rounded(0.0347), rounded(2.96e13)
    ('3,900', '0.035', '3e+13')
    """
    if not isfinite(value) or value == 0:
        return "0" if value == 0 else "infinitely"
    size = floor(log10(abs(value)))
    if not -5 < size < 6:
        return f"{value:.{digits - 1}g}"
    kept = round(value, digits - 1 - size)
    return f"{kept:,.{max(digits - 1 - size, 0)}f}"


def fold(value: float) -> str:
    """How many times as much: ``3,900-fold``."""
    return f"{rounded(value)}-fold" if isfinite(value) else "beyond all numbers"


def times(value: float) -> str:
    """How many times: ``12 times``."""
    return f"{rounded(value)} times"


def percent(share: float) -> str:
    """A share of one: ``1.3 %``."""
    return f"{rounded(100 * share)} %"


def coefficient(value: float) -> str:
    """A correlation: ``0.04``, and never ``-0.00``."""
    return f"{round(value, 2) + 0.0:.2f}"


def rate_of(reading: Reading) -> str:
    """What a change comes to for each block: ``, about 1.4-fold a block``."""
    if abs(reading.last - reading.first) < 2 or not isfinite(reading.value):
        return ""
    return f", about {rounded(reading.rate)}-fold a block"
