"""Every problem of specs, with its place and a mend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from resgen.api.asked.looking import Checking
from resgen.api.specs import SPEC, checked
from resgen.errors import Problem
from resgen.expansion.arguments import Source
from resgen.options.kinds import argument
from resgen.reports.problems import terminal
from resgen.words.terminal import Shown


@dataclass(frozen=True, slots=True)
class Checked(Shown):
    """All problems that there are; ``failed`` where the command's exit code is 1."""

    problems: tuple[Problem, ...]
    failed: bool

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def __len__(self) -> int:
        return len(self.problems)

    def to_dict(self) -> list[dict[str, Any]]:
        """What ``resgen check --json`` prints."""
        return [problem.to_dict() for problem in self.problems]

    def lines(self) -> Iterator[str]:
        """What the terminal shows."""
        for problem in self.problems:
            yield from terminal.lines(problem)
        yield terminal.tally(self.problems) or "ok"


def check(*specs: Source, **options: Any) -> Checked:
    """Find every mistake of specs, each with its place and a mend.

    A spec is a file, the name of a network that comes along, or JSON values.
    ``options`` are those of :class:`~resgen.api.asked.looking.Checking`, which are the
    command's. Nothing is raised for what a spec can have wrong.

    >>> found = check("resnet50", set={"/stages/2/shortcut": "identity"})
    >>> [problem.code for problem in found]
    ['RG104']
    """
    asked = Checking.of(options)
    given = [argument("specs", SPEC, spec) for spec in specs]
    found = [problem for spec in given for problem in checked(spec, asked).problems]
    return Checked(tuple(found), failed(found, asked))


def failed(problems: list[Problem], asked: Checking) -> bool:
    """Whether one of them is more than may be."""
    return any(asked.strict or each.severity == "error" for each in problems)
