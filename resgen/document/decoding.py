"""From plain JSON to the frozen types of a record, nothing guessed and nothing ignored.

The types are the schema: what they say is what a file must hold.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from resgen.errors import ResgenError


class Misfit(Exception):
    """A value that is not of its type; ``pointer`` is a JSON Pointer to it."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


def decode(kind: Any, value: Any, pointer: str = "") -> Any:
    """The value as this type; raises :class:`Misfit` where it is not of it.

    A record that refuses its own content raises ValueError when it is made
    (``__post_init__``), which is a misfit as well.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _object(kind, value, pointer)
    if origin is tuple:
        return _array(arguments, value, pointer)
    if origin is Literal:
        if not any(value == one and type(value) is type(one) for one in arguments):
            known = ", ".join(map(str, arguments))
            raise Misfit(pointer, f"{_shown(value)} is none of {known}")
        return value
    if origin in (Union, UnionType):
        if value is None:
            return None
        (inner,) = (choice for choice in arguments if choice is not NoneType)
        return decode(inner, value, pointer)
    if origin in (Mapping, dict):
        if not isinstance(value, dict):
            raise Misfit(pointer, f"{_shown(value)} is no object")
        each = arguments[1]
        return {k: decode(each, v, f"{pointer}/{k}") for k, v in value.items()}
    return _scalar(kind, value, pointer)


def _object(kind: Any, value: Any, pointer: str) -> Any:
    if not isinstance(value, dict):
        raise Misfit(pointer, f"{_shown(value)} is no object")
    types = hints(kind)
    for key in value:
        if key not in types:
            raise Misfit(pointer, f"{_shown(key)} is not known")
    found = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            at = f"{pointer}/{field.name}"
            found[field.name] = decode(types[field.name], value[field.name], at)
        elif is_required(field):
            raise Misfit(pointer, f'"{field.name}" is missing')
    try:
        return kind(**found)
    except (ResgenError, ValueError) as unsound:
        raise Misfit(pointer, str(unsound)) from unsound


def _array(kinds: tuple[Any, ...], value: Any, pointer: str) -> Any:
    if not isinstance(value, list):
        raise Misfit(pointer, f"{_shown(value)} is no array")
    if kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            raise Misfit(pointer, f"{len(value)} items, not {len(kinds)}")
        each = zip(kinds, value, strict=True)
        return tuple(decode(k, v, f"{pointer}/{i}") for i, (k, v) in enumerate(each))
    if kinds[0] is float and all(type(item) is float for item in value):
        return tuple(value)  # samples are many
    return tuple(decode(kinds[0], v, f"{pointer}/{i}") for i, v in enumerate(value))


def _scalar(kind: Any, value: Any, pointer: str) -> Any:
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Misfit(pointer, f"{_shown(value)} is too large") from None
    if kind is int and type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not kind:
        raise Misfit(pointer, f"{_shown(value)} is no {_NAMES[kind]}")
    return value


_NAMES = {float: "number", int: "whole number", str: "text", bool: "true or false"}


@cache
def hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(kind)


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
