"""A report as one HTML page that needs nothing else: no network, no engine, no server.

Text and tables stand in the page as they are. The charts are drawn by Apache ECharts,
which is embedded, from the data at the page's end. A policy in the page's head forbids
it to fetch anything.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from resgen._version import __version__
from resgen.profile.document.record import Record
from resgen.report import tables
from resgen.report.comparison import in_order
from resgen.report.payload import payload
from resgen.report.summary import busiest, fastest, sentences
from resgen.report.wording import (
    engine,
    flat,
    interval,
    percentile,
    scaled,
    seconds,
    shape,
    when,
)

_SCRIPTS: Final = ("words.js", "measured.js", "charts.js", "page.js")


def render(records: Sequence[Record]) -> str:
    """The page of one result, or of several side by side in order of time."""
    records = in_order(records)
    names = ", ".join(dict.fromkeys(record.subject.name for record in records))
    parts = {
        "title": escape(f"{names}: latency"),
        "name": escape(names),
        "facts": escape(_facts(records)),
        "summary": "".join(f"<li>{escape(line)}</li>" for line in sentences(records)),
        "cards": "".join(_cards(records[0])) if len(records) == 1 else "",
        "comparison": tables.comparison(records) if len(records) > 1 else "",
        "runs": tables.runs(records),
        "notes": "".join(tables.notes(records)),
        "environment": "".join(_environments(records)),
        "style": _asset("page.css"),
        "data": payload(records),
        "library": _asset("echarts.min.js"),
        "script": "".join(map(_asset, _SCRIPTS)),
    }
    # Each part once and from left to right, so that no text of a part is replaced.
    pieces = []
    for piece in _asset("page.html").split("{{"):
        name, found, rest = piece.partition("}}")
        pieces.append(parts[name] + rest if found else piece)
    return "".join(pieces)


def _facts(records: Sequence[Record]) -> str:
    if len(records) > 1:
        first, last = when(records[0]), when(records[-1])
        return f"{len(records)} results from {first} to {last} UTC"
    record, subject = records[0], records[0].subject
    facts = [
        subject.kind,
        f"input {shape(subject.input)}" if subject.input else "",
        f"{scaled(subject.params)} parameters" if subject.params else "",
        f"{scaled(subject.macs)} multiply-adds" if subject.macs else "",
        f"{subject.weights} weights" if subject.weights else "",
        f"sha256 {subject.sha256[:12]}" if subject.sha256 else "",
        f"measured {when(record)} UTC",
        f"by resgen {record.resgen}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _cards(record: Record) -> Iterator[str]:
    best = fastest(record)
    if best is not None and best.summary is not None:
        what = "" if best.batch == 1 else f", batch {best.batch}"
        yield _card(
            seconds(best.summary.median),
            f"median {best.mode}{what}",
            f"{interval(best.summary.median_interval)} at 95 % · {engine(best)}",
        )
        for name in ("p99", "p95"):
            if tail := percentile(best.summary, name):
                of = "of requests take no longer" if best.batch == 1 else "of batches"
                yield _card(tail, name, f"{name[1:]} % {of}")
                break
    most = busiest(record)
    if most is not None and most.throughput is not None:
        yield _card(
            f"{scaled(most.throughput)}/s",
            "inputs a second, at most",
            f"batch {most.batch} · {engine(most)}",
        )
    sizes = [run.peak_memory for run in record.runs if run.peak_memory]
    if sizes:
        yield _card(scaled(max(sizes), "B"), "peak memory", "the largest of all runs")


def _card(figure: str, what: str, more: str) -> str:
    return (
        f'<div class="card"><dt>{escape(what)}</dt><dd class="figure">'
        f'{escape(figure)}</dd><dd class="more">{escape(more)}</dd></div>'
    )


def _environments(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if len(records) > 1:
            yield f"<h3>{escape(record.subject.name)}, {when(record)}</h3>"
        yield tables.pairs(flat(record.environment), "the machine and its software")
        settings = [row for run in record.runs for row in tables.settings(run)]
        if settings:
            yield "<details><summary>Settings and state of each run</summary>"
            yield tables.pairs(settings, "settings and state of each run")
            yield "</details>"
        if record.command:
            yield "<p>This measures it again:</p>"
            yield f"<pre><code>{escape(shlex.join(record.command))}</code></pre>"
    yield f"<p>Rendered by resgen {__version__}.</p>"


def _asset(name: str) -> str:
    return (files("resgen.report") / "assets" / name).read_text("utf-8")
