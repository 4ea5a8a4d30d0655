"""Problems of specs as SARIF 2.1.0, which code hosts and editors read.

"Static Analysis Results Interchange Format (SARIF) Version 2.1.0", OASIS Standard,
27 March 2020. Columns are counted in code points, from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from resgen._version import __version__
from resgen.errors import Problem
from resgen.graph.check import EXPLANATIONS

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)


def document(problems: Sequence[Problem]) -> dict[str, Any]:
    """A log of one run; its rules are the codes that were found."""
    codes = sorted({problem.code for problem in problems})
    driver = {
        "name": "resgen",
        "version": __version__,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code)) for each in problems],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    about = EXPLANATIONS[code]
    return {
        "id": code,
        "shortDescription": {"text": about.title},
        "help": {"text": about.text},
        "defaultConfiguration": {"level": about.severity},
    }


def _result(problem: Problem, rule: int) -> dict[str, Any]:
    place = problem.place
    region: dict[str, Any] = {
        "startLine": place.line,
        "startColumn": place.column,
        "endColumn": place.column + max(place.length, 1),
    }
    if place.text:
        region["snippet"] = {"text": place.text}
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.file)},
            "region": region,
        }
    }
    if place.pointer:
        location["logicalLocations"] = [
            {"fullyQualifiedName": place.pointer, "kind": "member"}
        ]
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": " — ".join(filter(None, (problem.message, problem.hint)))},
        "locations": [location],
    }


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
