"""The examples in docstrings are run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: The script of a kit runs by itself, on machines without resgen.
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in (ROOT / "resgen").rglob("*.py")
    if ">>>" in file.read_text("utf-8") and "script" not in file.parts
)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.slow
def test_examples_give_what_they_say(name: str) -> None:
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert not found.failed
