"""A report for a pull request: sentences first, then tables, the rest folded away."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from resgen.records.latency import Breakdown, Record, Run
from resgen.reports.latency.comparison import compare, in_order
from resgen.reports.latency.doubt import ABOVE, above
from resgen.reports.latency.naming import engine, label, percentile, seen, titles
from resgen.reports.latency.summary import sentences
from resgen.reports.markdown import table, text
from resgen.words.numbers import flat, interval, scaled, seconds, share, when


def render(records: Sequence[Record]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    records = in_order(records)
    names = list(dict.fromkeys(record.subject.name for record in records))
    lines = [f"## Latency of {text(', '.join(names))}", ""]
    lines += [f"- {text(sentence)}" for sentence in sentences(records)]
    if len(records) > 1:
        lines += ["", *_comparison(records)]
    for record in records:
        if len(records) > 1:
            lines += [
                "",
                f"### {text(record.subject.name)}, {text(when(record.created))}",
            ]
        lines += ["", *_record(record)]
    return "\n".join(lines) + "\n"


def _record(record: Record) -> Iterator[str]:
    head = (
        "on",
        "batch",
        "mode",
        "median",
        "95 % interval",
        "p95",
        "p99",
        "n",
        "per s",
    )
    yield from table(head, [_run(run) for run in record.runs], left=3)
    yield ""
    for run in record.runs:
        if seen(run):
            yield f"- {text(label(run))}: {text(seen(run))}"
    for run in record.runs:
        if run.breakdown is not None:
            yield ""
            yield from _breakdown(run, run.breakdown)
    yield from ["", "<details><summary>Environment and command</summary>", ""]
    rows = flat(record.environment)
    yield from table(("what", "value"), rows, left=2)
    if record.command:
        # A fence longer than any that the command could hold.
        yield from ["", "````sh", shlex.join(record.command), "````"]
    yield from ["", "</details>"]


def _run(run: Run) -> tuple[str, ...]:
    first = (engine(run), str(run.batch), run.mode)
    figures = run.summary
    if figures is None:
        return (*first, "not measured", "", "", "", "", "")
    return (
        *first,
        seconds(figures.median) + ("" if run.steady else " (unsteady)"),
        interval(figures.median_interval),
        percentile(figures, "p95"),
        percentile(figures, "p99"),
        f"{figures.n:,}",
        "" if run.throughput is None else scaled(run.throughput),
    )


def _breakdown(run: Run, breakdown: Breakdown) -> Iterator[str]:
    yield f"<details><summary>Where the time goes: {text(label(run))}</summary>"
    yield ""
    rows = [
        (
            charge.path,
            charge.label or "",
            seconds(charge.seconds),
            share(charge.seconds, breakdown.operator_sum),
            "" if charge.macs is None else scaled(charge.macs),
            ""
            if charge.attainable is None
            else share(charge.attainable, charge.seconds),
        )
        for charge in breakdown.charges
        if charge.kind != "block"
    ]
    head = ("part", "what", "time", "share", "MACs", "of the attainable")
    yield from table(head, rows, left=2)
    yield ""
    if above(breakdown):
        yield f"{ABOVE[:1].upper()}{ABOVE[1:]}."
        yield ""
    yield (
        f"{text(breakdown.source)}; the operators' sum is "
        f"{seconds(breakdown.operator_sum)}, {share(breakdown.coverage, 1)} of it "
        "charged to parts of the network."
    )
    yield from ["", "</details>"]


def _comparison(records: Sequence[Record]) -> Iterator[str]:
    head = (
        "run",
        *titles(records),
        "last / first",
    )
    rows = [
        (
            row.name,
            *("" if r is None or not r.summary else seconds(r.summary.median)
              for r in row.runs),
            "" if row.change is None else f"{row.change:.3f}",
        )
        for row in compare(records)
    ]  # fmt: skip
    yield from table(head, rows, left=1)
