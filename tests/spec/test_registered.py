"""Blocks that another installed package brings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = {
    "resgen": 1,
    "block": "twice",
    "doc": "Two convolutions.",
    "params": {"width": {"type": "channels"}},
    "body": [
        {"op": "conv", "as": "conv1", "out": "width", "kernel": 3},
        {"op": "conv", "as": "conv2", "out": "width", "kernel": 3},
    ],
}
SPEC = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": [],
    "stages": [{"block": "twice", "width": 8, "depth": 1}],
    "head": [],
}


def install(site: Path, package: str) -> None:
    """What pip leaves of a wheel of one JSON file."""
    folder = site / package / "blocks"
    folder.mkdir(parents=True)
    (site / package / "__init__.py").write_text('raise SystemExit("it was run")')
    (folder / "twice.json").write_text(json.dumps(BLOCK))
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\n")
    (info / "entry_points.txt").write_text(f"[resgen.blocks]\nown = {package}\n")


def resgen(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import resgen.cli as c; "
    return subprocess.run(
        [sys.executable, "-c", code + "c.main()", *words],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def spec(tmp_path: Path) -> str:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(SPEC))
    return str(file)


@pytest.mark.slow
def test_it_is_found_listed_and_embedded(tmp_path: Path, spec: str) -> None:
    install(tmp_path / "site", "others")
    done = resgen(tmp_path / "site", "inspect", spec, "--resolved")
    assert done.returncode == 0, done.stderr
    resolved = json.loads(done.stdout)
    assert set(resolved["blocks"]) == {"twice"}  # so that it needs the package no more
    assert "twice" in resgen(tmp_path / "site", "list", "blocks").stdout


def test_without_the_package_the_name_is_unknown(tmp_path: Path, spec: str) -> None:
    done = resgen(tmp_path, "check", spec)
    assert done.returncode == 1
    assert "RG020" in done.stdout + done.stderr


def test_two_packages_with_one_name(tmp_path: Path, spec: str) -> None:
    install(tmp_path / "site", "others")
    install(tmp_path / "site", "more")
    done = resgen(tmp_path / "site", "check", spec)
    assert done.returncode == 1
    assert 'two packages register a block "twice"' in done.stdout + done.stderr
