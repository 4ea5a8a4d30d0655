"""What goes wrong, in words that a person can act on.

Every error that a user can cause is a :class:`ResgenError`: it says what is wrong,
offers a mend where one is known, and carries the exit code of the command line.
Problems of a spec are collected as :class:`Problem` values and raised together, since
a person wants to see all of them in one run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Severity = Literal["error", "warning"]


class ResgenError(Exception):
    """The input or the result is at fault (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ResgenError):
    """The command or the call was wrong, not the input (exit code 2)."""

    exit_code = 2


class MissingComponent(ResgenError):
    """Something that has to be installed is not there (exit code 3).

    ``component`` is its name as a person knows it, ``install`` the command that
    brings it.
    """

    exit_code = 3

    def __init__(self, component: str, why: str, install: str) -> None:
        super().__init__(f"{component} is not installed, so {why}", hint=install)
        self.component = component
        self.install = install


class MissingDevice(ResgenError):
    """A device that has to be there is not (exit code 3)."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a file: what a person has to look at.

    ``line`` and ``column`` count from 1; ``text`` is the whole line and ``length`` the
    number of columns to underline. ``pointer`` is a JSON Pointer (RFC 6901).
    """

    file: str
    line: int
    column: int
    pointer: str
    text: str = ""
    length: int = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a spec, and where."""

    code: str
    severity: Severity
    message: str
    place: Place
    hint: str | None = None

    def __str__(self) -> str:
        at = self.place
        where = f"{at.file}:{at.line}:{at.column}"
        return f"{where}: {self.code} {self.severity}: {self.message}"


class SpecError(ResgenError):
    """A spec with at least one problem of severity ``error``."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [p for p in self.problems if p.severity == "error"]
        first = str(errors[0]) if errors else "no error"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(first + more, hint=errors[0].hint if errors else None)


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that ``name`` was most likely meant to be, if any is near.

    >>> closest("projecton", ["projection", "identity"])
    'projection'
    """
    options = list(choices)
    lowered = {option.lower(): option for option in options}
    near = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[near[0]] if near else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`` ; did you mean "..."?`` or nothing, to end a message with."""
    near = closest(name, choices)
    return f'; did you mean "{near}"?' if near else ""
