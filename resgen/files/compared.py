"""A file that is there already, held against what would be written in its place.

Whoever writes a file writes into this instead, so the two are compared byte for byte
by the very code that writes, and no more than one piece of either is in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from resgen.files.hashed import Sink
from resgen.files.ordinary import open_file

#: How much of the file is read at once.
_CHUNK: Final = 1 << 22


class Differs(Exception):
    """The file is not what would be written; ``offset`` is the first byte of it."""

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(f"{path} differs from byte {offset:,} on")
        self.path = path
        self.offset = offset


class ComparedFile(Sink):
    """The file at ``path``: what is written must be what it holds, and all of it.

    Raises :class:`Differs` at the first piece that it does not hold, and at the end
    where it holds more; :class:`OSError` where it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file = open_file(path)
        self._buffer = np.empty(_CHUNK, np.uint8)

    def __enter__(self) -> ComparedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None and self._file.read(1):
                raise Differs(self._path, self.size)

    def take(self, content: NDArray[np.uint8]) -> None:
        for start in range(0, len(content), _CHUNK):
            piece = content[start : start + _CHUNK]
            found = self._buffer[: self._file.readinto(self._buffer[: len(piece)].data)]
            if not np.array_equal(found, piece):
                same = found == piece[: len(found)]
                first = len(found) if same.all() else int(same.argmin())
                raise Differs(self._path, self.size + first)
            self.size += len(piece)
