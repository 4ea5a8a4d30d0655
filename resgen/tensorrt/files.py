"""Files that engines come from and go to: hashed, and whole or not there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen.errors import ResgenError
from resgen.files.hashed import sha256_of
from resgen.onnxfile.external import check_external


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an ONNX file is: the SHA-256 of it and of the data files beside it."""

    sha256: str
    external: Mapping[str, str]


def fingerprint(onnx: Path) -> Fingerprint:
    """Hash an ONNX file and the data files that it names, which are checked first."""
    folder = onnx.parent.resolve()
    external = {
        path.resolve().relative_to(folder).as_posix(): sha256_of(path)
        for path in check_external(onnx)
    }
    return Fingerprint(sha256_of(onnx), external)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` make a file aside, and put it at ``path`` when it is whole.

    A disk that is full and an interrupt leave what was there before; the former is a
    :class:`~resgen.errors.ResgenError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise ResgenError(f"cannot write {path}: {reason(error)}") from error
    aside = Path(name)
    try:
        write(aside)
        aside.replace(path)
    except OSError as error:
        raise ResgenError(f"cannot write {path}: {reason(error)}") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def write_hashed(path: Path, content: Any) -> str:
    """Write a buffer, and return its SHA-256.

    Both take about as long and neither needs the interpreter, so they run together.
    Nobody waits for the disk: the hash vouches for what will be read from it.
    """
    with ThreadPoolExecutor(1) as pool, path.open("wb") as file:
        digest = pool.submit(lambda: hashlib.sha256(content).hexdigest())
        file.write(content)
        return digest.result()


def write_all(path: Path, content: bytes) -> None:
    """Write a file down to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def reason(error: OSError) -> str:
    """Why a file could not be used, in the system's words."""
    return (error.strerror or str(error)).lower()
