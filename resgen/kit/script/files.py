"""The files of the kit, how the script ends, and what it says."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Stop(Exception):
    """The end, with an exit code and a message for a person."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_kit(folder: Path, keys: Sequence[str]) -> dict[str, Any]:
    """``kit.json`` with these keys, once every file that it lists is found whole."""
    try:
        kit: dict[str, Any] = json.loads((folder / "kit.json").read_text("utf-8"))
        version, files = kit["resgen_kit"], dict(kit["files"])
        missing = [key for key in keys if key not in kit]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Stop(1, f"kit.json is missing or damaged: {error}") from None
    if version != 1:
        raise Stop(1, f"kit.json has version {version}; this script reads version 1")
    if missing:
        raise Stop(1, f"kit.json is damaged: it has no {', '.join(missing)}")
    for name, entry in sorted(files.items()):
        if sha256(folder / name) != entry["sha256"]:
            raise Stop(1, f"{name} is not what kit.json says: copy the kit anew")
    return kit


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for chunk in iter(lambda: file.read(1 << 20), b""):
                digest.update(chunk)
    except OSError as error:
        raise Stop(1, f"cannot read {path.name}: {error.strerror}") from None
    return digest.hexdigest()


def write_whole(path: Path, content: Any) -> None:
    """Write beside the target and rename, so that a file is whole or not there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)  # noqa: PTH105
    except OSError as error:
        raise Stop(1, f"cannot write {path}: {error.strerror}") from None
    finally:
        if aside.exists():
            aside.unlink()


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file, by name."""
    try:
        # Opened here: numpy leaves a file that it opens itself and finds no archive in.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise Stop(1, f"cannot read {path.name}: {error}") from None


def write_json(path: Path, value: Any) -> None:
    """One document; what is no JSON number has no place in it."""
    write_whole(path, (json.dumps(value, allow_nan=False) + "\n").encode())


def write_line(text: str) -> None:
    """To stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
