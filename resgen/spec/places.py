"""Values of a JSON file that know where they stand, and the problems found in them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final, TypeAlias

from resgen.errors import Place, Problem

#: A longer line (of minified JSON) is not quoted in messages.
MAX_SHOWN: Final = 1000

#: How to allow more.
LIMIT_HINT: Final = "max_operators=N and max_parameters=N set other limits"

_BREAK: Final = re.compile(r"\r\n?|\n")
JsonValue: TypeAlias = (
    "bool | int | Fraction | str | list[Json] | dict[str, Json] | None"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file as it was read; ``file`` is its name as the user wrote it."""

    file: str
    text: str = field(repr=False)
    _starts: list[int] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def place(self, start: int, end: int, pointer: str) -> Place:
        """The span from ``start`` to ``end`` (offsets), as far as its line goes."""
        text, starts = self.text, self._starts
        if not starts:
            starts.append(0)
            starts.extend(found.end() for found in _BREAK.finditer(text))
        line = bisect_right(starts, start)
        first = starts[line - 1]
        last = starts[line] if line < len(starts) else len(text)
        while last > first and text[last - 1] in "\r\n":
            last -= 1
        return Place(
            self.file,
            line,
            start - first + 1,
            pointer,
            text[first:last] if last - first <= MAX_SHOWN else "",
            max(1, min(end, last) - start),
        )


@dataclass(slots=True, eq=False)
class Json:
    """A value and where it stands.

    A number is an ``int`` when it is whole (``1.0`` and ``1e2`` are), else the exact
    fraction of the shortest decimal that names the nearest double: ``0.1`` is 1/10.
    ``start``, ``end`` and ``key`` (the span of its key in the object around it) are
    offsets in ``source.text``. Two values are equal only when they are the same one.
    """

    value: JsonValue
    source: Source = field(repr=False)
    start: int
    end: int
    pointer: str
    key: tuple[int, int] | None = None
    _place: Place | None = field(default=None, init=False, repr=False)

    def place(self, *, key: bool = False) -> Place:
        """Where the value stands, or with ``key`` where its key does."""
        if key and self.key is not None:
            return self.source.place(*self.key, self.pointer)
        if self._place is None:  # a line of a spec may be asked for by every block
            self._place = self.source.place(self.start, self.end, self.pointer)
        return self._place

    @property
    def kind(self) -> str:
        """``object``, ``array``, ``string``, ``number``, ``boolean`` or ``null``."""
        return _KINDS[type(self.value)]


_KINDS: Final[dict[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    Fraction: "number",
    bool: "boolean",
    type(None): "null",
}


#: What an examination may cost, in microseconds of a usual processor. They are charged
#: by what is done, not by a clock, so that a spec is refused everywhere or nowhere.
ALLOWANCE: Final = 1_000_000
#: Errors, and warnings, that are told: who has more mends these first.
MAX_PROBLEMS: Final = 100
#: Characters of one message, and of one hint.
MAX_MESSAGE: Final = 600
#: What it costs to word a problem, with the search for the name that was meant.
_WORDING: Final = 500


class Enough(Exception):
    """An examination ends here: what it found is with its problems."""


class Problems:
    """Collects problems in the order they are found, each place and code once.

    It is what all steps of an examination share, so the work is counted here too:
    whatever repeats or grows as a spec tells it to calls :meth:`spend`.
    """

    def __init__(self, allowance: float = ALLOWANCE) -> None:
        self.items: list[Problem] = []
        self.errors = False
        self.left = allowance
        #: Errors that were found, also those of a place that has one: whoever reads a
        #: part of a spec sees by it whether the part is to be relied on.
        self.told = 0
        #: Expressions that have asked for the number of the block that is being run.
        self.numbered: list[Any] = []
        #: Names of values that were refused or are missing, which has been said.
        self.valueless: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._seen: set[tuple[str, str, int, int]] = set()

    def spend(self, cost: float, place: Callable[[], Place]) -> None:
        """Charge for work; past the allowance the examination ends, at ``place``."""
        self.left -= cost
        if self.left >= 0:
            return
        if not self.errors:  # who goes on after an error may well go on for long
            message = "the spec takes more work than a network of any usual size"
            self._keep(Problem("RG050", "error", message, place(), LIMIT_HINT))
        raise Enough

    def error(
        self, code: str, message: str, place: Place, hint: str | None = None
    ) -> None:
        """Something that has to be mended before the spec means anything."""
        self.add(Problem(code, "error", message, place, hint))

    def mistyped(self, at: Json, wanted: str) -> None:
        """A value of another type than ``wanted`` says it has to be."""
        self.error("RG012", f"{wanted}, not {describe(at.value)}", at.place())

    def warning(
        self, code: str, message: str, place: Place, hint: str | None = None
    ) -> None:
        """Something that is allowed but probably not meant."""
        self.add(Problem(code, "warning", message, place, hint))

    def add(self, problem: Problem) -> None:
        """Keep ``problem`` unless its place already has one with its code."""
        self._keep(problem)
        self.spend(_WORDING, lambda: problem.place)
        if self._counts["error"] >= MAX_PROBLEMS:
            raise Enough

    def _keep(self, problem: Problem) -> None:
        at, kind = problem.place, problem.severity
        self.errors = self.errors or kind == "error"
        self.told += kind == "error"
        identity = (problem.code, at.file, at.line, at.column)
        if identity not in self._seen and self._counts[kind] < MAX_PROBLEMS:
            self._seen.add(identity)
            self._counts[kind] += 1
            short, hint = _cut(problem.message), problem.hint
            self.items.append(
                replace(
                    problem, message=short, hint=None if hint is None else _cut(hint)
                )
            )


def describe(value: Any) -> str:
    """A value in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Fraction)):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    return "a list" if isinstance(value, (list, tuple)) else "an object"


def _cut(text: str) -> str:
    """``text`` without its middle where it is longer than anybody reads."""
    half = MAX_MESSAGE // 2
    return text if len(text) <= MAX_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def pointer_of(*parts: str | int) -> str:
    """The JSON Pointer through ``parts``.

    >>> pointer_of("stages", 2, "a/b")
    '/stages/2/a~1b'
    """
    return "".join("/" + escaped(str(part)) for part in parts)


def escaped(part: str) -> str:
    """``part`` as one reference token of a JSON Pointer."""
    if "~" in part or "/" in part:
        return part.replace("~", "~0").replace("/", "~1")
    return part


def unescaped(part: str) -> str:
    """One reference token of a JSON Pointer as the key that it names."""
    return part.replace("~1", "/").replace("~0", "~")
