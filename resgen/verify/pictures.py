"""Real photographs that are at hand without a download: scikit-image ships some."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: Files of scikit-image 0.22 and newer that are photographs in colour.
NAMES: Final = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg")


def photographs() -> list[Path]:
    """Those that are installed; none without scikit-image or without Pillow.

    scikit-image is found and not imported, which would take most of a second.
    """
    if find_spec("PIL") is None:
        return []
    found = find_spec("skimage")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "data"
    return [path for name in NAMES if (path := folder / name).is_file()]
