"""The bundle for a GPU machine without a package index, with files that stand in."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bundle = load("bundle")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A package and a library, for the Python that runs this."""
    monkeypatch.setattr(
        bundle, "PYTHON", f"{sys.version_info[0]}.{sys.version_info[1]}"
    )
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "code.py").write_text("ANSWER = 42\n")
    (folder / "library.so").write_bytes(random.Random(0).randbytes(100_000))
    return {
        "thing/__init__.py": folder / "code.py",
        "thing_libs/library.so": folder / "library.so",
    }


def unpack(folder, target):
    command = [sys.executable, "-I", "-S", folder / "unpack.py", target]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_what_was_packed_is_imported_elsewhere(files, tmp_path):
    out = tmp_path / "bundle"
    size = bundle.pack(files, out, preset=0)
    assert size == sum(path.stat().st_size for path in out.iterdir())
    target = tmp_path / "deep" / "site"
    for _ in range(2):  # the second time there is nothing to do
        done = unpack(out, target)
        assert done.returncode == 0, done.stderr
    assert done.stdout == f"PYTHONPATH={target}\n"
    for name, path in files.items():
        assert (target / name).read_bytes() == path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", "import thing; print(thing.ANSWER)"],
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "42\n"


def test_the_same_files_are_the_same_bundle(files, tmp_path):
    for name in ("a", "b"):
        bundle.pack(files, tmp_path / name, preset=0)
    first, second = ((tmp_path / n / bundle.ARCHIVE).read_bytes() for n in ("a", "b"))
    assert first == second


def test_too_large_a_bundle_is_not_there(files, tmp_path):
    out = tmp_path / "bundle"
    with pytest.raises(ValueError, match=r"is 0\.1 MiB, and 0\.0 MiB"):
        bundle.pack(files, out, preset=0, limit=50_000)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_damaged_bundle_is_not_unpacked(files, tmp_path):
    out = tmp_path / "bundle"
    bundle.pack(files, out, preset=0)
    archive = out / bundle.ARCHIVE
    archive.write_bytes(archive.read_bytes()[:-100])
    done = unpack(out, tmp_path / "site")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "site").exists()


def test_another_python_is_told(files, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "PYTHON", "3.7")
    bundle.pack(files, tmp_path / "bundle", preset=0)
    done = unpack(tmp_path / "bundle", tmp_path / "site")
    assert done.returncode == 1
    assert "for Python 3.7" in done.stderr


def test_the_best_preset_packs_machine_code_with_its_own_filter(files, tmp_path):
    x86, lzma2 = bundle.filters(9)
    assert x86["id"] == bundle.lzma.FILTER_X86
    assert lzma2["dict_size"] == 256 << 20
