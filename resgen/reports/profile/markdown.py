"""A report for a pull request: sentences first, then tables, the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resgen.records.profile import Breakdown, Record, Run
from resgen.reports.markdown import fenced, folded, text
from resgen.reports.profile import tables
from resgen.reports.profile.naming import in_order, label
from resgen.reports.profile.summary import ABOVE, above, sentences
from resgen.reports.tables import Table
from resgen.words.numbers import flat, seconds, share, when


def render(records: Sequence[Record]) -> str:
    """The text, in the dialect that GitHub and GitLab share."""
    records = in_order(records)
    names = list(dict.fromkeys(record.subject.name for record in records))
    lines = [f"## Latency of {text(', '.join(names))}", ""]
    lines += [f"- {text(sentence)}" for sentence in sentences(records)]
    if len(records) > 1:
        lines += tables.comparison(records).markdown()
    for record in records:
        if len(records) > 1:
            name, measured = text(record.subject.name), text(when(record.created))
            lines += ["", f"### {name}, {measured}"]
        lines += _record(record)
    return "\n".join(lines) + "\n"


def _record(record: Record) -> Iterator[str]:
    yield from tables.runs([record]).only(*tables.FIGURES).markdown()
    yield ""
    for name, told in tables.notes([record]):
        yield f"- {text(name)}: {text(told)}"
    for run in record.runs:
        if run.breakdown is not None:
            body = _breakdown(run, run.breakdown)
            yield from folded(f"Where the time goes: {label(run)}", body)
    yield from folded("Environment and command", _environment(record))


def _breakdown(run: Run, breakdown: Breakdown) -> Iterator[str]:
    yield from (*tables.parts(run).markdown(), "")
    if above(breakdown):
        yield from (f"{ABOVE[:1].upper()}{ABOVE[1:]}.", "")
    yield (
        f"{text(breakdown.source)}; the operators' sum is "
        f"{seconds(breakdown.operator_sum)}, {share(breakdown.coverage, 1)} of it "
        "charged to parts of the network."
    )


def _environment(record: Record) -> Iterator[str]:
    rows = flat(record.environment)
    yield from Table.words("", ("what", "value"), rows, 2).markdown()
    yield from fenced(record.command)
