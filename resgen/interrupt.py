"""How a program is stopped: Ctrl-C and SIGTERM end it alike, in order.

Both raise KeyboardInterrupt where the program is, so that what lies aside goes and what
is to be taken up again is kept. Native code that is being imported turns that into an
error of its own; :func:`exit_code` tells that it followed from the signal.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_received: list[int] = []


def listen() -> None:
    """Take both signals, unless the one that started the program has them ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def exit_code() -> int | None:
    """130 or 143, as shells count, once a signal has come; None before."""
    return 128 + _received[0] if _received else None


def said() -> str:
    """What a person is told of it."""
    return "terminated" if signal.SIGTERM in _received else "interrupted"


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt
