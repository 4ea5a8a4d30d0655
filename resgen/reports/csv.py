"""Rows for a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def written(header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a table; what a row lacks, or knows as None, is an empty field."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
