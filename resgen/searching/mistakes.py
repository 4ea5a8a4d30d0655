"""Mistakes of a space that its candidates show: wrong values, and no network at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Final

from resgen.errors import Place, Problem, SpecError
from resgen.searching.price import Bounds, Price, Refusal
from resgen.searching.pricing import Pricer
from resgen.searching.space import Genes, Space
from resgen.searching.work import priced
from resgen.spec.places import Json, Problems

#: Candidates by which it is told whether a space has any network.
PROBED: Final = 32
#: Those with a value that is wrong in the base: in one of them it may be right.
TRIED: Final = 16
#: Draws for each, of which the rules may not hold.
DRAWN: Final = 20
#: Values of one choice that are all tried; of more the first and the last.
SHORT: Final = 16
#: Values of a space that are tried: each takes a millisecond or two.
MOST_TRIED: Final = 400
#: From this code on, problems are of a network and not of its words: what is wrong
#: beside some values may be right beside others.
NETWORKS: Final = "RG050"


def require_networks(space: Space) -> None:
    """Refuse a space with a value that is wrong wherever it is, or without a network.

    Raises :class:`~resgen.errors.SpecError` at the lines of wrong values, or with what
    is wrong with one candidate. What a few candidates have is counted later.
    """
    pricer, problems = Pricer(Bounds()), Problems()
    for choice, gene in islice(_tried(space), MOST_TRIED):
        for problem in _wrong(space, choice, gene, pricer):
            problems.add(problem)
    if problems.errors:
        raise SpecError(problems.items)
    random = Random(0)
    first: Refusal | None = None
    for _ in range(PROBED):
        found = priced(space, space.draw(random), pricer)
        if isinstance(found, Price):
            return
        first = first or found
    if first is not None:
        raise SpecError(first.problems)


def _tried(space: Space) -> Iterator[tuple[int, int]]:
    """Numbers of choices and of their values."""
    for at, choice in enumerate(space.choices):
        number = len(choice.values)
        for gene in range(number) if number <= SHORT else (0, number - 1):
            yield at, gene


def _wrong(space: Space, at: int, gene: int, pricer: Pricer) -> list[Problem]:
    """What is wrong with a value in the base, unless it is right in a candidate."""
    choice = space.choices[at]
    alone = priced(replace(space, choices=(choice,)), (gene,), pricer)
    values = choice.values[gene]
    mine = [problem for problem in _words(alone) if _of(problem, values)]
    candidates = [*_with(space, at, gene)] if mine else []
    right = any(not _words(priced(space, each, pricer)) for each in candidates)
    return mine if candidates and not right else []


def _words(found: Price | Refusal) -> list[Problem]:
    """The problems of a candidate's words."""
    told = () if isinstance(found, Price) else found.problems
    return [problem for problem in told if problem.code < NETWORKS]


def _with(space: Space, at: int, gene: int) -> Iterator[Genes]:
    """Candidates that have a value, and of which the rules hold."""
    random = Random(0)
    found = 0
    for _ in range(TRIED * DRAWN):
        drawn = [random.randrange(len(choice.values)) for choice in space.choices]
        drawn[at] = gene
        if space.holds(tuple(drawn)):
            yield tuple(drawn)
            found += 1
        if found == TRIED:
            return


def _of(problem: Problem, values: Iterable[Json]) -> bool:
    """Whether it lies within one of these values."""
    return any(_lies(problem.place, value) for value in values)


def _lies(place: Place, value: Json) -> bool:
    """Whether a place lies within a value."""
    if place.file != value.source.file:
        return False
    first = value.place()
    end = value.source.place(value.end, value.end, value.pointer)
    here = place.line, place.column
    return (first.line, first.column) <= here < (end.line, end.column)
