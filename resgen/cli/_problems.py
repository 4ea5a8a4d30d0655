"""Problems of specs, said beside what a command does."""

from __future__ import annotations

from collections.abc import Sequence

from resgen.cli._text import say
from resgen.errors import Problem
from resgen.reports.problems.terminal import lines, tally


def show(problem: Problem, *, err: bool = False) -> None:
    """One problem: its line for programs, then the line of the spec and the mend."""
    for line in lines(problem):
        say(line, err=err)


def summarize(warnings: Sequence[Problem], spec: str) -> None:
    """One line on stderr for a spec that has warnings, since ``check`` lists them."""
    if warnings:
        say(f"{tally(warnings)}; `resgen check {spec}` tells more.", err=True)
