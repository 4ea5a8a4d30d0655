"""What TensorRT says while it works: its log and its progress.

Its calls return None or False when they fail, and the reason is only in the log.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any, Final

from resgen.tensorrt.api import TensorRT
from resgen.tensorrt.layers import HEAD

#: Called with how many of how many steps are done.
Progress = Callable[[int, int], None]

#: Without a GPU every failure is followed by one about the driver, which is not it.
_NO_DRIVER: Final = re.compile(r"cuda\s?error\D{0,12}35\b", re.IGNORECASE)
#: Where in TensorRT's sources it happened, which tells a user nothing.
_SOURCE: Final = re.compile(
    r"\s*\b[Ii]n \w+ at \S+:\d+|^\S+\.cpp:\d+: ?|^Assertion failed: .*?: (?=[A-Z])"
)


def reasons(text: str) -> list[str]:
    """The lines of a message that say what is wrong, each without its place in C++."""
    lines = (line.strip() for line in text.splitlines())
    plain = (_SOURCE.sub("", line).strip() for line in lines if not unrelated(line))
    return [line for line in plain if line]


def unrelated(message: str) -> bool:
    """Whether it says only that there is no driver."""
    return _NO_DRIVER.search(message) is not None


class Log:
    """The errors since :meth:`clear`, and the last description of an engine."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.layers = ""

    def clear(self) -> None:
        self.errors.clear()
        self.layers = ""

    def why(self) -> str:
        """What went wrong, in TensorRT's words."""
        lines = [line for error in self.errors for line in reasons(error)]
        return "; ".join(dict.fromkeys(lines)) or "it does not say why"


def logger_of(trt: TensorRT) -> tuple[Any, Log]:
    """The one logger of a flavour: TensorRT keeps the first that a process shows it."""
    name = trt.__name__
    if name not in _LOGGERS:
        _LOGGERS[name] = _logger(trt)
    return _LOGGERS[name]


_LOGGERS: Final[dict[str, tuple[Any, Log]]] = {}


def _logger(trt: TensorRT) -> tuple[Any, Log]:
    severity = trt.ILogger.Severity
    worst = (severity.INTERNAL_ERROR, severity.ERROR)
    log = Log()

    class Logger(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in worst:
                if not unrelated(message):
                    log.errors.append(message)
            elif message.startswith(HEAD):
                log.layers = message

    return Logger(), log


def monitor_of(trt: TensorRT, progress: Progress, stop: threading.Event) -> Any:
    """A progress monitor that ends the build once ``stop`` is set.

    Only the steps of the outermost phase are told: how many the inner ones have is
    known when they begin.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.outermost: tuple[str, int] | None = None

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            if parent is None:
                self.outermost = name, steps
                progress(0, steps)

        def phase_finish(self, name: str) -> None:
            pass

        def step_complete(self, name: str, step: int) -> bool:
            if self.outermost is not None and name == self.outermost[0]:
                progress(step + 1, self.outermost[1])
            return not stop.is_set()

    return Monitor()
