"""How long work tells what it has done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from resgen.errors import UsageError

#: Columns of the name of a step.
_LABEL: Final = 10
#: Seconds between two lines on how far a step has come.
EVERY: Final = 15.0


class Progress:
    """Is told of steps that are done and of how far the one under way has come.

    This one listens to nothing.
    """

    def say(self, label: str, text: str) -> None:
        """A step is done: its name (``onnx``), and what came of it, in lines."""

    def advance(self, step: str, done: int, total: int) -> None:
        """So much of the step under way is done."""


class Lines(Progress):
    """Hands on what is said, a line at a time."""

    def __init__(self, take: Callable[[str], object]) -> None:
        self.take = take
        self.last = ""
        self.told = time.monotonic()

    def say(self, label: str, text: str) -> None:
        """Further lines of the same step stand below one another."""
        for head, line in laid(label, self.last, text):
            self.take(head + line)
        self.last = label

    def advance(self, step: str, done: int, total: int) -> None:
        """A line now and then, so that nobody takes a long step for a dead one."""
        now = time.monotonic()
        if done and now - self.told > EVERY:
            self.told = now
            self.take(f"{step}: {done} of {total}")


#: Tells nobody anything.
SILENT: Final = Progress()
#: What the functions take: a callable that is given each line as it is said (print
#: will do), or nothing. The command line hands over what draws its bars.
Told: TypeAlias = Callable[[str], object] | Progress | None


def laid(label: str, last: str, text: str) -> list[tuple[str, str]]:
    """Lines of a step: its name, unless the ``last`` line bore it, and a text each."""
    head = "" if label == last else label
    first, *more = text.splitlines() or [""]
    return [(f"{head:<{_LABEL}}", first), *((" " * _LABEL, line) for line in more)]


def listening(progress: Told) -> Progress:
    """Who listens, for what a caller gave as ``progress``; UsageError if nobody can."""
    if progress is None:
        return SILENT
    if isinstance(progress, Progress):
        return progress
    if not callable(progress):
        raise UsageError(
            "progress takes a line of text, so it is to be a callable such as print, "
            f"and not of type {type(progress).__name__}"
        )
    return Lines(progress)
