"""A folder that an import makes: the spec, its weights, and what became of the source.

``import.json`` lists the other files by hash, so the folder is taken where a folder of
``build`` is, and nothing in it is believed that was changed since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen._version import __version__
from resgen.artifact.folder import WEIGHTS
from resgen.artifact.manifest import check_names
from resgen.artifact.opened import check_files
from resgen.document.files import Format
from resgen.files.hashed import Entry, HashedFile, sha256_of
from resgen.files.names import IMPORT, MARKS
from resgen.files.place import staged
from resgen.graph.identity import identity
from resgen.importing.flat import Note
from resgen.recovery.imported import Imported
from resgen.spec.text import text
from resgen.weights.safetensors import write_safetensors

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Region:
    """A block of the spec, and the operators of the source that became it."""

    path: str
    definition: str
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a network that was imported.

    ``spec`` is the name of its file. ``source`` names what it was read from, with the
    ``source_sha256`` of a file; ``cut`` is the node that reading ended at.
    ``parameters`` has for each parameter the initialisers (of a file) or the key (of a
    module's ``state_dict``) that it was made of; ``regions`` tells which operators of
    the source became which blocks; ``notes`` what was recognised, dropped, or read
    otherwise, and why that changes nothing. ``proven`` is what was proven and how
    closely; null where the proof was left out.
    """

    resgen: str
    name: str
    source: str
    source_sha256: str | None
    cut: str | None
    spec: str
    identity: str
    parameters: Mapping[str, tuple[str, ...]]
    regions: tuple[Region, ...]
    notes: tuple[Note, ...]
    proven: Mapping[str, Any] | None
    files: Mapping[str, Entry]
    format: int = FORMAT

    def __post_init__(self) -> None:
        check_names(self.files)
        if not {self.spec, WEIGHTS} <= self.files.keys():
            raise ValueError(f"{self.spec} and {WEIGHTS} are not among the files")


RECORD: Final = Format(
    mark=MARKS[2],
    version=FORMAT,
    kind=Record,
    name="record of an import",
    title="What became of a network that resgen imported",
    made_by="resgen import",
    hint="`resgen import FILE` makes a folder with one",
)


@dataclass(frozen=True)
class ImportFolder:
    """What ``resgen import`` has made, opened again."""

    folder: Path
    record: Record

    @property
    def spec(self) -> Path:
        """The file of the spec."""
        return self.folder / self.record.spec

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS


def open_import(folder: Path) -> ImportFolder:
    """The import at ``folder``; what was changed since is a :class:`ResgenError`."""
    opened = ImportFolder(folder, RECORD.load(folder / IMPORT))
    again = "import it again, or name the spec and its weights themselves"
    files = opened.record.files
    check_files(folder, files, "imported", gone=again, other=again)
    return opened


def write_import(
    found: Imported,
    out: Path,
    *,
    source: str,
    file: Path | None = None,
    cut: str | None = None,
    proven: Mapping[str, Any] | None = None,
    force: bool = False,
) -> ImportFolder:
    """Write the folder; it appears whole or not at all.

    ``source`` is what the network is called where it comes from, ``file`` its file.
    """
    name = f"{found.spec.name}.json"
    names = (name, WEIGHTS, IMPORT)
    with staged(out, force=force, names=names, source=file) as stage:
        with HashedFile(stage / name) as written:
            written.write(text(found.document).encode())
            hashes = {name: written.sha256}
        hashes[WEIGHTS] = write_safetensors(stage / WEIGHTS, found.graph, found.weights)
        record = Record(
            __version__,
            found.spec.name,
            source,
            None if file is None else sha256_of(file),
            cut,
            name,
            identity(found.graph),
            {
                ours: tuple(found.flat.sources.get(theirs, ()))
                for ours, theirs in found.parameters.items()
            },
            _regions(found),
            found.flat.notes,
            proven,
            {
                each: Entry((stage / each).stat().st_size, sha256)
                for each, sha256 in sorted(hashes.items())
            },
        )
        (stage / IMPORT).write_text(RECORD.to_text(record), "utf-8")
    return ImportFolder(out, record)


def _regions(found: Imported) -> tuple[Region, ...]:
    """Each block with the operators that it was found in, by the source's names."""
    graph = found.graph
    inside: defaultdict[int, list[str]] = defaultdict(list)
    for node in graph.nodes:
        at: int | None = node.scope
        theirs = found.values[node.name]
        tensor = found.flat.tensors.get(theirs)
        while at is not None:
            if graph.scopes[at].kind == "block":
                inside[at].append(theirs if tensor is None else tensor.name)
                break
            at = graph.scopes[at].parent
    return tuple(
        Region(scope.path, scope.definition or "", tuple(inside[at]))
        for at, scope in enumerate(graph.scopes)
        if scope.kind == "block"
    )
