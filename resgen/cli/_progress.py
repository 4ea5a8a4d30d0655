"""Steps of a long command: a line each, and what goes on meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

import click

from resgen.cli._options import QUIET
from resgen.cli._text import say
from resgen.words.progress import Lines, laid
from resgen.words.progress import Progress as Listener
from resgen.words.terminal import printable, style

#: Columns of a bar that stands for all of a step.
_BAR: Final = 24


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
        self._log = Lines(lambda line: say(printable(line), err=True))

    def __enter__(self) -> Progress:
        self._announce()
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def say(self, label: str, text: str) -> None:
        """A step is done; more lines of the same step stand below one another."""
        if self._quiet:
            return
        self._clear()
        for head, line in laid(label, self._last, text):
            say(style(head, bold=True) + line, err=self._err)
        self._last = label
        self._announce()

    def advance(self, step: str, done: int, total: int) -> None:
        """How far the step has come that is under way: a bar, or lines of a log."""
        if not self._live and not self._quiet:
            self._log.advance(step, done, total)
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
