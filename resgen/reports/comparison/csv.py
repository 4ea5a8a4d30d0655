"""Tables of a comparison for a spreadsheet: parts, or pairs of processes. Seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from resgen.records.comparison import Comparison
from resgen.reports.csv import Sheet


def _parts(found: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    (one,) = found
    reasons = {step.part: step.why for step in one.differences}
    outer = [part for part in one.parts if part.kind != "block"]
    wholes = sum(p.first for p in outer), sum(p.second for p in outer)
    for part in one.parts:
        yield {
            "a": one.a.name,
            "b": one.b.name,
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


def _pairs(found: Sequence[Comparison]) -> Iterator[dict[str, Any]]:
    (one,) = found
    for alike, pairs in (("no", one.pairs), ("yes", one.alike)):
        for p in pairs:
            yield {
                "a": one.a.name,
                "b": one.b.name,
                "alike": alike,
                "first": p.first,
                "second": p.second,
                "ratio": p.ratio,
            }


#: The first one is written unless another is named.
SHEETS: Final[Mapping[str, Sheet]] = {
    "parts": Sheet(
        ("a", "b", "part", "kind", "a_seconds", "b_seconds", "change", "noise",
         "a_share", "b_share", "a_macs", "b_macs", "why"),
        _parts,
    ),
    "pairs": Sheet(("a", "b", "alike", "first", "second", "ratio"), _pairs),
}  # fmt: skip
