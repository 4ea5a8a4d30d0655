"""Which files in a folder resgen wrote: those that its manifest lists, unchanged.

A name proves nothing, as many tools write a ``manifest.json``. A file is resgen's if a
manifest of resgen's lists it with its SHA-256, and if it still has that. All else is
somebody's, and is never removed. What an import makes is listed in ``import.json``.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from resgen.files.hashed import sha256_of
from resgen.files.names import IMPORT, MANIFEST, MARKS, SHRINK
from resgen.files.ordinary import read_bytes

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
#: What a file is known by until it changes: inode, size, time of the last change.
Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder, by path in it with ``/``: resgen's and others' files.

    An empty folder, which no manifest lists, counts as somebody's file. ``hashes``
    saves hashing again what has not changed.
    """

    ours: Mapping[str, Signature]
    others: Mapping[str, Signature]
    hashes: Mapping[tuple[str, Signature], str] = field(repr=False)


def listed(folder: Path) -> Mapping[str, str]:
    """The SHA-256 of every file that the folder's manifests of resgen's list.

    Empty if there is no manifest, or one that some other tool wrote. A manifest itself
    is not listed.
    """
    return _hashes(_manifests(folder))


def _hashes(manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The SHA-256 of every file that these list."""
    return {
        name: entry["sha256"]
        for manifest in manifests.values()
        for name, entry in manifest.items()
    }


def _manifests(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """What each manifest of resgen's that is there lists, by the manifest's name."""
    found = {}
    for name in (MANIFEST, IMPORT, SHRINK):
        try:
            manifest = json.loads(read_bytes(folder / name))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(manifest, dict) or not manifest.keys() & {*MARKS}:
            continue
        files = manifest.get("files")
        if isinstance(files, dict) and files and all(map(_entry, files.values())):
            found[name] = files
    return found


def contents(folder: Path, known: Contents | None = None) -> Contents:
    """Look at all that lies in a folder, at any depth; raises :class:`OSError`.

    ``known`` is what an earlier look found.
    """
    manifests = _manifests(folder)
    wanted = _hashes(manifests)
    hashes = dict(known.hashes) if known is not None else {}
    ours: dict[str, Signature] = {}
    others: dict[str, Signature] = {}
    for name, state in _walk(folder):
        signature = (state.st_ino, state.st_size, state.st_mtime_ns)
        own = name in manifests
        if name in wanted and stat.S_ISREG(state.st_mode):
            key = (name, (*signature[:2], state.st_ctime_ns))
            if key not in hashes:
                hashes[key] = sha256_of(folder / name)
            own = hashes[key] == wanted[name]
        (ours if own else others)[name] = signature
    return Contents(ours, others, hashes)


def briefly(found: Contents) -> Sequence[str]:
    """Others' files as a person would say it: ``.git/`` for all that is in it."""
    shared = {parent for name in found.ours for parent in parents(name)}
    said = {
        next((f"{p}/" for p in parents(name) if p not in shared), name): None
        for name in sorted(found.others)
    }
    return tuple(said)


def parents(name: str) -> Iterator[str]:
    """The folders above a path, from the outermost."""
    parts = name.split("/")
    for n in range(1, len(parts)):
        yield "/".join(parts[:n])


def _entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("bytes")) is int
        and isinstance(entry.get("sha256"), str)
        and _SHA256.fullmatch(entry["sha256"]) is not None
    )


def _walk(folder: Path, at: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything but folders that hold something; links are not followed."""
    pending = [at]
    while pending:
        inside = pending.pop()
        with os.scandir(folder / inside) as entries:
            empty = True
            for entry in entries:
                empty = False
                name = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                else:
                    yield name, entry.stat(follow_symlinks=False)
        if empty and inside:
            yield inside, (folder / inside).stat()
