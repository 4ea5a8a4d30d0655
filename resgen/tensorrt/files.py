"""Files that engines come from and go to, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def write_hashed(path: Path, content: Any) -> str:
    """Write a buffer, and return its SHA-256.

    Both take about as long and neither needs the interpreter, so they run together.
    Nobody waits for the disk here: whoever takes what it holds looks at the hash.
    """
    with ThreadPoolExecutor(1) as pool, path.open("wb") as file:
        digest = pool.submit(lambda: hashlib.sha256(content).hexdigest())
        file.write(content)
        return digest.result()
