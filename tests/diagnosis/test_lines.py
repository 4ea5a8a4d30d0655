"""The line of the spec that a finding points at."""

from __future__ import annotations

import pytest

import resgen
from resgen.diagnosis.diagnose import line_of
from resgen.records.diagnosis import Finding


def finding(hint: str, pointer: str | None) -> Finding:
    return Finding("RG402", "", hint, "a", "b", 2.0, 1.0, "", pointer)


@pytest.mark.parametrize(
    ("hint", "pointer", "line"),
    [
        ('write "shortcut": "projection" in "defaults"', "/stages/0", 4),
        ('write "shortcut": "projection" in "defaults"', "/stages/1", 6),
        ('write "norm": "batch" and "shortcut": "projection"', "/stages/0", 4),
        ('write "norm": "batch"', "/stages/0", None),
        ("train with a learning rate of 0.005", "/stages/0", None),
        ('write "shortcut": "projection" in "defaults"', "/head", 4),
        ('write "shortcut": "projection" in "defaults"', None, 4),
    ],
)
def test_it_says_what_the_mend_would_change(tmp_path, hint, pointer, line):
    path = tmp_path / "mine.json"
    path.write_text(
        '{"resgen": 1, "name": "mine", "input": [3, 16, 16],\n'
        ' "stem": "cifar",\n'
        ' "defaults": {"block": "basic",\n'
        '              "shortcut": "none"},\n'
        ' "stages": [{"width": 16, "depth": 2},\n'
        '            {"shortcut": "none", "width": 32, "depth": 2}],\n'
        ' "head": {"classes": 10}}\n'
    )
    found = line_of(resgen.load(path), finding(hint, pointer))
    assert (found and found.line) == line
    assert found is None or found.file == str(path)
