"""What goes wrong, in words that a person can act on.

Every error that a user can cause is a :class:`ResgenError`: it says what is wrong,
offers a mend where one is known, and carries the exit code of the command line.
Problems of a spec are collected as :class:`Problem` values and raised together, since
a person wants to see all of them in one run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

Severity = Literal["error", "warning"]


class ResgenError(Exception):
    """The input or the result is at fault (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as it is: a process pool hands errors on so.

        An exception's own way calls ``__init__`` with ``args`` again, which are the
        message alone, and that breaks every class whose arguments are others.
        """
        return _again, (type(self), self.args, self.__dict__)


def _again(
    kind: type[ResgenError], args: tuple[Any, ...], state: dict[str, Any]
) -> ResgenError:
    """An error with these arguments and attributes, not made anew."""
    made: ResgenError = kind.__new__(kind, *args)
    made.__dict__.update(state)
    return made


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

    def to_dict(self) -> dict[str, Any]:
        """As ``resgen check --json`` lists it."""
        at = self.place
        return {
            "file": at.file,
            "line": at.line,
            "column": at.column,
            "pointer": at.pointer,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        at = self.place
        where = f"{at.file}:{at.line}:{at.column}"
        return f"{where}: {self.code} {self.severity}: {self.message}"


class SpecError(ResgenError):
    """A spec with at least one problem of severity ``error``.

    As text it is all its errors, one a line, each with its hint.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [p for p in self.problems if p.severity == "error"]
        lines = [f"{p} ({p.hint})" if p.hint else str(p) for p in errors]
        super().__init__("\n".join(lines))


#: Names that are compared with a misspelt one, at most, and characters of each: what
#: is more than a person would mean takes time that grows with both.
MAX_CHOICES: Final = 400
MAX_COMPARED: Final = 60
#: Letters of a beginning that a much longer name is guessed by.
ENOUGH: Final = 4
#: Names that a message lists.
MAX_LISTED: Final = 40


#: What libraries say when memory runs out, in lower case: PyTorch and oneDNN, ONNX
#: Runtime, TensorRT, C++, and the loader of shared libraries.
_OUT_OF_MEMORY: Final = (
    "out of memory", "bad_alloc", "failed to allocate", "not enough memory",
    "allocate memory", "insufficient memory", "could not create a primitive",
    "failed to map segment", "cannot enable executable stack",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: libraries raise what they like, and say it in words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(w in text for w in _OUT_OF_MEMORY)


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that ``name`` was most likely meant to be, if any is near.

    A word is near by most of its letters, or by being another's beginning; by fewer,
    unlike words are guessed.

    >>> closest("projecton", ["projection", "identity"])
    'projection'
    >>> closest("int", ["string", "integer"])
    'integer'
    >>> closest("onnx", ["onnxruntime", "torch"])
    'onnxruntime'
    >>> closest("retinanet", ["tinynet_e", "retinanet_resnet50_fpn"])
    'retinanet_resnet50_fpn'
    >>> closest("outputs", ["shortcuts", "labels"])
    """
    from difflib import get_close_matches  # only a mistake needs it

    wanted = name.lower()
    if len(wanted) > MAX_COMPARED:
        return None
    # A name that is less than 3 / 7 of the other is not near by 0.65 of the letters; as
    # its beginning it says enough where it is a word of its own.
    least, most = len(wanted) * 3 / 7, len(wanted) * 7 / 3
    fitting = (
        o
        for o in choices
        if least <= len(o) <= min(most, MAX_COMPARED)
        or (len(wanted) >= ENOUGH and o[:MAX_COMPARED].lower().startswith(wanted))
        or (len(wanted) == ENOUGH - 1 and o[:ENOUGH].lower() == f"{wanted}_")
    )
    lowered = {option.lower(): option for option in islice(fitting, MAX_CHOICES)}
    whole = [o for o in lowered if o.startswith(f"{wanted}_")]
    near = get_close_matches(wanted, lowered, n=1, cutoff=0.65)
    begun = (option for option in lowered if wanted and option.startswith(wanted))
    found = next(iter(near), None)
    sure = len(wanted) < ENOUGH - 1 or get_close_matches(wanted, near, cutoff=0.8)
    if whole and not sure:
        found = min(whole, key=len)
    return lowered.get(found or next(begun, ""))


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`` ; did you mean "..."?`` or nothing, to end a message with."""
    near = closest(name, choices)
    return f'; did you mean "{near}"?' if near else ""


def listed(names: Iterable[str]) -> str:
    """Names for a message: as many as a person reads, and that there are more.

    >>> listed(["a", "b"])
    'a, b'
    """
    shown = list(islice(names, MAX_LISTED + 1))
    if len(shown) > MAX_LISTED:
        shown[MAX_LISTED:] = ["..."]
    return ", ".join(shown)
