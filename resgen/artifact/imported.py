"""What is told of an import: what became of the source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.artifact.described import (
    FORMAT,
    Described,
    DescribedFolder,
    write_described,
)
from resgen.document.files import Format
from resgen.files.names import IMPORT, MARKS
from resgen.recovery.imported import Imported


@dataclass(frozen=True, slots=True)
class Region:
    """A block of the spec, and the operators of the source that became it."""

    path: str
    definition: str
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Described):
    """What became of a network that was imported.

    ``cut`` is the node that reading ended at. ``parameters`` has for each parameter the
    initialisers (of a file) or the key (of a module's ``state_dict``) that it was made
    of; ``regions`` tells which operators of the source became which blocks. A source
    of another ``precision`` than fp32 is told as the numbers that it stands for;
    ``scales`` are the steps by which it stores values, by the spec's names of these.
    """

    cut: str | None
    precision: str
    scales: Mapping[str, float]
    parameters: Mapping[str, tuple[str, ...]]
    regions: tuple[Region, ...]


RECORD: Final = Format(
    mark=MARKS[2],
    version=FORMAT,
    kind=Record,
    name="record of an import",
    title="What became of a network that resgen imported",
    made_by="resgen import",
    hint="`resgen import FILE` makes a folder with one",
)


def write_import(
    found: Imported,
    out: Path,
    *,
    source: str,
    file: Path | None = None,
    cut: str | None = None,
    proven: Mapping[str, Any] | None = None,
    force: bool = False,
) -> DescribedFolder[Record]:
    """Write the folder of an import.

    ``source`` is what the network is called where it comes from, ``file`` its file.
    """
    return write_described(
        found,
        out,
        IMPORT,
        RECORD,
        {
            "cut": cut,
            "precision": found.flat.precision,
            "scales": {
                ours: found.flat.scales[theirs].scale
                for ours, theirs in found.values.items()
                if theirs in found.flat.scales
            },
            "parameters": {
                ours: tuple(found.flat.sources.get(theirs, ()))
                for ours, theirs in found.parameters.items()
            },
            "regions": _regions(found),
        },
        source=source,
        file=file,
        proven=proven,
        force=force,
    )


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
