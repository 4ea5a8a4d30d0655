"""Groups of options: frozen records that know how they are written.

A group is declared once. Its fields are what the Python function takes; the command
line makes its options from the same fields, and :meth:`Group.words` gives the words of
a command that would ask for the same again. What does not go together is refused where
the group is made, in the words of whoever asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.errors import UsageError, did_you_mean
from resgen.options.kinds import FLAG, Kind, several

if TYPE_CHECKING:
    from typing_extensions import Self

_KEY: Final = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """How a field is asked for.

    ``word`` is the option (``--batch``), ``short`` a shorter one (``-o``), ``shown``
    what the help gives as its default where that is no value, ``repeated`` whether it
    may be given several times. A flag whose default is True is a ``--no-`` word.
    """

    word: str
    kind: Kind[Any]
    help: str
    short: str | None = None
    shown: str | None = None
    repeated: bool = False
    default: Any = None

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.kind is FLAG


def option(
    word: str,
    kind: Kind[Any],
    help: str,  # noqa: A002 (it is called so everywhere)
    *,
    short: str | None = None,
    shown: str | None = None,
    default: Any = None,
    repeated: bool = False,
) -> Any:
    """A field of a :class:`Group`; repeated options default to none of them."""
    if repeated:
        default = ()
    elif kind is FLAG:
        default = bool(default)
    about = Option(word, kind, help, short, shown, repeated, default)
    return field(default=default, metadata={_KEY: about})


class Refused(UsageError):
    """Options that are wrong or do not go together.

    Message and hint name the arguments of the Python call; ``typed`` is the same error
    with the options of the command line.
    """

    def __init__(self, message: str, hint: str | None, typed: UsageError) -> None:
        super().__init__(message, hint=hint)
        self.typed = typed


@dataclass(frozen=True, kw_only=True)
class Group:
    """Options that are asked together; see :func:`option`."""

    def __post_init__(self) -> None:
        for name, about in options_of(type(self)):
            given = getattr(self, name)
            try:
                if given is None:  # nothing is said
                    found = about.default
                elif about.repeated:
                    found = tuple(map(about.kind.check, several(given)))
                else:
                    found = about.kind.check(given)
            except ValueError as error:
                typed = UsageError(f"{about.word}: {error}")
                raise Refused(f"{name}: {error}", None, typed) from None
            object.__setattr__(self, name, found)
        self.refuse()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The group of what a Python caller names; unknown names are refused."""
        known = [name for name, _ in options_of(cls)]
        for name in given:
            if name not in known:
                near = did_you_mean(name, known)
                takes = None if near else f"there are {', '.join(known)}"
                raise UsageError(f'there is no option "{name}"{near}', hint=takes)
        return cls(**given)

    def refuse(self) -> None:
        """Raise for options that have no effect or no meaning beside each other."""

    def refused(self, message: str, *, hint: str | None = None) -> Refused:
        """The error of a message and a hint that name fields in braces."""
        about = dict(options_of(type(self)))
        words = {name: each.word for name, each in about.items()}
        names = {n: f"{n}=False" if a.default is True else n for n, a in about.items()}
        said, typed = (
            (message.format(**each), hint and hint.format(**each))
            for each in (names, words)
        )
        return Refused(*said, UsageError(typed[0], hint=typed[1]))

    def given(self) -> Iterator[tuple[str, Option, Any]]:
        """Fields that are not at their defaults: name, option and value."""
        for name, about in options_of(type(self)):
            value = getattr(self, name)
            if value != about.default:
                yield name, about, value

    def words(self, path: Callable[[Path], str] = str) -> tuple[str, ...]:
        """The words of a command line that asks for the same; ``path`` writes paths."""
        found: list[str] = []
        for _, about, value in self.given():
            if about.is_flag:
                found.append(about.word)
                continue
            for each in value if about.repeated else (value,):
                text = path(each) if isinstance(each, Path) else about.kind.write(each)
                # A value that begins with a dash would be taken for an option.
                dashed = text.startswith("-")
                found += [f"{about.word}={text}"] if dashed else [about.word, text]
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """The fields that are not at their defaults, as the command writes them."""
        found: dict[str, Any] = {}
        for name, about, value in self.given():
            if about.is_flag:
                found[name] = value
            elif about.repeated:
                found[name] = [about.kind.write(each) for each in value]
            else:
                found[name] = about.kind.write(value)
        return found

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` gave; anything else is a ValueError."""
        known = dict(options_of(cls))
        try:
            read = {
                name: value
                if known[name].is_flag
                else [known[name].kind.read(each) for each in value]
                if known[name].repeated
                else known[name].kind.read(value)
                for name, value in told.items()
            }
            found = cls.of(read)
        except (UsageError, ArithmeticError, LookupError, TypeError, AttributeError):
            found = None
        if found is None or found.to_json() != told:
            raise ValueError(f"there are no options {dict(told)!r}")
        return found


def options_of(group: type[Group]) -> tuple[tuple[str, Option], ...]:
    """The options of a group by the name of their field, in the order of its help."""
    return tuple(
        (each.name, each.metadata[_KEY])
        for each in dataclasses.fields(group)
        if _KEY in each.metadata
    )
