"""Files that the system tells about itself in, below a root.

The root is ``/``, and in tests a folder that looks like another machine. What is not
there, may not be read or is not of the form that was expected is None: a machine that
says little is described by little, and never ends a measurement.
"""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import Final

_NUMBER: Final = re.compile(r"-?\d+")


class Tree:
    """Reads files by their paths below ``root``, written without a leading slash."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = str(root)

    def text(self, path: str) -> str | None:
        """The file's text without white space and NULs around it (device trees)."""
        try:
            with open(os.path.join(self._root, path), "rb") as file:  # noqa: PTH118, PTH123
                raw = file.read()
        except (OSError, ValueError):
            return None
        return raw.decode(errors="replace").strip("\0 \t\r\n")

    def number(self, path: str) -> int | None:
        """The whole number that the file begins with."""
        found = _NUMBER.match(self.text(path) or "")
        return int(found[0]) if found else None

    def fields(self, path: str) -> dict[str, str]:
        """Lines of ``key: value`` or ``key value``; the first of a key counts."""
        found: dict[str, str] = {}
        for line in (self.text(path) or "").splitlines():
            key, colon, value = line.partition(":")
            if not colon:
                key, _, value = line.partition(" ")
            found.setdefault(key.strip(), value.strip())
        return found

    def has(self, path: str) -> bool:
        """Whether there is something of this name."""
        return os.path.lexists(os.path.join(self._root, path))  # noqa: PTH118

    def paths(self, pattern: str) -> list[str]:
        """What matches a pattern, sorted."""
        return sorted(glob.glob(pattern, root_dir=self._root))  # noqa: PTH207


def whole(text: str | None) -> int | None:
    """The whole number that a text begins with.

    >>> whole("16384 kB"), whole("max"), whole(None)
    (16384, None, None)
    """
    found = _NUMBER.match(text or "")
    return int(found[0]) if found else None
