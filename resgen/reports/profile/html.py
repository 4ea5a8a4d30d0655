"""A latency report as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from resgen.records.profile import Record
from resgen.reports import page
from resgen.reports.page import again, card, items
from resgen.reports.profile import tables
from resgen.reports.profile.naming import engine, in_order, percentile
from resgen.reports.profile.payload import payload
from resgen.reports.profile.summary import busiest, fastest, sentences
from resgen.reports.tables import pairs
from resgen.words.numbers import flat, interval, scaled, seconds, shape, when

_SECTIONS: Final = {
    "summary": "Summary",
    "comparison": "Side by side",
    "runs": "Runs",
    "samples": "Samples",
    "where": "Where the time goes",
    "operators": "Operators",
    "environment": "Environment",
}


def render(records: Sequence[Record]) -> str:
    """The page of one result, or of several side by side in order of time."""
    records = in_order(records)
    names = ", ".join(dict.fromkeys(record.subject.name for record in records))
    several = len(records) > 1
    notes = "".join(
        f"<li><b>{escape(name)}</b>: {escape(told)}</li>"
        for name, told in tables.notes(records)
    )
    parts = {
        "summary": items(sentences(records)),
        "cards": "" if several else "".join(_cards(records[0])),
        "networks": tables.networks(records).html() if several else "",
        "comparison": tables.comparison(records).html() if several else "",
        "runs": tables.runs(records).html(),
        "notes": f"<h3>Notes</h3><ul>{notes}</ul>" if notes else "",
        "environment": "".join(_environments(records)),
    }
    return page.render(
        "profile",
        title=f"{names}: latency",
        name=names,
        facts=_facts(records),
        sections=_SECTIONS,
        parts=parts,
        data=payload(records),
        scripts=("measured.js", "charts.js", "page.js"),
    )


def notebook(record: Record) -> str:
    """The runs as a table for a notebook's cell, below what they come to."""
    return f"<ul>{items(sentences([record]))}</ul>{tables.runs([record]).html()}"


def _facts(records: Sequence[Record]) -> str:
    if len(records) > 1:
        first, last = when(records[0].created), when(records[-1].created)
        return f"{len(records)} results from {first} to {last} UTC"
    record, subject = records[0], records[0].subject
    facts = [
        subject.kind,
        "input " + shape(subject.input, "×") if subject.input else "",
        f"{scaled(subject.params)} parameters" if subject.params else "",
        f"{scaled(subject.macs)} multiply-adds" if subject.macs else "",
        f"{subject.weights} weights" if subject.weights else "",
        f"sha256 {subject.sha256[:12]}" if subject.sha256 else "",
        f"measured {when(record.created)} UTC",
        f"by resgen {record.resgen}",
    ]
    return " · ".join(fact for fact in facts if fact)


def _cards(record: Record) -> Iterator[str]:
    best = fastest(record)
    if best is not None and best.summary is not None:
        what = "" if best.batch == 1 else f", batch {best.batch}"
        yield card(
            seconds(best.summary.median),
            f"median {best.mode}{what}",
            f"{interval(best.summary.median_interval)} at 95 % · {engine(best)}",
        )
        for name in ("p99", "p95"):
            if tail := percentile(best.summary, name):
                of = "of requests take no longer" if best.batch == 1 else "of batches"
                yield card(tail, name, f"{name[1:]} % {of}")
                break
    most = busiest(record)
    if most is not None and most.throughput is not None:
        yield card(
            f"{scaled(most.throughput)}/s",
            "inputs a second, at most",
            f"batch {most.batch} · {engine(most)}",
        )
    sizes = [run.peak_memory for run in record.runs if run.peak_memory]
    if sizes:
        yield card(scaled(max(sizes), "B"), "peak memory", "the largest of all runs")


def _environments(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if len(records) > 1:
            yield f"<h3>{escape(record.subject.name)}, {when(record.created)}</h3>"
        yield pairs(flat(record.environment), "the machine and its software")
        settings = [row for run in record.runs for row in tables.settings(run)]
        if settings:
            yield "<details><summary>Settings and state of each run</summary>"
            yield pairs(settings, "settings and state of each run")
            yield "</details>"
        yield again(record.command, "This measures it again:")
