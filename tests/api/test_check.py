"""``resgen.check``: what the command lists, as a function."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import SPEC
from click.testing import CliRunner

import resgen
from resgen.cli import main


def test_the_function_lists_what_the_command_lists(tmp_path: Path) -> None:
    path = tmp_path / "wide.json"
    path.write_text(json.dumps({**SPEC, "stages": [{"width": 31, "dpth": 1}]}))
    found = resgen.check(path, "no-such-network")
    done = CliRunner().invoke(main, ["check", str(path), "no-such-network", "--json"])
    assert found.to_dict() == json.loads(done.stdout)
    assert found.failed
    assert len(found) == len(list(found)) > 1
    assert "dpth" in str(found)
    assert "^^^" in str(found)
    assert "<pre>" in found._repr_html_()


def test_warnings_fail_where_they_are_to() -> None:
    changes = {"/stages/1/width": 31}
    assert [p.severity for p in resgen.check(SPEC, set=changes)] == ["warning"]
    assert not resgen.check(SPEC, set=changes).failed
    assert resgen.check(SPEC, set=changes, strict=True).failed
    assert str(resgen.check(SPEC)) == "ok"
