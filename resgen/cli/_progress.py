"""Steps of a long command: a line each, and what goes on meanwhile."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final

import click

from resgen.cli._options import QUIET
from resgen.cli._text import say
from resgen.words.progress import Progress as Listener
from resgen.words.terminal import printable, style

_LABEL: Final = 10
#: Columns of a bar that stands for all of a step.
_BAR: Final = 24
#: Seconds between two lines of a log.
_EVERY: Final = 15.0


class Progress(Listener):
    """Prints finished steps; on a terminal also the one that is under way.

    ``then`` says for each finished step (``""`` is none) what begins after it. The
    lines go to stdout, or to stderr with ``err``; with ``--quiet`` there are none.
    """

    def __init__(self, then: Mapping[str, str], *, err: bool) -> None:
        self._then = then
        self._err = err
        self._last = ""
        context = click.get_current_context(silent=True)
        self._quiet = context is not None and context.meta.get(QUIET, False)
        self._live = sys.stderr.isatty() and not self._quiet
        self._logged = time.monotonic()

    def __enter__(self) -> Progress:
        self._announce()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()

    def say(self, label: str, text: str) -> None:
        """A step is done; more lines of the same step stand below one another."""
        if self._quiet:
            return
        self._clear()
        head = "" if label == self._last else label
        self._last = label
        for line in text.splitlines() or [""]:
            say(style(f"{head:<{_LABEL}}", bold=True) + line, err=self._err)
            head = ""
        self._announce()

    def advance(self, step: str, done: int, total: int) -> None:
        """How far the step has come that is under way: a bar on a terminal.

        A log gets a line now and then, so that nobody takes a long step for a dead one.
        """
        now = time.monotonic()
        if not self._live and not self._quiet and now - self._logged > _EVERY:
            self._logged = now
            say(f"{printable(step)}: {done} of {total}", err=True)
        if self._live:
            filled = _BAR * done // max(total, 1)
            bar = "#" * filled + "-" * (_BAR - filled)
            sys.stderr.write(f"\r\033[K{printable(step)} {bar} {done} of {total}")
            sys.stderr.flush()

    def _announce(self) -> None:
        doing = self._then.get(self._last)
        if self._live and doing:
            sys.stderr.write(f"{doing} ...")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
