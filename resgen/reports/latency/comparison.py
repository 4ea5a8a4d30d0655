"""The same run in several results: rows to lay side by side, in order of time.

Where every result is of one network, rows are its runs over time. Where they are of
several, a row is one way to run them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resgen.records.latency import Record, Run
from resgen.reports.latency.naming import rows_of


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run in each result, None where a result lacks it.

    ``change`` is the last median over the first, None unless there are two.
    """

    name: str
    runs: tuple[Run | None, ...]
    change: float | None


def in_order(records: Sequence[Record]) -> list[Record]:
    """By the time of measuring; given order where it is the same."""
    return sorted(records, key=lambda record: record.created)


def compare(records: Sequence[Record]) -> list[Row]:
    """The rows, in the order in which runs first appear; columns are ``records``."""
    row_of = rows_of(records)
    tables = [{row_of(run): run for run in record.runs} for record in records]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = []
    for name in names:
        runs = tuple(table.get(name) for table in tables)
        medians = [r.summary.median for r in runs if r is not None and r.summary]
        change = medians[-1] / medians[0] if len(medians) > 1 and medians[0] else None
        rows.append(Row(name, runs, change))
    return rows
