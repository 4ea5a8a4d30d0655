"""A claim to a piece of work that several processes could do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resgen.files.whole import make_folder, unwritable


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether the claim that this file stands for is ours, until the block ends.

    It is given back even by a process that is killed. Windows has no such lock: there
    every process has every claim, and work may be done twice.
    """
    if sys.platform == "win32":
        yield True
        return
    import fcntl

    make_folder(path.parent)
    try:
        file = path.open("w")
    except OSError as error:
        raise unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
