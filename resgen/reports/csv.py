"""Rows for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: What the text of a formula begins with, in one spreadsheet or another.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of some kind of result: its header, and its rows from such results."""

    header: Sequence[str]
    rows: Callable[[Any], Iterable[Mapping[str, Any]]]

    def written(self, results: Any) -> str:
        """Its text; what a row lacks, or knows as None, is an empty field."""
        return written(self.header, self.rows(results))


def written(header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a table; what a row lacks, or knows as None, is an empty field.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, as
    OWASP's page on CSV injection has it; numbers stay as they are.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _inert(cell) for key, cell in row.items()})
    return out.getvalue()


def _inert(cell: Any) -> Any:
    formula = isinstance(cell, str) and cell.startswith(_FORMULA)
    return f"'{cell}" if formula else cell
