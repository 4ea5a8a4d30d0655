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
    return varint(number << 3 | _LENGTH) + varint(len(content)) + bytes(content)


def varint(value: int) -> bytes:
    """A non-negative integer in groups of seven bits, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


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
