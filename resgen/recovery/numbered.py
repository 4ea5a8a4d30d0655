"""Units that have no path of their own: layers in a row whose names bear a number.

``conv_dw_3``, ``conv_dw_3_bn`` and ``conv_pw_3`` lie side by side in the network, as
layers of Keras do; what they are of is told by their number alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, takewhile
from math import prod
from typing import Final

from resgen.recovery.parts import Part, Parts

_NUMBER: Final = re.compile(r"\d+")
#: What stands for a unit's number in the names of its layers.
_OPEN: Final = "#"
#: How many units are one after the other at least.
_UNITS: Final = 3


def numbered(row: Parts) -> Iterator[tuple[int | None, Parts]]:
    """The row in runs: units with their numbers, and without one what is around them.

    Units are the longest row of parts whose numbers go up by one. What has no names
    belongs to the unit that it follows. Where it makes the map larger it belongs to
    the one that it precedes, and where it makes it smaller to none.
    """
    runs: list[tuple[int | None, Parts]] = [
        (number, [part for _, part in run])
        for number, run in groupby(_settled(row), key=lambda each: each[0])
    ]
    begin, end = _longest(runs)
    units = [run for number, run in runs[begin:end] if number is not None]
    if len(units) < _UNITS:
        begin = end = 0
    else:
        # The stem may bear the number of the first unit.
        leads = Counter(_pattern(run) for run in units)
        usual = leads.most_common(1)[0][0]
        number, first = runs[begin]
        stem = list(takewhile(lambda part: _pattern([part]) != usual, first))
        if len(stem) < len(first):
            runs[begin : begin + 1] = [(None, stem), (number, first[len(stem) :])]
            begin, end = begin + 1, end + 1
    for at, (number, run) in enumerate(runs):
        yield number if begin <= at < end else None, run


def opened(body: Parts, number: int) -> Parts:
    """The body with its number left open in all of its names."""
    sought = re.compile(rf"(?<!\d){number}(?!\d)")
    return renamed(body, (sought.sub(_OPEN, name, 1) for name in outer(body)))


def closed(body: Parts, text: str) -> Parts:
    """The body with its number told by this text."""
    return renamed(body, (name.replace(_OPEN, f"{{{text}}}") for name in outer(body)))


def renamed(body: Parts, names: Iterator[str]) -> Parts:
    """The body with other names, in the order of :func:`outer`."""
    made = []
    for part in body:
        if part.owned and part.path:
            part = replace(part, path=next(names))
        elif part.owned:
            inner = [renamed(each, names) for each in part.bodies]
            part = replace(part, bodies=inner)
        made.append(part)
    return made


def outer(body: Parts) -> list[str]:
    """The names in a body, not those within what has one."""
    found = []
    for part in body:
        if part.owned and part.path:
            found.append(part.path)
        elif part.owned:
            found.extend(name for inner in part.bodies for name in outer(inner))
    return found


def _number(part: Part) -> int | None:
    """The first number in all of a part's names, if they have it in common."""
    first = {match and int(match[0]) for match in map(_NUMBER.search, outer([part]))}
    return first.pop() if len(first) == 1 else None


def _pattern(body: Parts) -> str:
    """The first name in a body, its numbers left open; "" where it has none."""
    return _NUMBER.sub(_OPEN, next(iter(outer(body)), ""))


def _settled(row: Parts) -> Iterator[tuple[int | None, Part]]:
    """Each part with its number, or with that of what it belongs to."""
    last: int | None = None
    for at, part in enumerate(row):
        if part.owned:
            last = _number(part)
            yield last, part
            continue
        before, after = prod(part.enters.spatial), prod(part.leaves.spatial)
        if after > before:
            owned = next((each for each in row[at:] if each.owned), None)
            yield None if owned is None else _number(owned), part
            continue
        if after < before:
            last = None
        yield last, part


def _longest(runs: Sequence[tuple[int | None, Parts]]) -> tuple[int, int]:
    """Where the longest stretch of numbers that go up by one begins and ends.

    What has no names may stand between them.
    """
    best, at = (0, 0), 0
    last: int | None = None
    for n, (number, run) in enumerate(runs):
        if number is None:
            if any(part.owned for part in run):
                last = None
            continue
        if last is None or number != last + 1:
            at = n
        last = number
        if n + 1 - at > best[1] - best[0]:
            best = at, n + 1
    return best
