"""A folder with a spec and its weights, and a record of where they come from.

An import makes one of a network from elsewhere, a cut of one that is there. The record
lists the other files by hash, so the folder is taken where a folder of ``build`` is,
and nothing in it is believed that was changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from resgen._version import __version__
from resgen.artifact.folder import WEIGHTS
from resgen.artifact.manifest import check_names
from resgen.artifact.opened import check_files
from resgen.document.files import Format
from resgen.files.hashed import Entry, HashedFile, sha256_of
from resgen.files.place import staged
from resgen.graph.identity import identity
from resgen.importing.flat import Note
from resgen.recovery.imported import Imported
from resgen.spec.text import text
from resgen.weights.safetensors import write_safetensors

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is told of a network that was made of another one.

    ``spec`` is the name of its file, ``identity`` the hash of its graph. ``source``
    names what it was made of, with the ``source_sha256`` of a file. ``notes`` tell what
    was done and is to be known; ``proven`` is what was proven and how closely, null
    where the proof was left out.
    """

    resgen: str
    name: str
    source: str
    source_sha256: str | None
    spec: str
    identity: str
    notes: tuple[Note, ...]
    proven: Mapping[str, Any] | None
    files: Mapping[str, Entry]
    format: int = FORMAT

    def __post_init__(self) -> None:
        check_names(self.files)
        if not {self.spec, WEIGHTS} <= self.files.keys():
            raise ValueError(f"{self.spec} and {WEIGHTS} are not among the files")


R = TypeVar("R", bound=Described)


@dataclass(frozen=True)
class DescribedFolder(Generic[R]):
    """Such a folder, made or opened again."""

    folder: Path
    record: R

    @property
    def spec(self) -> Path:
        """The file of the spec."""
        return self.folder / self.record.spec

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS


def open_described(folder: Path, record: str, kind: Format[R]) -> DescribedFolder[R]:
    """The folder with a record of this name and kind.

    What was changed since it was made is a :class:`~resgen.errors.ResgenError`.
    """
    opened = DescribedFolder(folder, kind.load(folder / record))
    again = "make it again, or name the spec and its weights themselves"
    check_files(folder, opened.record.files, "written", gone=again, other=again)
    return opened


def write_described(
    found: Imported,
    out: Path,
    record: str,
    kind: Format[R],
    more: Mapping[str, Any],
    *,
    source: str,
    file: Path | None = None,
    proven: Mapping[str, Any] | None = None,
    page: tuple[str, str] | None = None,
    force: bool = False,
) -> DescribedFolder[R]:
    """Write the folder; it appears whole or not at all.

    ``more`` are the fields that records of this kind have beside those of all.
    ``source`` is what the network was made of, ``file`` its file if it has one, which
    is not written over. ``page`` is the name and the text of a report.
    """
    name = f"{found.spec.name}.json"
    names = (name, WEIGHTS, record, *(page or ())[:1])
    with staged(out, force=force, names=names, source=file) as stage:
        with HashedFile(stage / name) as written:
            written.write(text(found.document).encode())
            hashes = {name: written.sha256}
        if page is not None:
            with HashedFile(stage / page[0]) as written:
                written.write(page[1].encode())
            hashes[page[0]] = written.sha256
        hashes[WEIGHTS] = write_safetensors(stage / WEIGHTS, found.graph, found.weights)
        entries = {
            each: Entry((stage / each).stat().st_size, sha256)
            for each, sha256 in sorted(hashes.items())
        }
        made = kind.kind(
            resgen=__version__,
            name=found.spec.name,
            source=source,
            source_sha256=None if file is None else sha256_of(file),
            spec=name,
            identity=identity(found.graph),
            notes=found.flat.notes,
            proven=proven,
            files=entries,
            **more,
        )
        (stage / record).write_text(kind.to_text(made), "utf-8")
    return DescribedFolder(out, made)
