"""Locks of files: one at a time, on Windows as well."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from resgen.files import lock as locks
from resgen.files.lock import claimed, held, lock, unlock

HOLD = """\
import sys
from pathlib import Path
from resgen.files.lock import claimed
with claimed(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_a_claim_is_of_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "work.lock"
    with claimed(path) as first, claimed(path) as second:
        assert (first, second) == (True, False)
    with claimed(path) as again:
        assert again


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with claimed(path) as mine:
            assert not mine
        other.kill()
        waited: list[str] = []
        with held(os.open(path, os.O_RDWR), lambda _: waited.append("waited")):
            pass


def test_it_is_told_how_long_is_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, then after a minute (here a hundredth of a second), two, four ..."""
    monkeypatch.setattr(locks, "_LOOK", 0.002)
    monkeypatch.setattr(locks, "_AGAIN", 0.01)
    path, waited = tmp_path / "work.lock", []

    def waiting(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            stack.close()

    with ExitStack() as stack:
        stack.enter_context(claimed(path))
        with held(os.open(path, os.O_RDWR), waiting):
            first, second, third = waited
    assert first == 0
    assert second >= 0.01
    assert third >= 0.02


class Bytes:
    """Locks as Windows has them: of bytes from where a file is read on, by handle."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        self.held: dict[tuple[int, int], int] = {}

    def locking(self, file: int, mode: int, count: int) -> None:
        """Of one byte; OSError where another has it, or nobody on giving it back."""
        key = os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR)
        if (mode == self.LK_NBLCK) == (key in self.held) or count != 1:
            raise PermissionError(13, "Permission denied")
        if mode == self.LK_NBLCK:
            self.held[key] = file
        elif self.held.pop(key) != file:
            raise PermissionError(13, "Permission denied")


def test_on_windows_a_byte_is_locked_that_no_file_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Bytes()
    monkeypatch.setitem(sys.modules, "msvcrt", windows)  # type: ignore[arg-type]
    monkeypatch.setattr("resgen.files.lock.sys", SimpleNamespace(platform="win32"))
    path = tmp_path / "journal"
    with path.open("w+b") as one, path.open("r+b") as two:
        one.write(b"some lines\n")
        one.flush()
        assert lock(one.fileno(), wait=False)
        assert not lock(two.fileno(), wait=False)
        ((_, byte),) = windows.held
        assert byte > 1 << 32  # others read all of the file meanwhile
        os.lseek(one.fileno(), 3, os.SEEK_SET)
        unlock(one.fileno())
        assert lock(two.fileno(), wait=False)
