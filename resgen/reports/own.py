"""Pages and data that resgen wrote, told from files of the same names by others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from resgen.errors import ResgenError
from resgen.files.ordinary import check_file, read_bytes

#: What the foot of every page says.
_FOOT: Final = b"Rendered by resgen "


def require_own(folder: Path, *names: str) -> None:
    """Refuse to write over a file of somebody's that has a name of resgen's results."""
    for name in names:
        path = folder / name
        if os.path.lexists(path) and not _is_own(path):
            raise ResgenError(
                f"{path} was not written by resgen, and would be overwritten",
                hint="move it away, or name another folder",
            )


def _is_own(path: Path) -> bool:
    check_file(path)
    content = read_bytes(path)
    if path.suffix == ".html":
        return _FOOT in content
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and any(k.startswith("resgen_") for k in document)
