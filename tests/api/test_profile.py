"""``resgen.profile``: what the command does, as a function."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.conftest import SPEC

import resgen
from resgen.profiling.documents import REPORT

#: Short, and without the engine's profiler.
QUICK = {"time": 0.3, "threads": 1, "operators": False}


@pytest.mark.slow
def test_a_spec_is_profiled_and_shown(tmp_path: Path) -> None:
    found = resgen.profile(SPEC, **QUICK)
    assert found.folder is None  # nothing is written unless it was asked for
    assert not found.failed
    text = str(found)
    assert "onnxruntime" in text
    assert text.isascii() or "µs" in text
    assert "<table" in found._repr_html_()
    assert REPORT.from_json(found.to_dict(), Path("report.json")) == found.record


@pytest.mark.slow
def test_the_report_goes_where_it_was_asked_for(tmp_path: Path) -> None:
    found = resgen.profile(
        SPEC, out=tmp_path / "new", set=["/stages/0/depth=2"], **QUICK
    )
    assert (tmp_path / "new/report.html").is_file()
    assert REPORT.load(tmp_path / "new/report.json") == found.record
    assert found.record.command[:3] == ("resgen", "profile", "mine")


def test_mistakes_are_told_by_argument() -> None:
    with pytest.raises(resgen.ResgenError, match=r"^in_flight is for mode throughput"):
        resgen.profile(SPEC, in_flight=3)
    with pytest.raises(resgen.ResgenError, match='did you mean "batch"'):
        resgen.profile(SPEC, batches=3)
