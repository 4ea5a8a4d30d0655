"""Somebody who is told how far the work has come."""

from __future__ import annotations

from collections.abc import Callable

from resgen.words.progress import Progress


class Hearing(Progress):
    """Calls a function with the steps done, the steps in all and what is under way."""

    def __init__(self, call: Callable[[int, int, str], object]) -> None:
        self.call = call

    def advance(self, step: str, done: int, total: int) -> None:
        self.call(done, total, step)
