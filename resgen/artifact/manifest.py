"""``manifest.json``: what a folder holds, what that follows from, what was proven.

A typed, versioned document with a digest, as reports are: what was altered in it is
found, and named. There are two kinds: of a network, all of whose files follow from its
spec, its weights and what is stated here; and of what was made of somebody's file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from resgen.calibrate.ranges import Method
from resgen.document.files import Format
from resgen.files.hashed import Entry
from resgen.files.names import MANIFEST, MARKS
from resgen.graph.precision import Precision
from resgen.words.terminal import Shown, printable, style

FORMAT: Final = 1
M = TypeVar("M", bound="Manifest | FileManifest", covariant=True)
#: Sizes are 32 bits wide in what reads ONNX files.
LARGEST_BATCH: Final = 2**31
#: Packages whose versions are recorded, where they took part.
RECORDED: Final = ("numpy", "onnx", "onnxruntime", "torch")
#: What ``weights`` says where nobody trained them.
FRESH: Final = "fresh"


@dataclass(frozen=True, slots=True)
class Onnx:
    """How the ONNX file was written.

    ``batch`` is null where it is open; ``dynamic`` tells that the spatial sizes are
    open as well. ``passes`` are what was done to the graph before.
    """

    opset: int
    ir_version: int
    batch: int | None
    dynamic: bool
    passes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.batch is not None and not 0 < self.batch < LARGEST_BATCH:
            raise ValueError(f"there is no batch of {self.batch}")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the ranges of a quantised network are from, and how."""

    origin: str
    method: Method

    def __post_init__(self) -> None:
        if not self.origin or printable(self.origin) != self.origin:
            raise ValueError(f"ranges are from nothing called {self.origin!r}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The folder of a network.

    ``spec_sha256`` identifies its spec. ``weights`` is the name of their file, or
    ``fresh`` where ``seed`` drew them; ``adapted`` has a line on each that is not as
    the file has it. ``precision`` is null where nothing but fp32 was asked for.
    ``outputs`` are their shapes without the batch, by name, as the network has them.
    ``camera`` are height and width of the pictures that the file takes instead of
    prepared inputs. ``verified`` is what was proven, and how closely; null where the
    proof was left out. ``form`` is what was made of the ONNX file, ``options`` how that
    was asked for, and ``made`` what there is to say of it.
    """

    resgen: str
    name: str
    spec_sha256: str
    seed: int | None
    weights: str
    adapted: tuple[str, ...]
    input: tuple[int, ...]
    precision: Precision | None
    calibration: Calibration | None
    camera: tuple[int, int] | None
    onnx: Onnx
    verified: Mapping[str, Any] | None
    form: str
    options: Mapping[str, Any]
    made: Mapping[str, Any]
    files: Mapping[str, Entry]
    versions: Mapping[str, str]
    boxes: Mapping[str, Any] | None = None
    outputs: Mapping[str, tuple[int, ...]] | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        check_names(self.files)
        _check_versions(self.versions)
        if (self.precision is None) != (self.calibration is None):
            raise ValueError("a precision and what its ranges are from go together")
        if self.adapted and self.weights == FRESH:
            raise ValueError("fresh weights are adapted to nothing")
        fresh = self.weights == FRESH
        if fresh == (self.seed is None) or (self.seed or 0) < 0:
            raise ValueError(f"weights {self.weights} with the seed {self.seed}")

    @property
    def origin(self) -> str:
        """Where the weights are from, in words."""
        fresh = self.weights == FRESH
        return f"fresh, seed {self.seed}" if fresh else self.weights


@dataclass(frozen=True, slots=True)
class FileManifest:
    """The folder of what was made of a file that somebody else wrote, ``source``."""

    resgen: str
    name: str
    source: str
    form: str
    made: Mapping[str, Any]
    files: Mapping[str, Entry]
    versions: Mapping[str, str]
    format: int = field(default=FORMAT)

    def __post_init__(self) -> None:
        check_names(self.files)


def check_names(names: Iterable[str]) -> None:
    """Refuse what is no path of a file within the folder."""
    for name in names:
        # An empty part stands where a path begins at the root.
        if {"", ".", ".."} & {*name.split("/")} or "\0" in name:
            raise ValueError(f'"{name}" is no file of the folder')


def _check_versions(versions: Mapping[str, str]) -> None:
    """Refuse versions of what takes no part, and what is no version."""
    for name, version in versions.items():
        known = name in ("python", *RECORDED)
        if not known or not re.fullmatch(r"\d[\w.+!-]*", version, re.ASCII):
            raise ValueError(f"there is no version {version!r} of {name!r}")


@dataclass(frozen=True, slots=True)
class Exported(Shown, Generic[M]):
    """What has been made at its place, and the seconds that it took."""

    folder: Path
    manifest: M
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The manifest with the folder and the seconds, as ``--json`` prints it."""
        told = _format(self.manifest).to_json(self.manifest)
        return {"folder": str(self.folder), "seconds": self.seconds, **told}

    def lines(self) -> Iterator[str]:
        """What the terminal shows."""
        yield f"{style(f'{self.folder}/', bold=True)}  in {self.seconds:.1f} s"


NETWORK: Final = Format(
    mark=MARKS[0],
    version=FORMAT,
    kind=Manifest,
    name="manifest",
    title="The manifest of a network that resgen made",
    made_by="resgen build",
    hint="`resgen build SPEC` makes a folder with one",
)
OF_FILE: Final = Format(
    mark=MARKS[1],
    version=FORMAT,
    kind=FileManifest,
    name="manifest",
    title="The manifest of what resgen made of a file",
    made_by="resgen export",
    hint="`resgen export FILE.onnx --to onnx` makes a folder with one",
)


def entries(folder: Path, files: Mapping[str, str]) -> dict[str, Entry]:
    """Files of a folder by name, of which the hashes are known."""
    return {
        name: Entry((folder / name).stat().st_size, sha256)
        for name, sha256 in sorted(files.items())
    }


def write(folder: Path, manifest: Manifest | FileManifest) -> None:
    """Write the manifest into a folder that is not at its place yet."""
    (folder / MANIFEST).write_text(_format(manifest).to_text(manifest), "utf-8")


def _format(manifest: Manifest | FileManifest) -> Format[Any]:
    return NETWORK if isinstance(manifest, Manifest) else OF_FILE
