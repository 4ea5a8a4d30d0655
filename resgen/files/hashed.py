"""Files whose SHA-256 is taken while they are written: nobody reads them again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from resgen.files.ordinary import open_file

#: How much of a file is read at once.
_CHUNK: Final = 1 << 24


class HashedFile:
    """A new binary file: what is written, how much, and its SHA-256."""

    def __init__(self, path: str | Path) -> None:
        self._file = Path(path).open("wb")  # noqa: SIM115 (closed by __exit__)
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def write_array(self, array: NDArray[Any], layout: DTypeLike) -> None:
        """The array's elements in this layout (``<f4``), copied only if need be."""
        flat = bytes_of(array, layout)
        self._file.write(flat.data)
        self._digest.update(flat.data)
        self.size += flat.nbytes

    def align(self, boundary: int) -> None:
        """Fill with zeros up to a multiple of ``boundary``."""
        self.write(bytes(-self.size % boundary))

    @property
    def sha256(self) -> str:
        """Of everything written so far, in hexadecimal."""
        return self._digest.hexdigest()


def bytes_of(array: NDArray[Any], layout: DTypeLike) -> NDArray[np.uint8]:
    """The array's elements in this layout, as bytes; copied only if need be.

    Bytes are asked for by view, since bfloat16 and its like offer no buffer.
    """
    return np.ascontiguousarray(array, layout).reshape(-1).view(np.uint8)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file that is there already, in hexadecimal."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with open_file(path) as file:
        while size := file.readinto(buffer):
            digest.update(view[:size])
    return digest.hexdigest()
