"""Where resgen keeps what it would otherwise make, measure or count again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``RESGEN_CACHE``, or resgen's part of the user's cache; it need not be there yet.

    That is ``XDG_CACHE_HOME``, or ``~/.cache`` where it is not set.
    """
    own = os.environ.get("RESGEN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resgen"
