"""Numbers and names as a report writes them, alike in HTML and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor, log10
from typing import Any, Final

from resgen.profile.document.record import Interval, Record, Run, Summary

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


def seconds(value: float) -> str:
    """A duration in the unit that suits it.

    >>> seconds(0.0213456), seconds(4.2e-5)
    ('21.3 ms', '42.0 µs')
    """
    factor, unit = next((t for t in _TIMES if abs(value) >= t[0]), _TIMES[-1])
    return f"{digits(value / factor)} {unit}"


def interval(ends: Interval) -> str:
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


def share(part: float, whole: float) -> str:
    """Per cent, with one digit after the point.

    >>> share(1, 3)
    '33.3 %'
    """
    return f"{100 * part / whole:.1f} %" if whole else ""


def shape(sizes: Iterable[int]) -> str:
    """``3 × 224 × 224``."""
    return " × ".join(map(str, sizes))


def when(record: Record) -> str:
    """When it was measured, to the minute, in UTC."""
    return record.created[:16].replace("T", " ")


def titles(records: Sequence[Record]) -> list[str]:
    """What tells each result from the others: when, and of what unless all agree."""
    one = len({record.subject.name for record in records}) == 1
    return [when(r) if one else f"{r.subject.name} {when(r)}" for r in records]


def engine(run: Run) -> str:
    """On what it ran: ``onnxruntime cpu fp32``."""
    return f"{run.runtime} {run.device} {run.precision}"


def label(run: Run) -> str:
    """What tells a run from its neighbours."""
    return f"{engine(run)} · batch {run.batch} · {run.mode}"


def percentile(summary: Summary, name: str) -> str:
    """``p99`` and its like; empty where the sample is too small for it."""
    value: float | None = getattr(summary, name)
    return "" if value is None else seconds(value)


def seen(run: Run) -> str:
    """What was seen beside the figures, the error first; empty if nothing was."""
    return "; ".join((*((run.error,) if run.error else ()), *run.notes))


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
