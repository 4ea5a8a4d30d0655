"""What lies aside while it is made: named by its process, and swept when that died.

A process that is killed, or a machine that loses power, leaves its unfinished work.
The name tells whose it is (machine, process id and when that process began, since ids
are used again), so the next run removes it and never what somebody is still making.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

#: Of what lies beside an output, which nobody wants to see, and in the system's folder.
_HIDDEN, _SHOWN = ".resgen-", "resgen-"
_NAME: Final = re.compile(r"\.?resgen-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}")
#: Where a folder waits while its successor takes its place; see ``resgen.files.place``.
OLD: Final = "old"
#: Seconds after which what another machine left in a shared folder is abandoned: no
#: process of another machine can be asked, and no work lies untouched for so long.
_ABANDONED: Final = 7 * 24 * 3600.0


def new_name(folder: Path, *, hidden: bool = True) -> Path:
    """A path in ``folder`` that nobody uses, and that tells whose it is."""
    pid = os.getpid()
    owner = f"{_machine()}-{pid}-{_began(pid) or 0}"
    return folder / f"{_HIDDEN if hidden else _SHOWN}{owner}-{token_hex(4)}"


@contextmanager
def folder_aside(parent: Path, *, hidden: bool = True) -> Iterator[Path]:
    """A private folder in ``parent``, gone with all in it when the block ends.

    What killed processes left in ``parent`` goes first. Raises :class:`OSError`.
    """
    sweep(parent)
    folder = new_name(parent, hidden=hidden)
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of the system's for temporary files; else as :func:`folder_aside`."""
    with folder_aside(Path(tempfile.gettempdir()), hidden=False) as folder:
        yield folder


def sweep(parent: Path) -> None:
    """Remove what dead processes of this user left in ``parent``.

    A folder that was to be replaced, and whose successor never came, is put back.
    """
    try:
        with os.scandir(parent) as entries:
            left = [entry for entry in entries if _NAME.fullmatch(entry.name)]
    except OSError:  # whoever wants to write there will hear of it
        return
    for entry in left:
        with suppress(OSError):
            _remove_dead(Path(entry.path))


def _remove_dead(path: Path) -> None:
    state = path.lstat()
    own = not hasattr(os, "geteuid") or state.st_uid == os.geteuid()
    if not own or not _is_dead(path.name, state):
        return
    if stat.S_ISREG(state.st_mode):
        path.unlink()
    elif stat.S_ISDIR(state.st_mode):
        if (path / OLD).is_dir():
            for old in (path / OLD).iterdir():
                if not os.path.lexists(path.parent / old.name):
                    old.rename(path.parent / old.name)
        shutil.rmtree(path, ignore_errors=True)


def _is_dead(name: str, state: os.stat_result) -> bool:
    found = _NAME.fullmatch(name)
    if found is None:
        return False
    if found[1] != _machine() or sys.platform == "win32":
        return time.time() - state.st_mtime > _ABANDONED
    began = _began(int(found[2]))
    return began is None or began != int(found[3])


def _machine() -> str:
    """This machine, and the container in it that counts processes by itself."""
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    name = os.uname().nodename if hasattr(os, "uname") else ""
    return sha256(f"{name} {space}".encode()).hexdigest()[:8]


def _began(pid: int) -> int | None:
    """When a process began, in the system's ticks; None if it is dead.

    Where the system has no ``/proc``, all that live began at 0.
    """
    try:
        # proc(5): after the name in brackets the state is field 3, the time 22.
        told = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        state, *rest = told.rpartition(")")[2].split()
        return None if state in "ZX" else int(rest[18])
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "win32" or Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return 0
