"""A comparison as one HTML page: before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from resgen.document.files import plain
from resgen.records.comparison import Comparison
from resgen.reports import page
from resgen.reports.comparison import tables
from resgen.reports.comparison.wording import (
    counted,
    facts,
    sentence,
    sentences,
    verdict,
)
from resgen.reports.page import again, card, items
from resgen.reports.tables import pairs
from resgen.words.numbers import (
    flat,
    interval,
    scaled,
    seconds,
    share,
    share_interval,
    when,
)

_SECTIONS: Final = {
    "summary": "Verdict",
    "sides": "Before and after",
    "where": "Where the time goes",
    "evidence": "How it was measured",
    "environment": "Environment",
}


def render(found: Sequence[Comparison]) -> str:
    """The page of one comparison."""
    one = found[0]
    parts = {
        "verdict": escape(verdict(one)),
        "cards": "".join(_cards(one)),
        "sentences": items(sentences(one)),
        "facts": tables.facts(one).html(),
        "runs": tables.runs(one).html(),
        "parts": _parts(one) if one.parts else "",
        "how": escape(_how(one)),
        "command": again(one.command, "This compares them again:"),
        "environment": pairs(flat(one.environment), "the machine and its software"),
    }
    names = f"{one.a.name} and {one.b.name}"
    created = f"compared {when(one.created)} UTC"
    return page.render(
        "comparison",
        title=f"{names}: before and after",
        name=f"{one.b.name} against {one.a.name}",
        facts=" · ".join(filter(None, (facts(one), created))),
        sections=_SECTIONS,
        parts=parts,
        data=_data(one),
        scripts=("charts.js",),
    )


def notebook(one: Comparison) -> str:
    """The verdict for a notebook's cell, above what is known of both."""
    return f"<p><b>{escape(verdict(one))}</b></p>{tables.facts(one).html()}"


def _cards(one: Comparison) -> Iterator[str]:
    a, b = one.a, one.b
    if one.ratio is not None and one.interval is not None:
        low, high = one.interval
        yield card(
            f"{one.ratio:.3f} ×",
            f"time of {b.name} over {a.name}: {one.verdict}",
            f"{low:.3f} to {high:.3f} at {share(one.level or 0.0, 1, 0)}",
        )
    for side in (a, b):
        if side.latency is not None:
            ends = side.latency.interval
            more = "" if ends is None else f"{interval(ends)} at 95 %"
            count = len(side.latency.processes)
            yield card(
                seconds(side.latency.median),
                f"latency of {side.name}",
                f"{more} · {count} processes".removeprefix(" · "),
            )
    if a.bytes and b.bytes:
        yield card(
            scaled(b.bytes, "B"),
            f"size of {b.name}",
            f"{b.bytes / a.bytes:.2f} × the {scaled(a.bytes, 'B')} of {a.name}",
        )
    for side in (a, b):
        if known := side.accuracy:
            low, high = known.interval
            than = "" if known.float32 is None else (
                f" · float32 {share(known.float32, 1)}"
            )  # fmt: skip
            yield card(
                share(known.share, 1),
                f"{side.name}: {counted(known)}",
                f"{share_interval(low, high)} at 95 %{than} · {known.inputs:,} inputs",
            )


def _parts(one: Comparison) -> str:
    sections, blocks = (tables.parts(one, blocks=x).html() for x in (False, True))
    return f"{sections}<details><summary>Every block</summary>{blocks}</details>"


def _how(one: Comparison) -> str:
    if one.ratio is None:
        return f"{one.why or 'not measured side by side'}."
    return (
        f"{sentence(one, one.verdict)}. {len(one.pairs)} pairs of fresh processes took "
        f"turns for {one.seconds or 0.0:.0f} s; {len(one.alike)} pairs that both ran A "
        f"say that {share(one.floor or 0.0, 1)} comes of nothing."
    )


def _data(one: Comparison) -> dict[str, object]:
    return {
        "names": [one.a.name, one.b.name],
        "parts": plain([part for part in one.parts if part.kind != "block"]),
        "pairs": plain(one.pairs),
        "alike": plain(one.alike),
        "interval": one.interval,
        "floor": one.floor,
    }
