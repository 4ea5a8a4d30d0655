"""What an ONNX file is, told by hashes: its own, and those of its data files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from resgen.files.hashed import sha256_of
from resgen.onnxfile.external import named_files


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What an ONNX file is: the SHA-256 of it and of the data files beside it."""

    sha256: str
    external: Mapping[str, str]


def fingerprint(onnx: Path) -> Fingerprint:
    """Hash an ONNX file and the data files that it names, which are checked first."""
    beside = named_files(onnx)
    external = {name: sha256_of(path) for name, path in beside.items()}
    return Fingerprint(sha256_of(onnx), external)
