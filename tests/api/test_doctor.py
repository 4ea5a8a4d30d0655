"""``resgen.doctor``: what the command tells, as a function."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import resgen
from resgen.cli import main
from resgen.machine import examine


def test_the_function_tells_what_the_command_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(examine, "WATCHED", 0.0)
    found = resgen.doctor()
    done = CliRunner().invoke(main, ["doctor", "--json"], catch_exceptions=False)
    told = json.loads(done.stdout)
    again = json.loads(json.dumps(found.to_dict()))
    assert again.keys() == told.keys()
    assert again["components"] == told["components"]
    assert "PyTorch" in str(found)
    assert max(map(len, str(found).splitlines())) <= 88
    assert "<pre>resgen" in found._repr_html_()
