"""``python -m resgen`` and the ``resgen`` script."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from resgen.cli import main


def run() -> None:
    """Run the command line and end the process without taking it apart.

    Files are closed by then; torch and ONNX Runtime would spend up to a second on
    freeing what the system frees at once.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    run()
