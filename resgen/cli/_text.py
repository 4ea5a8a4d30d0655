"""What the command line writes: lines, or one JSON document."""

from __future__ import annotations

import errno
import json
import os
import sys
from math import isfinite
from typing import Any, Final

import click

from resgen.errors import ResgenError
from resgen.files.ordinary import reason
from resgen.words.terminal import in_json, painted

CLOSED: Final = "standard output is closed"


def no_color() -> bool:
    """Whether the user wants no colours anywhere (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def say(text: str = "", *, err: bool = False) -> None:
    """Write lines to stdout, or stderr; colours only to a terminal that wants them.

    All that the command line shows passes here: what a terminal would obey is shown as
    an escape, whoever put it into a name. Where stdout cannot be written the command
    ends there; a message that stderr cannot take is lost.

    :raises ResgenError: when stdout is closed or has no room
    :raises SystemExit: when nobody reads it any more, as `head` after its lines
    """
    try:
        click.echo(painted(text), err=err, color=False if no_color() else None)
    except OSError as error:
        if err:
            return
        match error.errno:
            case errno.EPIPE:
                raise SystemExit(1) from error
            case errno.EBADF:
                raise ResgenError(CLOSED) from error
            case _:
                message = f"cannot write standard output: {reason(error)}"
                raise ResgenError(message) from error


def say_json(value: Any, *, indent: int = 2) -> None:
    """Write the one document of ``--json``.

    Other letters than ASCII's are kept where the output can carry all of them. Numbers
    that are not finite do not exist in JSON: they are null.
    """
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=not carries_unicode())
    say(in_json(text))


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def carries_unicode() -> bool:
    """Whether the output can carry all letters."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def width() -> int:
    """Columns of the terminal; without end where the output goes elsewhere."""
    import shutil  # brings every kind of archive along

    endless = (sys.maxsize, 0)
    size = shutil.get_terminal_size(endless)
    return (
        size.columns if sys.stdout.isatty() or "COLUMNS" in os.environ else endless[0]
    )
