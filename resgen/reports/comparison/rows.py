"""The tables of a comparison, as words: what every form lays out in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from resgen.records.comparison import Comparison, Side
from resgen.reports.comparison.wording import accuracy
from resgen.reports.tables import Cell
from resgen.words.numbers import interval, scaled, seconds, share, when


def _latency(side: Side) -> str:
    if side.latency is None:
        return ""
    ends = side.latency.interval
    more = "" if ends is None else f" ({interval(ends)} at 95 %)"
    return f"{seconds(side.latency.median)}{more}"


def _count(value: int | None, unit: str = "") -> str:
    return "" if value is None else scaled(value, unit)


_FACTS: Final[dict[str, Callable[[Side], str]]] = {
    "latency": _latency,
    "size of its files": lambda side: _count(side.bytes, "B"),
    "accuracy": lambda side: accuracy(side.accuracy),
    "precision": lambda side: side.precision,
    "parameters": lambda side: _count(side.params),
    "multiply-adds": lambda side: _count(side.macs),
    "weights": lambda side: side.weights or "",
    "runtime": lambda side: side.runtime,
    "made of": lambda side: side.kind,
    "measured": lambda side: when(side.at) if side.at else "",
    "sha256": lambda side: side.sha256[:12] if side.sha256 else "",
}


def facts(found: Comparison) -> list[tuple[str, str, str]]:
    """What is known of A and of B; a fact that neither has is left out."""
    rows = [(name, told(found.a), told(found.b)) for name, told in _FACTS.items()]
    return [row for row in rows if row[1] or row[2]]


PARTS: Final = ("part", "what changed", "A", "B", "change", "noise", "share of A",
                "share of B", "MACs of A", "MACs of B")  # fmt: skip


def parts(found: Comparison, *, blocks: bool) -> list[list[Cell]]:
    """Operator times by part, under :data:`PARTS`."""
    reasons = {step.part: step.why for step in found.differences}
    outer = [part for part in found.parts if part.kind != "block"]
    whole, wholes = (sum(p.first for p in outer), sum(p.second for p in outer))
    rows: list[list[Cell]] = []
    for part in found.parts if blocks else outer:
        change = part.second - part.first
        loud = abs(change) > part.noise
        rows.append([
            (part.path, None),
            (reasons.get(part.path, "" if loud else "within noise"), None),
            (seconds(part.first), part.first),
            (seconds(part.second), part.second),
            (f"{1e3 * change:+.3f} ms", change),
            (seconds(part.noise), part.noise),
            (share(part.first, whole), part.first),
            (share(part.second, wholes), part.second),
            *((_count(macs), macs) for macs in part.macs),
        ])  # fmt: skip
    return rows
