"""Tables of a comparison for a spreadsheet: parts, or pairs of processes. Seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from resgen.records.comparison import Comparison
from resgen.reports.csv import written

Table: TypeAlias = Literal["parts", "pairs"]

_PARTS: Final = (
    "a", "b", "part", "kind", "a_seconds", "b_seconds", "change", "noise", "a_share",
    "b_share", "a_macs", "b_macs", "why",
)  # fmt: skip
_PAIRS: Final = ("a", "b", "alike", "first", "second", "ratio")


def render(found: Sequence[Comparison], table: Table = "parts") -> str:
    """The table; what is not known is an empty field."""
    one = found[0]
    rows = _parts(one) if table == "parts" else _pairs(one)
    names = {"a": one.a.name, "b": one.b.name}
    header = _PARTS if table == "parts" else _PAIRS
    return written(header, [{**names, **row} for row in rows])


def _parts(one: Comparison) -> list[dict[str, Any]]:
    reasons = {step.part: step.why for step in one.differences}
    outer = [part for part in one.parts if part.kind != "block"]
    wholes = sum(p.first for p in outer), sum(p.second for p in outer)
    return [
        {
            "part": part.path,
            "kind": part.kind,
            "a_seconds": part.first,
            "b_seconds": part.second,
            "change": part.second - part.first,
            "noise": part.noise,
            "a_share": part.first / wholes[0] if wholes[0] else None,
            "b_share": part.second / wholes[1] if wholes[1] else None,
            "a_macs": part.macs[0],
            "b_macs": part.macs[1],
            "why": reasons.get(part.path),
        }
        for part in one.parts
    ]


def _pairs(one: Comparison) -> list[dict[str, Any]]:
    return [
        {"alike": alike, "first": p.first, "second": p.second, "ratio": p.ratio}
        for alike, pairs in (("no", one.pairs), ("yes", one.alike))
        for p in pairs
    ]
