"""Files of a user's, opened only if they are files: nothing here ever waits.

A named pipe blocks whoever opens it until somebody writes, a terminal until somebody
types, and ``/dev/zero`` never ends. What cannot be used is an :class:`OSError` whose
words say why, as it is for a file that is missing, so callers have one thing to catch.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

from resgen.errors import ResgenError

#: What may lie at a path and is no ordinary file, in words.
_KINDS: Final = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_file(path: str | Path) -> BufferedReader:
    """The file, open for reading bytes; links are followed.

    Raises :class:`OSError` for what is missing, forbidden, a folder, a pipe or a
    device. The kind is asked of what was opened, so nobody can exchange it in between.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:  # a NUL, which no path of any system holds
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    try:
        _check(os.fstat(number), path)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def check_file(path: str | Path) -> None:
    """For a library that opens the file itself: a ResgenError if it must not.

    A library's own errors say seldom which file it was and why.
    """
    try:
        open_file(path).close()
    except FileNotFoundError as error:
        raise ResgenError(f"{path} does not exist") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: OSError) -> ResgenError:
    """What a person is told of a file or folder that cannot be read."""
    return ResgenError(f"cannot read {path}: {reason(error)}")


def read_bytes(path: str | Path) -> bytes:
    """All that the file holds; errors are :func:`open_file`'s."""
    with open_file(path) as file:
        return file.read()


def read_text(path: str | Path) -> str:
    """The file's text, which is UTF-8; a UnicodeDecodeError if it is not."""
    return read_bytes(path).decode("utf-8")


def reason(error: OSError) -> str:
    """Why a file could not be used, in the system's words."""
    return (error.strerror or str(error)).lower()


def why_no_json(error: ValueError | RecursionError) -> str:
    """Why a file could not be read as JSON, in words and as an editor counts places."""
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start + 1} is no text, so it is a file of another kind"
        case json.JSONDecodeError(doc=text) if not text.strip():
            return "the file is empty"
        case json.JSONDecodeError():
            where = f"line {error.lineno}, column {error.colno}"
            return f"{error.msg[:1].lower()}{error.msg[1:]} at {where}"
        case RecursionError():
            return "it is nested too deep"
    return str(error)


def _check(state: os.stat_result, path: str | Path) -> None:
    if stat.S_ISDIR(state.st_mode):
        number = errno.EISDIR
        raise OSError(number, os.strerror(number), str(path))
    for is_kind, name in _KINDS:
        if is_kind(state.st_mode):
            words = f"it is {name} and no ordinary file"
            raise OSError(errno.EINVAL, words, str(path))
