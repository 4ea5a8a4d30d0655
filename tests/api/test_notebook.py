"""What a notebook does: each result shows itself in a cell."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import resgen

VOID = {"br", "circle", "col", "ellipse", "hr", "img", "input", "line", "link", "meta",
        "path", "polygon", "polyline", "rect", "wbr"}  # fmt: skip


class Nesting(HTMLParser):
    """Refuses elements that are closed where they were not opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(result: Any) -> str:
    """The text of the cell, whose elements are nested well."""
    page = Nesting()
    page.feed(result._repr_html_())
    page.close()
    assert page.open == []
    return page.text


@pytest.mark.slow
def test_a_network_is_changed_built_measured_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change = {"/stages/0/shortcut": "none"}
    quick: dict[str, Any] = {"time": 0.2, "threads": 1, "operators": False}

    spec = resgen.load("resnet20_cifar", ['/stages/0/shortcut="none"'])
    inspected = resgen.inspect(spec)
    built = resgen.build(spec, "changed")
    before = resgen.profile("resnet20_cifar", out="before", **quick)
    after = resgen.profile("changed", out="after", **quick)
    compared = resgen.compare("before/report.json", "after/report.json")
    checked = resgen.check("resnet20_cifar", set=change)

    assert resgen.expand(spec)._repr_svg_().startswith("<svg")
    assert f"{inspected.analysis.params:,}"[:3] in shown(inspected)
    assert "changed/" in shown(built)
    assert json.loads(Path("changed/manifest.json").read_text())["verified"]
    assert "onnxruntime" in shown(before)
    assert "onnxruntime" in shown(after)
    assert compared.verdict == "undecided"
    assert "resnet20_cifar" in shown(compared)
    assert not checked.failed
    assert "proven" in shown(resgen.verify("changed"))
