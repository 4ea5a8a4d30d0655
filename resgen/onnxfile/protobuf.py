"""The fields of a protobuf message in a file, walked without decoding what they hold.

A model's file is mostly numbers, which decoding would copy twice. Here they are only
stepped over (https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

# Wire types.
_VARINT: Final = 0
_FIXED64: Final = 1
_LENGTH: Final = 2
_FIXED32: Final = 5


class Damaged(Exception):
    """The bytes are no protobuf message."""


def fields(
    file: BinaryIO, start: int, stop: int
) -> Iterator[tuple[int, int, int, int]]:
    """Number, where the content starts, where it stops, and where the field starts."""
    at = start
    while at < stop:
        file.seek(at)
        key = _varint(file)
        kind = key & 7
        if kind == _LENGTH:
            length = _varint(file)
            first = file.tell()
            last = first + length
        else:
            first = file.tell()
            if kind == _VARINT:
                _varint(file)
                last = file.tell()
            elif kind in (_FIXED64, _FIXED32):
                last = first + (8 if kind == _FIXED64 else 4)
            else:
                raise Damaged
        if last > stop:
            raise Damaged
        yield key >> 3, first, last, at
        at = last


def part(file: BinaryIO, start: int, stop: int) -> bytes:
    """The bytes between two places of a file."""
    file.seek(start)
    return file.read(stop - start)


def wrapped(number: int, content: bytes | bytearray) -> bytes:
    """A field that holds a message or text."""
    found = bytearray()
    for value in (number << 3 | _LENGTH, len(content)):
        while value > 127:
            found.append(value & 127 | 128)
            value >>= 7
        found.append(value)
    return bytes(found + content)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 64, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise Damaged
