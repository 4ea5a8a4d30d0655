"""Problems of specs as annotations of a pull request on GitHub.

Workflow commands are lines on stdout that GitHub Actions obeys ("Workflow commands for
GitHub Actions": ``::error file=FILE,line=N::MESSAGE``). What would end a line or a
property is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resgen.errors import Problem

_DATA: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY: Final = {**_DATA, ":": "%3A", ",": "%2C"}


def line(problem: Problem) -> str:
    """One problem."""
    place = problem.place
    properties = {
        "file": place.file,
        "line": place.line,
        "col": place.column,
        "endColumn": place.column + max(place.length, 1),
        "title": problem.code,
    }
    told = ",".join(f"{k}={_escaped(str(v), _PROPERTY)}" for k, v in properties.items())
    message = "\n".join(filter(None, (problem.message, problem.hint)))
    return f"::{problem.severity} {told}::{_escaped(message, _DATA)}"


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(c, c) for c in text)
