"""The tables of a comparison, which page, Markdown and terminal lay out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from resgen.records.comparison import Comparison, Side
from resgen.reports.comparison.wording import accuracy
from resgen.reports.tables import Cell, Table, size, time
from resgen.words.numbers import interval, seconds, share, when


def _latency(side: Side) -> str:
    if side.latency is None:
        return ""
    ends = side.latency.interval
    more = "" if ends is None else f" ({interval(ends)} at 95 %)"
    return f"{seconds(side.latency.median)}{more}"


_FACTS: Final[dict[str, Callable[[Side], str]]] = {
    "latency": _latency,
    "size of its files": lambda side: size(side.bytes, "B")[0],
    "accuracy": accuracy,
    "precision": lambda side: side.precision,
    "parameters": lambda side: size(side.params)[0],
    "multiply-adds": lambda side: size(side.macs)[0],
    "weights": lambda side: side.weights or "",
    "runtime": lambda side: side.runtime,
    "made of": lambda side: side.kind,
    "measured": lambda side: when(side.at) if side.at else "",
    "sha256": lambda side: side.sha256[:12] if side.sha256 else "",
}


def facts(found: Comparison) -> Table:
    """What is known of A and of B; a fact that neither has is left out."""
    head = ("what", f"{found.a.name} (A)", f"{found.b.name} (B)")
    told = [(name, of(found.a), of(found.b)) for name, of in _FACTS.items()]
    rows = [(name, a or "–", b or "–") for name, a, b in told if a or b]
    return Table.words("Before and after", head, rows, left=3)


def runs(found: Comparison) -> Table:
    """The runs that two saved results both have."""
    rows: list[list[Cell]] = [
        [
            (run.label, None),
            *map(time, run.medians),
            (f"{run.ratio:.3f}", run.ratio),
        ]
        for run in found.runs
    ]
    return Table("Runs that both have", ("run", "A", "B", "B / A"), rows, left=1)


def parts(found: Comparison, *, blocks: bool) -> Table:
    """Operator times by part, of sections alone or of ``blocks`` as well."""
    head = ("part", "what changed", "A", "B", "change", "noise", "share of A",
            "share of B", "MACs of A", "MACs of B")  # fmt: skip
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
            time(part.first),
            time(part.second),
            (f"{1e3 * change:+.3f} ms", change),
            time(part.noise),
            (share(part.first, whole), part.first),
            (share(part.second, wholes), part.second),
            *map(size, part.macs),
        ])  # fmt: skip
    caption = "Sections and blocks" if blocks else "Operator times by part"
    return Table(caption, head, rows, left=2)
