"""Protocol buffers as text, as Triton reads its configurations.

The language is https://protobuf.dev/reference/protobuf/textformat-spec; a message is
its fields in order, so nothing here knows a schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

Value: TypeAlias = Union[str, bool, int, "Word", Sequence[int], "Message"]


@dataclass(frozen=True, slots=True)
class Word:
    """A value of an enumeration, which stands without quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in the order of the text; one that is repeated stands several times."""

    fields: tuple[tuple[str, Value], ...]


def text_of(message: Message) -> str:
    """The message as text, one field a line, ending in a newline."""
    return "".join(f"{line}\n" for line in _lines(message, ""))


def quoted(text: str) -> str:
    r"""A text in quotes; whatever could end it or the line is escaped.

    >>> print(quoted('a "b"'))
    "a \"b\""
    """
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    return f"\\{code:03o}" if code < 32 or code == 127 else character


def _lines(message: Message, indent: str) -> Iterator[str]:
    for name, value in message.fields:
        if isinstance(value, Message):
            yield f"{indent}{name} {{"
            yield from _lines(value, indent + "  ")
            yield f"{indent}}}"
        else:
            yield f"{indent}{name}: {_scalar(value)}"


def _scalar(value: str | int | Word | Sequence[int]) -> str:
    if isinstance(value, Word):
        return value.text
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return f"[ {', '.join(map(str, value))} ]" if value else "[ ]"
