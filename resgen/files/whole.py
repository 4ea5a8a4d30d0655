"""A file appears whole or not at all.

It is written aside, flushed to the disk and renamed: an interrupt, a full disk and a
loss of power leave what was there before. So it is with folders
(:mod:`resgen.files.place`), and nowhere is it done otherwise. The rename itself is not
waited for: after a loss of power the old file may still be there, and it is whole.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from resgen.errors import ResgenError
from resgen.files.aside import new_name, sweep, temporary_folder
from resgen.files.ordinary import open_file, reason


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; see :func:`whole`."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; see :func:`whole`."""
    with whole(path) as aside:
        aside.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write a file to, which becomes ``path`` when the block ends well.

    A link at ``path`` stays, and what it leads to is written. Into a device or a pipe
    the file is copied, since nothing can take their place. What the
    system refuses is a :class:`~resgen.errors.ResgenError`.
    """
    try:
        if _is_special(path):
            with temporary_folder() as folder:
                yield folder / "file"
                _pour(folder / "file", path)
            return
        # Beside the file itself, wherever links lead: a rename crosses no file system.
        place = Path(os.path.realpath(path))
        sweep(place.parent)
        aside = new_name(place.parent)
        try:
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                shutil.copymode(place, aside)
            aside.replace(place)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def require_file(path: Path) -> None:
    """Refuse what :func:`whole` could not write, before work that ends in it."""
    if path.is_dir():
        raise ResgenError(f"{path} is a folder", hint="name a file")
    if not path.parent.is_dir():
        raise ResgenError(f"the folder of {path} does not exist")
    if not _is_special(path):
        require_writable(path)


def require_writable(path: Path) -> None:
    """Refuse a place that the system lets nobody write at, as far as it exists."""
    above = Path(os.path.realpath(path)).parent
    while not above.exists():
        above = above.parent
    try:
        with TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, as far as they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ResgenError(f"{path} is a file", hint="name another folder") from error
    except OSError as error:
        raise unwritable(path, error) from error


def copy(source: Path, target: Path) -> None:
    """Copy a file's bytes; a file system that can shares them till one changes."""
    with open_file(source) as old, target.open("wb") as new:
        if hasattr(os, "copy_file_range"):
            try:
                while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
                    pass
                return
            except OSError as error:
                # Between file systems, or in a kernel that knows none; a full disk.
                if error.errno == errno.ENOSPC:
                    raise
                old.seek(0)
                new.seek(0)
        shutil.copyfileobj(old, new, 1 << 20)


def unwritable(path: Path, error: OSError) -> ResgenError:
    """What a person is told of a file or folder that cannot be written."""
    return ResgenError(f"cannot write {path}: {reason(error)}")


def flush(folder: Path) -> None:
    """Have the disk hold all that lies in a folder, names included."""
    for root, _, files in os.walk(folder):
        for path in (*(os.path.join(root, name) for name in files), root):  # noqa: PTH118
            if os.path.islink(path):  # noqa: PTH114
                continue
            with suppress(PermissionError):  # a folder, on systems that open none
                number = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)


def _is_special(path: Path) -> bool:
    """Whether it is no file, or only another name of one that somebody has open."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return True
    # /dev/stdout and /dev/fd/3 of a shell that sends them to a file.
    home = os.path.realpath(path.parent)
    return home == "/dev" or home.startswith("/proc/")


def _pour(source: Path, target: Path) -> None:
    # Appended: what a shell's >> has kept must stay, and others know no position.
    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(target, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:
            words = "it is a pipe that nobody reads"
            raise OSError(error.errno, words, str(target)) from None
        raise
    with os.fdopen(number, "wb", buffering=0) as sink, source.open("rb") as content:
        os.set_blocking(number, True)
        shutil.copyfileobj(content, sink)
