"""Locks among processes, which the system takes back from one that is killed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from resgen.files.whole import make_folder, unwritable

#: The byte that is locked on Windows, far behind all of a file: others cannot read one
#: that is.
_BYTE: Final = 1 << 40
#: Seconds between two tries on Windows, which does not wait by itself.
_PAUSE: Final = 0.05
#: Seconds between two tries where it is said how long is waited.
_LOOK: Final = 0.1
#: Seconds of waiting after which it is said again; then twice as many each time.
_AGAIN: Final = 60.0


def lock(file: int, *, wait: bool = True) -> bool:
    """Lock an open file, by its number; false where another has it and none waits.

    The lock is that of the opened file: whoever opens it again has another, also in
    the same process.
    """
    if sys.platform == "win32":
        while not _locked_byte(file):
            if not wait:
                return False
            time.sleep(_PAUSE)
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(file: int) -> None:
    """Give the lock of an open file back, which closing it does as well."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_UN)


def _locked_byte(file: int) -> bool:
    """What Windows has of locks: one of a byte. Whether it is ours now."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    return True


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether the piece of work that this file stands for is ours until the end.

    Several processes could do it; it is given back even by one that is killed.
    """
    make_folder(path.parent)
    try:
        file = path.open("ab")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        yield lock(file.fileno(), wait=False)


@contextmanager
def held(file: int, waiting: Callable[[float], None]) -> Iterator[None]:
    """Hold what an open file stands for, by its number, and close it at the end.

    It is waited for, however long that takes. ``waiting`` is called with the seconds so
    far: 0 before a wait, then after a minute, two, four and so on.
    """
    begin, due = time.monotonic(), 0.0
    try:
        while not lock(file, wait=False):
            waited = time.monotonic() - begin
            if waited >= due:
                waiting(waited if due else 0.0)
                due = max(2 * due, _AGAIN)
            time.sleep(_LOOK)
        yield
    finally:
        os.close(file)
