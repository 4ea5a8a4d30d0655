"""How a program is stopped: Ctrl-C and SIGTERM end it alike, in order.

Both raise KeyboardInterrupt where the program is, so that what lies aside goes and what
is to be taken up again is kept. Native code that is being imported turns that into an
error of its own; :func:`exit_code` tells that it followed from the signal.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, Final, NoReturn

_received: list[int] = []
#: Seconds until a signal that was lost is sent again.
_AGAIN: Final = 0.02


def listen() -> None:
    """Take both signals, unless the one that started the program has them ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _lost


def exit_code() -> int | None:
    """130 or 143, as shells count, once a signal has come; None before."""
    return 128 + _received[0] if _received else None


def said() -> str:
    """What a person is told of it."""
    return "terminated" if signal.SIGTERM in _received else "interrupted"


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt


def _lost(unraisable: Any) -> None:
    """Send a signal again that came where nothing can be raised, as in a finaliser."""
    if not _received or not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    from threading import Timer

    again = Timer(_AGAIN, os.kill, (os.getpid(), _received[-1]))
    again.daemon = True
    again.start()
