"""``resgen.report``: what the command writes, as a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reports.diagnosed import diagnosis
from reports.make import record

import resgen
from resgen.diagnosis.documents import DIAGNOSIS
from resgen.profiling.documents import REPORT


def test_the_page_lies_beside_its_result(tmp_path: Path) -> None:
    REPORT.save(record(), tmp_path / "report.json")
    found = resgen.report(tmp_path)
    assert found.path == tmp_path / "report.html"
    assert found.path.read_text("utf-8") == found.text
    assert found.to_dict() == [json.loads((tmp_path / "report.json").read_text())]
    assert "onnxruntime" in str(found)
    assert "<table" in found._repr_html_()


def test_other_forms_are_texts_or_files(tmp_path: Path) -> None:
    data = tmp_path / "diagnosis.json"
    DIAGNOSIS.save(diagnosis(), data)
    found = resgen.report([data], format="md")
    assert found.path is None
    assert found.text.startswith("#")
    written = resgen.report(data, out=tmp_path / "x.md")
    assert (tmp_path / "x.md").read_text("utf-8") == written.text == found.text


def test_mistakes_are_told_by_argument(tmp_path: Path) -> None:
    with pytest.raises(resgen.ResgenError, match=r"^format: \"pdf\" is not one of"):
        resgen.report(tmp_path, format="pdf")
    with pytest.raises(resgen.ResgenError, match="no result is given"):
        resgen.report([])
