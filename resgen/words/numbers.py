"""Numbers, sizes and times as a person reads them, alike wherever they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from math import floor, isfinite, log10
from time import time
from typing import Any, Final

_TIMES: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def digits(number: float, places: int = 3) -> str:
    """A number to so many significant digits, whole digits all kept.

    >>> digits(21.3456), digits(12345.6), digits(0.98765)
    ('21.3', '12,346', '0.988')
    """
    if number == 0:
        return "0"
    after = max(places - 1 - floor(log10(abs(number))), 0)
    return f"{number:,.{after}f}"


def figure(value: float) -> str:
    """A number of any size: powers of ten where digits would be many.

    >>> figure(0.0123), figure(1.234e7), figure(-4.56e-9), figure(0)
    ('0.0123', '1.23e7', '-4.56e-9', '0')
    """
    if not isfinite(value):
        return "not finite"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return digits(value)
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def seconds(value: float) -> str:
    """A duration in the unit that suits it.

    >>> seconds(0.0213456), seconds(4.2e-5)
    ('21.3 ms', '42.0 µs')
    """
    factor, unit = next((t for t in _TIMES if abs(value) >= t[0]), _TIMES[-1])
    return f"{digits(value / factor)} {unit}"


def interval(ends: tuple[float, float]) -> str:
    """Both ends of an interval of durations, in one unit.

    >>> interval((0.0211, 0.0215))
    '21.1 to 21.5 ms'
    """
    low, high = ends
    factor, unit = next((t for t in _TIMES if abs(high) >= t[0]), _TIMES[-1])
    # As many digits as it takes to tell the ends apart.
    for places in (3, 4, 5):
        first, last = digits(low / factor, places), digits(high / factor, places)
        if first != last:
            break
    return f"{first} to {last} {unit}"


def scaled(number: float, unit: str = "") -> str:
    """A count or a size as a person says it.

    >>> scaled(25_557_032), scaled(102_228_128, "B"), scaled(7)
    ('25.6 M', '102 MB', '7')
    """
    factor, prefix = next((s for s in _SIZES if number >= s[0]), (1.0, ""))
    text = f"{number:,}" if isinstance(number, int) and factor == 1 else ""
    return f"{text or digits(number / factor)} {prefix}{unit}".rstrip()


def share(part: float, whole: float, places: int = 1) -> str:
    """Per cent, with so many digits after the point.

    >>> share(1, 3), share(0.954, 1, 0)
    ('33.3 %', '95 %')
    """
    return f"{100 * part / whole:.{places}f} %" if whole else ""


def share_interval(low: float, high: float, places: int = 1) -> str:
    """The ends of an interval of shares, in per cent.

    >>> share_interval(0.25, 0.5)
    '25.0 to 50.0 %'
    """
    return f"{100 * low:.{places}f} to {share(high, 1, places)}"


def shape(sizes: Iterable[int | None], sign: str = "x") -> str:
    """Sizes as a person says them; None is an open one.

    >>> shape((3, 224, 224)), shape((None, 10)), shape(())
    ('3 x 224 x 224', '? x 10', 'a scalar')
    """
    words = ("?" if size is None else str(size) for size in sizes)
    return f" {sign} ".join(words) or "a scalar"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "error"), count(2, "warning")
    ('1 error', '2 warnings')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def unit_of(number: float, of: str = "") -> tuple[float, str]:
    """The decimal multiple of a unit that suits a number, and its symbol.

    >>> unit_of(25_557_032, "B")
    (1000000.0, 'MB')
    """
    return next(((u, s + of) for u, s in _SIZES if number >= u), (1.0, of))


def in_unit(number: float, unit: tuple[float, str], digits: int = 2) -> str:
    """A number in a unit.

    >>> in_unit(25_557_032, (1e6, "M"))
    '25.56 M'
    """
    factor, symbol = unit
    if factor == 1:
        return f"{number:,.0f} {symbol}".rstrip()
    least = 10**-digits
    if 0 < number / factor < least / 2:
        return f"< {least} {symbol}"
    return f"{number / factor:,.{digits}f} {symbol}"


def size(number: int) -> str:
    """A size in bytes.

    >>> size(102_228_128), size(41_200), size(7)
    ('102.2 MB', '41.2 kB', '7 B')
    """
    return in_unit(number, unit_of(number, "B"), 1)


def stamp(seconds: float | None = None) -> str:
    """A moment as documents keep it: ISO 8601, in UTC, to the second.

    ``seconds`` are since 1970; without them it is now.

    >>> stamp(0.5)
    '1970-01-01T00:00:00+00:00'
    """
    moment = time() if seconds is None else seconds
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds")


def when(created: str) -> str:
    """A time of ISO 8601, to the minute.

    >>> when("2026-11-24T12:00:30+00:00")
    '2026-11-24 12:00'
    """
    return created[:16].replace("T", " ")


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows: a dotted name, and a text.

    >>> flat({"cpu": {"cores": 2}, "turbo": None, "flags": ["avx2", "amx"]})
    [('cpu.cores', '2'), ('turbo', '–'), ('flags', 'avx2, amx')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)) and any(
            isinstance(item, Mapping) for item in value
        ):
            rows += flat({str(i): item for i, item in enumerate(value)}, f"{name}.")
        else:
            rows.append((name, _text(value)))
    return rows


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
