"""The command line, run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_subject
from click.testing import CliRunner, Result

from resgen.cli import main

Run = Callable[..., Result]

SPEC: dict[str, Any] = {**small_subject.SPEC, "name": "mine"}


@pytest.fixture
def run() -> Run:
    """``run("check", "x.json")``: exit code, stdout and stderr of a command."""

    def invoke(
        *arguments: object, env: dict[str, str] | None = None, **options: Any
    ) -> Result:
        # Runners of tests say how wide their own output is.
        plain = {"COLUMNS": None, "NO_COLOR": None, **(env or {})}
        words = list(map(str, arguments))
        result = CliRunner().invoke(main, words, env=plain, **options)
        if result.exception is not None and not isinstance(
            result.exception, SystemExit
        ):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a good spec, ``mine.json``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text(json.dumps(SPEC, indent=1), "utf-8")
    return tmp_path


@pytest.fixture
def bad(here: Path) -> Path:
    """``bad.json``, with two errors."""
    text = """{
  "resgen": 1, "name": "bad", "input": [3, 224, 224],
  "stem": "imagenet",
  "defaults": {"block": "bottleneck", "shortcut": "projection"},
  "stages": [
    {"width": 256, "depth": 3},
    {"width": 512, "shortcut": "projecton", "depth": 4},
    {"width": 1000, "shortcut": "identity", "depth": 6}
  ],
  "head": {"classes": 1000}
}
"""
    path = here / "bad.json"
    path.write_text(text, "utf-8")
    return path
