"""A comparison as one HTML page: before and after."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from resgen.document.files import plain
from resgen.records.comparison import Comparison, Side
from resgen.reports import page
from resgen.reports.comparison import rows
from resgen.reports.comparison.wording import facts, sentence, sentences, verdict
from resgen.reports.page import card
from resgen.reports.tables import Cell, pairs, table
from resgen.words.numbers import flat, interval, scaled, seconds, when

_SECTIONS: Final = {
    "summary": "Verdict",
    "sides": "Before and after",
    "where": "Where the time goes",
    "evidence": "How it was measured",
    "environment": "Environment",
}
_SCRIPTS: Final = ("comparison/charts.js",)


def render(found: Sequence[Comparison]) -> str:
    """The page of one comparison."""
    one = found[0]
    parts = {
        "verdict": escape(verdict(one)),
        "cards": "".join(_cards(one)),
        "sentences": "".join(f"<li>{escape(line)}</li>" for line in sentences(one)),
        "facts": _facts(one),
        "runs": _runs(one),
        "parts": _parts(one),
        "how": escape(_how(one)),
        "command": escape(shlex.join(one.command)),
        "environment": pairs(flat(one.environment), "the machine and its software"),
    }
    names = f"{one.a.name} and {one.b.name}"
    created = f"compared {when(one.created)} UTC"
    return page.render(
        page.Page(
            title=f"{names}: before and after",
            name=f"{one.b.name} against {one.a.name}",
            facts=" · ".join(filter(None, (facts(one), created))),
            sections=_SECTIONS,
            body=page.fill(page.asset("comparison/body.html"), parts),
            data=_data(one),
            scripts=_SCRIPTS,
        )
    )


def notebook(one: Comparison) -> str:
    """The verdict for a notebook's cell, above what is known of both."""
    return f"<p><b>{escape(verdict(one))}</b></p>{_facts(one)}"


def _cards(one: Comparison) -> Iterator[str]:
    a, b = one.a, one.b
    if one.ratio is not None and one.interval is not None:
        low, high = one.interval
        yield card(
            f"{one.ratio:.3f} ×",
            f"time of {b.name} over {a.name}: {one.verdict}",
            f"{low:.3f} to {high:.3f} at {100 * (one.level or 0.0):.0f} %",
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
            f"{scaled(b.bytes, 'B')}",
            f"size of {b.name}",
            f"{b.bytes / a.bytes:.2f} × the {scaled(a.bytes, 'B')} of {a.name}",
        )
    yield from map(_accuracy, filter(lambda side: side.accuracy, (a, b)))


def _accuracy(side: Side) -> str:
    known = side.accuracy
    if known is None:
        return ""
    low, high = known.interval
    what = "told right" if known.counts == "right" else "in float32's class"
    ends = f"{100 * low:.1f} to {100 * high:.1f} % at 95 %"
    than = "" if known.float32 is None else f" · float32 {100 * known.float32:.1f} %"
    return card(
        f"{100 * known.share:.1f} %",
        f"{what} by {side.name}",
        f"{ends}{than} · {known.inputs:,} inputs",
    )


def _facts(one: Comparison) -> str:
    cells: list[list[Cell]] = [
        [(cell, None) for cell in row] for row in rows.facts(one)
    ]
    head = ("what", f"{one.a.name} (A)", f"{one.b.name} (B)")
    return table("Before and after", head, cells, text=3)


def _runs(one: Comparison) -> str:
    if not one.runs:
        return ""
    cells: list[list[Cell]] = [
        [(run.label, None), *((seconds(m), m) for m in run.medians),
         (f"{run.ratio:.3f}", run.ratio)]
        for run in one.runs
    ]  # fmt: skip
    return table("Runs that both have", ("run", "A", "B", "B / A"), cells, text=1)


def _parts(one: Comparison) -> str:
    if not one.parts:
        return ""
    all_of_them = table("Sections and blocks", rows.PARTS, rows.parts(one, blocks=True),
                        text=2)  # fmt: skip
    return (
        table("Operator times by part", rows.PARTS, rows.parts(one, blocks=False),
              text=2)
        + f"<details><summary>Every block</summary>{all_of_them}</details>"
    )  # fmt: skip


def _how(one: Comparison) -> str:
    if one.ratio is None:
        return f"{one.why or 'not measured side by side'}."
    return (
        f"{sentence(one, one.verdict)}. {len(one.pairs)} pairs of fresh processes took "
        f"turns for {one.seconds or 0.0:.0f} s; {len(one.alike)} pairs that both ran A "
        f"say that {100 * (one.floor or 0.0):.1f} % comes of nothing."
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
