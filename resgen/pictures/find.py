"""Pictures by their files: those of a folder, and the photographs of scikit-image."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from resgen.errors import ResgenError

#: Suffixes of files that are taken for pictures.
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
#: Files of scikit-image 0.22 and newer that are photographs in colour.
NAMES: Final = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg")


def photographs() -> list[Path]:
    """The photographs that are installed; none without scikit-image or without Pillow.

    scikit-image is found and not imported, which would take most of a second.
    """
    if find_spec("PIL") is None:
        return []
    found = find_spec("skimage")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "data"
    return [path for name in NAMES if (path := folder / name).is_file()]


def pictures_of(folder: Path) -> list[Path]:
    """The pictures in a folder, by name."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ResgenError(
            f"{folder} {what}; images are in a folder",
            hint="inputs that are no pictures are given as an .npz file",
        )
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURES)
    if not found:
        raise ResgenError(
            f"{folder} holds no images", hint="known are " + ", ".join(PICTURES)
        )
    return found
