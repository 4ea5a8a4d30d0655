"""Is a graph a network, and a good one? All rules, run and explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from resgen.errors import Place, Problem, UsageError, did_you_mean
from resgen.graph.explanations import ELSEWHERE, Explanation
from resgen.graph.ir import Graph
from resgen.graph.rules import (
    FUSIONS,
    LINTS,
    STRUCTURE,
    TENSOR_CORES,
    Finding,
    Rule,
    Subject,
)

#: Those that ask what operators run in.
PRECISION: Final = (*TENSOR_CORES, *FUSIONS)
RULES: Final = (*STRUCTURE, *LINTS, *PRECISION)
#: What every problem of a spec means, by code.
EXPLANATIONS: Final[dict[str, Explanation]] = {
    e.code: e
    for e in sorted(
        (*ELSEWHERE, *(rule.explanation for rule in RULES)), key=lambda e: e.code
    )
}


def check(graph: Graph) -> list[Problem]:
    """All problems of a graph, in the order of the spec's lines.

    A line that makes a hundred operators has each problem once, and each warning once
    however it is worded. A graph that is not a network is not linted.
    """
    subject = Subject(graph)
    return _ask(STRUCTURE, subject) or _ask((*LINTS, *PRECISION), subject)


def precision_findings(graph: Graph, precisions: Mapping[str, str]) -> list[Problem]:
    """What will be slow when the operators of a graph run in these precisions.

    ``precisions`` are by operator's name, as an export decides them; ``graph`` is the
    one before quantisers are placed. Where ``check`` warns of the same, code and place
    are the same.
    """
    return _ask(PRECISION, Subject(graph, precisions))


def explain(code: str, known: Mapping[str, Explanation] = EXPLANATIONS) -> str:
    """What a code means and how to mend it, as a page of text.

    :raises UsageError: when no problem has that code
    """
    found = known.get(code.upper())
    if found is None:
        near = did_you_mean(code.upper(), known)
        message = f'no problem has the code "{code}"{near}'
        raise UsageError(message, hint=f"there are {', '.join(known)}")
    return f"{found.code} {found.severity}: {found.title}\n\n{found.text}"


def _ask(rules: tuple[Rule, ...], subject: Subject) -> list[Problem]:
    found: dict[tuple[str, Place, str], Problem] = {}
    for rule in rules:
        for finding in rule.ask(subject):
            problem = _problem(rule, finding)
            wording = problem.message if problem.severity == "error" else ""
            key = (problem.code, problem.place, wording)
            found.setdefault(key, problem)
    return sorted(found.values(), key=lambda p: (p.place.file, p.place.line, p.code))


def _problem(rule: Rule, finding: Finding) -> Problem:
    why = rule.explanation
    place = finding.node.origin.place
    return Problem(why.code, why.severity, finding.message, place, finding.hint)
