"""Problems of specs as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from resgen.errors import Place, Problem
from resgen.words.numbers import count
from resgen.words.terminal import blank, columns, printable, style

#: Columns of a quoted line; a longer one is shown around the fault.
_QUOTED: Final = 100
_GUTTER: Final = 9
_COLORS: Final = {"error": "red", "warning": "yellow"}


def lines(problem: Problem) -> Iterator[str]:
    """One problem: its line for programs, then the line of the spec and the mend."""
    place = problem.place
    color = _COLORS[problem.severity]
    file = printable(place.file)
    where = style(f"{file}:{place.line}:{place.column}", bold=True)
    what = style(f"{problem.code} {problem.severity}", fg=color)
    yield f"{where}: {what}: {printable(problem.message)}"
    yield from quoted(place, problem.hint or "")


def quoted(place: Place, hint: str = "") -> Iterator[str]:
    """The line of the spec, with carets under the fault, and the hint after them."""
    hint = printable(hint)
    if not place.text:
        if hint:
            yield f"{'':{_GUTTER}}   {hint}"
        return
    before = place.text[: place.column - 1]
    fault = place.text[len(before) : len(before) + max(place.length, 1)]
    after = place.text[len(before) + len(fault) :]
    if len(place.text) > _QUOTED:
        before = before if len(before) <= 40 else "..." + before[-37:]
        fault = fault if len(fault) <= 40 else fault[:37] + "..."
        after = after if len(after) <= 20 else after[:17] + "..."
    text = printable(before + fault + after)
    carets = "^" * max(columns(fault), 1)
    yield f"{place.line:>{_GUTTER}} | {text}"
    yield f"{'':{_GUTTER}} | {blank(before)}{carets} {hint}".rstrip()


def tally(problems: Sequence[Problem]) -> str:
    """``2 errors, 1 warning``."""
    found = [sum(p.severity == kind for p in problems) for kind in ("error", "warning")]
    counted = zip(found, ("error", "warning"), strict=True)
    return ", ".join(count(n, noun) for n, noun in counted if n)
