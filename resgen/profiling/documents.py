"""The files of what was measured: ``report.json``, and of a comparison."""

from __future__ import annotations

from typing import Final

from resgen.document.files import Format
from resgen.records import comparison
from resgen.records.profile import FORMAT, Record

REPORT: Final = Format(
    mark="resgen_report",
    version=FORMAT,
    kind=Record,
    name="report",
    title="A latency report of resgen's",
    made_by="resgen profile",
    hint="resgen profile writes report.json; resgen report also reads a kit's\n"
    "result.json and what trtexec exports",
)
COMPARISON: Final = Format(
    mark="resgen_comparison",
    version=comparison.FORMAT,
    kind=comparison.Comparison,
    name="comparison",
    title="A comparison of resgen's",
    made_by="resgen compare",
    hint="resgen compare A B -o comparison.json writes one",
)
