"""A built folder, opened again: nothing in it is believed before its hash fits."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from resgen.artifact.folder import MANIFEST, MODEL, SPEC, WEIGHTS
from resgen.artifact.manifest import NETWORK, OF_FILE, Manifest
from resgen.document.files import read_json
from resgen.errors import ResgenError
from resgen.expansion.network import expand, load
from resgen.files.hashed import Entry, sha256_of
from resgen.files.ordinary import unreadable
from resgen.graph.ir import Graph
from resgen.spec.model import Spec


@dataclass(frozen=True)
class Artifact:
    """What ``resgen build`` has made."""

    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS

    @cached_property
    def spec(self) -> Spec:
        """The spec that it was built from."""
        return load(self.folder / SPEC)

    @cached_property
    def graph(self) -> Graph:
        """The graph of the spec."""
        return expand(self.spec)

    def check_hashes(self, names: Container[str] | None = None) -> int:
        """Compare files with the manifest, all unless named; how many there are."""
        files = self.manifest.files
        chosen = {n: e for n, e in files.items() if names is None or n in names}
        check_files(
            self.folder,
            chosen,
            "built",
            gone="build it again",
            other="build it again, or restore the file",
        )
        return len(chosen)


def check_files(
    folder: Path, files: Mapping[str, Entry], made: str, *, gone: str, other: str
) -> None:
    """Compare every file with what a manifest states, or a ResgenError.

    ``gone`` and ``other`` are hints for one that is missing, and that is another than
    was ``made``.
    """
    for name, entry in files.items():
        path = folder / name
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            raise ResgenError(f"{path} is missing", hint=gone) from None
        except OSError as error:
            raise unreadable(path, error) from None
        if found != entry.sha256:
            raise ResgenError(
                f"{path} is not the file that was {made}: its SHA-256 differs",
                hint=other,
            )


def open_folder(folder: Path) -> Artifact:
    """The artifact at ``folder``, or a ResgenError that says why it is none."""
    path = folder / MANIFEST
    if not folder.is_dir():
        missing = "is a file, no folder" if folder.exists() else "does not exist"
        hint = "`resgen build SPEC` makes a folder"
        if folder.suffix == ".onnx" and folder.exists():
            missing = "is an ONNX file by itself, without the spec that it follows from"
            hint = "give the folder that holds it; `resgen profile FILE` takes the file"
        raise ResgenError(f"{folder} {missing}", hint=hint)
    if not path.exists():
        inside = sorted(found.parent for found in folder.glob(f"*/{MANIFEST}"))
        raise ResgenError(
            f"{folder} is no build: it has no {MANIFEST}",
            hint=f"{inside[0]} is one" if inside else "`resgen build SPEC` makes one",
        )
    document = read_json(path)
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # names in it become files' and metadata's
        message = f"{path} was altered: it holds half of a character"
        raise ResgenError(message, hint="build it anew") from None
    if OF_FILE.marks(document):
        source = OF_FILE.from_json(document, path).source
        raise ResgenError(
            f"{folder} was made of {source}, so there is no spec to hold it against"
        )
    return Artifact(folder, NETWORK.from_json(document, path))
