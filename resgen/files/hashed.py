"""Files whose SHA-256 is taken while they are written: nobody reads them again."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from resgen.files.ordinary import open_file

#: How much of a file is read at once.
_CHUNK: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file holds, as manifests state it: its size and its SHA-256."""

    bytes: int
    sha256: str


class Sink(ABC):
    """What a writer needs of a file: :class:`HashedFile` is one, ``ComparedFile`` too.

    ``size`` is how much was written so far.
    """

    size = 0

    @abstractmethod
    def take(self, content: NDArray[np.uint8]) -> None:
        """What is written, piece by piece."""

    def write(self, data: bytes | memoryview) -> None:
        self.take(np.frombuffer(data, np.uint8))

    def write_array(self, array: NDArray[Any], layout: DTypeLike) -> None:
        """The array's elements in this layout (``<f4``), copied only if need be."""
        # By view, since bfloat16 and its like offer no buffer.
        self.take(np.ascontiguousarray(array, layout).reshape(-1).view(np.uint8))

    def align(self, boundary: int) -> None:
        """Fill with zeros up to a multiple of ``boundary``."""
        self.write(bytes(-self.size % boundary))


class HashedFile(Sink):
    """A new binary file: what is written, how much, and its SHA-256."""

    def __init__(self, path: str | Path) -> None:
        self._file = Path(path).open("wb")  # noqa: SIM115 (closed by __exit__)
        self._digest = hashlib.sha256()

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, content: NDArray[np.uint8]) -> None:
        self._file.write(content.data)
        self._digest.update(content.data)
        self.size += content.nbytes

    @property
    def sha256(self) -> str:
        """Of everything written so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def entry(self) -> Entry:
        """Of everything written so far."""
        return Entry(self.size, self.sha256)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file that is there already, in hexadecimal."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with open_file(path) as file:
        while size := file.readinto(buffer):
            digest.update(view[:size])
    return digest.hexdigest()
