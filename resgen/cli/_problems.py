"""Problems of specs, said beside what a command does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from resgen.cli._text import say
from resgen.errors import Problem
from resgen.reports.problems.terminal import lines, tally

#: What a hint names as Python's argument; messages hold a user's own names.
_ARGUMENT: Final = re.compile(r'\b([a-z]+(?:_[a-z]+)*)=(?:True\b|"([^"]*)"|(N)\b)')


def show(problem: Problem, *, err: bool = False) -> None:
    """One problem: its line for programs, then the line of the spec and the mend."""
    hint = None if problem.hint is None else typed(problem.hint)
    for line in lines(replace(problem, hint=hint)):
        say(line, err=err)


def summarize(warnings: Sequence[Problem], spec: str) -> None:
    """One line on stderr for a spec that has warnings, since ``check`` lists them."""
    if warnings:
        say(f"{tally(warnings)}; `resgen check {spec}` tells more.", err=True)


def typed(hint: str) -> str:
    """A hint with options; rooms that know no command line name Python's arguments."""
    return _ARGUMENT.sub(_option, hint)


def _option(found: re.Match[str]) -> str:
    name = f"--{found[1].replace('_', '-')}"
    value = found[2] or found[3]
    return name if value is None else f"{name} {shlex.quote(value)}"
