"""The kinds of value that an option takes: as a word, and as Python has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from reprlib import Repr
from typing import Any, Final, Generic, TypeVar

from resgen.errors import UsageError, did_you_mean

T = TypeVar("T")
#: Characters of a value that a message shows.
_SHOWN: Final = 60
#: Bytes of a name of a file or folder. File systems have 255 (POSIX's NAME_MAX on ext4,
#: NTFS and APFS), of which ``-int8-tensorrt``, what tells candidates of a search apart
#: and a temporary name beside it need some.
_LONGEST_NAME: Final = 200
_SHORT: Final = Repr()
_SHORT.maxother = _SHORT.maxlong = _SHOWN


def told(value: Any) -> str:
    """A value for a message: a text in quotes, what has no words by its type.

    >>> told("ten"), told(3), told([1, "a"]), told(object())
    ('"ten"', '3', "[1, 'a']", 'something of type object')
    """
    if isinstance(value, str):
        return f'"{value if len(value) <= _SHOWN else value[:_SHOWN] + "..."}"'
    words = _SHORT.repr(value)
    return f"something of type {type(value).__name__}" if " at 0x" in words else words


def plain(value: Any, depth: int = 3) -> Any:
    """Scalars and arrays of numpy and torch as Python's, in lists and tuples too."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if type(value) in (list, tuple) and depth:
        return type(value)([plain(each, depth - 1) for each in value])
    return value


class Kind(Generic[T]):
    """How a word of a command line becomes a value, and a value a word again.

    ``read`` raises ValueError with a sentence. ``values`` are all words that there are,
    where these can be counted.
    """

    def __init__(
        self,
        metavar: str,
        read: Callable[[str], T],
        check: Callable[[Any], T],
        write: Callable[[T], str] = str,
        values: tuple[str, ...] = (),
    ) -> None:
        self.metavar = metavar
        self.read = read
        self._check = check
        self.write = write
        self.values = values

    def check(self, value: Any) -> T:
        """What a Python caller gave, as the group keeps it; numpy's numbers are some.

        Raises ValueError with a sentence.
        """
        return self._check(plain(value))


def whole(
    minimum: int = 1, maximum: int | None = None, *, metavar: str = "N"
) -> Kind[int]:
    """A whole number of at least ``minimum``, and at most ``maximum``."""
    most = "" if maximum is None else f" and at most {maximum:,}"

    def check(value: Any) -> int:
        sound = isinstance(value, int) and not isinstance(value, bool)
        if not sound or value < minimum or (maximum is not None and value > maximum):
            raise ValueError(
                f"{told(value)} is not a whole number of at least {minimum}{most}"
            )
        return int(value)

    def read(text: str) -> int:
        # Digits of other scripts are digits to Python, too.
        sound = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20
        return check(int(text) if sound else text)

    return Kind(metavar, read, check)


#: How many threads one operator uses: more than any processor has cores keep an engine
#: busy with starting them.
THREADS: Final = whole(1, 1024)


def number(
    metavar: str, minimum: float, maximum: float, *, exclusive: bool = False
) -> Kind[float]:
    """A finite number from ``minimum`` (left out if exclusive) to ``maximum``."""
    least = f"above {minimum:g}" if exclusive else f"of at least {minimum:g}"

    def check(value: Any) -> float:
        sound = isinstance(value, int | float) and not isinstance(value, bool)
        if (
            not sound
            or not minimum <= value <= maximum
            or (exclusive and value == minimum)
        ):
            raise ValueError(
                f"{told(value)} is not a number {least} and at most {maximum:g}"
            )
        return float(value)

    def read(text: str) -> float:
        try:
            return check(float(text))
        except ValueError:
            return check(text)

    return Kind(metavar, read, check, repr)


def choice(*values: str) -> Kind[str]:
    """One of these words."""

    def check(value: Any) -> str:
        if value not in values:
            near = did_you_mean(value, values) if isinstance(value, str) else ""
            raise ValueError(f"{told(value)} is not one of {', '.join(values)}{near}")
        return str(value)

    return Kind("|".join(values), check, check, values=values)


def path(metavar: str = "FILE") -> Kind[Path]:
    """A place in the file system, which need not be there."""

    def check(value: Any) -> Path:
        if not isinstance(value, str | Path):
            raise ValueError(f"{told(value)} is not a path")
        if "\0" in str(value) or not str(value):
            raise ValueError(f"{str(value)!r} cannot be a path")
        return Path(value)

    return Kind(metavar, check, check)


def unfit(name: str) -> str | None:
    """Why no file and no folder can have a name: how a sentence of it ends.

    >>> unfit("resnet18"), unfit("../resnet18")
    (None, 'cannot be the name of a file or a folder')
    """
    if Path(name).name != name or name in ("", "..") or "\0" in name:
        return "cannot be the name of a file or a folder"
    if len(name.encode(errors="replace")) > _LONGEST_NAME:
        return f"has {len(name)} characters, too many for the name of a file"
    return None


def file_name(metavar: str) -> Kind[str]:
    """What a file can be called, in whatever folder."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{told(value)} is not a text")
        why = unfit(value)
        if why is not None:
            raise ValueError(f"{told(value)} {why}")
        return value

    return Kind(metavar, check, check)


def text(metavar: str) -> Kind[str]:
    """Any words."""

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{told(value)} is not a text")
        return value

    return Kind(metavar, check, check)


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{told(value)} is neither True nor False")
    return value


def typed(said: str, *types: type) -> Kind[Any]:
    """A value of these types, which are ``said`` in words; no word can hold it."""

    def check(value: Any) -> Any:
        if not isinstance(value, types):
            raise ValueError(f"{told(value)} is not {said}")
        return value

    return Kind("", check, check)


def argument(name: str, kind: Kind[T], value: Any) -> T:
    """What a function was given for an argument, or a UsageError that names it."""
    try:
        return kind.check(value)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None


#: Given or not given: the word is the option itself.
FLAG: Final = Kind("", lambda word: True, _switch)


def several(values: Any) -> tuple[Any, ...]:
    """What a Python caller gives for an option that may be repeated."""
    if isinstance(values, Mapping):
        return tuple(values.items())
    if isinstance(values, str | Path) or not isinstance(values, Iterable):
        return (values,)
    return tuple(values)
