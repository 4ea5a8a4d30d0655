"""``python -m resgen`` and the ``resgen`` script."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from resgen import interrupt


def run() -> None:
    """Run the command line and end the process without taking it apart.

    Files are closed by then; torch and ONNX Runtime would spend up to a second on
    freeing what the system frees at once.
    """
    interrupt.listen()
    _open_streams()
    code: object = 0
    try:
        from resgen.cli import main  # takes a while, in which a person may stop it

        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        code = interrupt.exit_code()
        if code is None:
            raise
        with suppress(OSError):
            sys.stderr.write(f"resgen: {interrupt.said()} (exit {code}).\n")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _open_streams() -> None:
    """Put something in the place of a standard stream that was closed.

    Otherwise the next file that is opened would be it, and take what is printed.
    Writing to an output that was closed is an error, as for any other program.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        if not _is_open(number):
            null = os.open(os.devnull, flags)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    run()
