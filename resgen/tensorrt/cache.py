"""Engines that were built before: content-addressed, whole, and built once at a time.

An entry is a folder ``engines/KIND/CONTENT``: one SHA-256 of every setting and version,
and one of the ONNX file. It is made aside and renamed, under a lock of its kind, so two
builds at once do the work once. An entry whose engine is not the one that was stored is
dropped and built again, and so is one of which anything was altered.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from resgen._version import __version__
from resgen.document.files import Format
from resgen.errors import ResgenError
from resgen.files.aside import folder_aside
from resgen.files.hashed import sha256_of
from resgen.files.ordinary import reason
from resgen.files.whole import copy, whole
from resgen.machine.device import Device
from resgen.tensorrt.files import Fingerprint, write_hashed
from resgen.tensorrt.request import EngineRequest

ENGINE: Final = "model.engine"
_FACTS: Final = "facts.json"


def cache_folder() -> Path:
    """Where engines are kept: ``RESGEN_CACHE``, or resgen's part of the user's cache.

    That is ``XDG_CACHE_HOME``, or ``~/.cache`` where it is not set.
    """
    own = os.environ.get("RESGEN_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "resgen"


def kind_of(
    onnx_bytes: int, request: EngineRequest, version: str, device: Device | None
) -> str:
    """All that an engine depends on but the content of its ONNX file, as one name.

    ``version`` is TensorRT's; ``device`` is the GPU that kernels are measured on, if
    they are.
    """
    return _name(
        {
            "onnx_bytes": onnx_bytes,
            "flavor": request.flavor.key,
            "tensorrt": version,
            "resgen": __version__,
            "targets": request.targets,
            "flags": request.flags,
            "profiles": request.profiles,
            "device": device.name if device else None,
        }
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """What ``facts.json`` holds of an engine: its bytes, and what is known of it."""

    engine_sha256: str
    bytes: int
    profiles: tuple[Mapping[str, Any], ...]
    layers: Mapping[str, Any]
    timing_cache: Mapping[str, Any] | None
    fp16_layers: Mapping[str, Any] | None = None
    format: int = 1


_ENTRY: Final = Format(
    mark="resgen_engine_entry",
    version=1,
    kind=Facts,
    name="entry of the engine cache",
    title="An engine in the cache",
    made_by="resgen export",
    hint="resgen export makes it again",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An engine in the cache, what it was built of and what is known of it.

    ``fresh`` tells that it was built just now.
    """

    engine: Path
    onnx: Fingerprint
    facts: Facts
    fresh: bool


#: Builds: returns the engine's bytes and what is known of it.
Build = Callable[[], "tuple[Any, dict[str, Any]]"]


@contextmanager
def obtain(
    kind: str,
    identify: Callable[[], Fingerprint],
    build: Build,
    *,
    rebuild: bool,
    waiting: Callable[[], None],
) -> Iterator[Entry]:
    """The engine of that kind and content, built if it is not there or damaged.

    ``identify`` may take its time: it is asked before the build only if an engine of
    that kind is there at all. Nobody else replaces the entry within the block.
    ``waiting`` is called before a wait for somebody who builds the same.
    """
    root = cache_folder() / "engines"
    folder = root / kind
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{kind}.lock", waiting):
            facts = built = None
            if rebuild or not any(folder.iterdir()):
                built = build()
            onnx = identify()
            entry = folder / _name(asdict(onnx))
            if built is None:
                facts = _facts(entry)
            fresh = facts is None
            if facts is None:
                facts = _store(entry, *(built or build()))
            yield Entry(entry / ENGINE, onnx, facts, fresh)
    except OSError as error:
        raise ResgenError(
            f"cannot keep engines in {root}: {reason(error)}",
            hint="RESGEN_CACHE names another folder for them",
        ) from error


def _name(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _facts(entry: Path) -> Facts | None:
    """What is known of an entry; None where it is not there or damaged.

    Its engine is read again each time: a date can be put back, a hash cannot.
    """
    try:
        facts = _ENTRY.load(entry / _FACTS)
        engine = entry / ENGINE
        whole = engine.stat().st_size == facts.bytes
        return facts if whole and sha256_of(engine) == facts.engine_sha256 else None
    except (ResgenError, OSError, RecursionError):
        return None


def _store(entry: Path, engine: Any, known: Mapping[str, Any]) -> Facts:
    with folder_aside(entry.parent.parent) as aside:
        stage = aside / entry.name
        stage.mkdir()
        sha256 = write_hashed(stage / ENGINE, engine)
        size = (stage / ENGINE).stat().st_size
        facts = Facts(engine_sha256=sha256, bytes=size, **known)
        (stage / _FACTS).write_text(_ENTRY.to_text(facts), "utf-8")
        if entry.exists():
            shutil.rmtree(entry)
        stage.replace(entry)
        return facts


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock among processes; it is given back even by one that is killed.

    Windows has no such lock: there, two builds at once both do the work.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def give(entry: Entry, target: Path) -> None:
    """Put a copy of the entry's engine at ``target``.

    It is no link: who changes that file must not change the entry.
    """
    with whole(target) as aside:
        copy(entry.engine, aside)


def timing_cache(flavor: str, version: str, device: str) -> Path:
    """Where measurements of kernels are kept, which hold for one GPU and version."""
    name = "-".join(f"{flavor}-{version}-{device}".lower().split())
    return cache_folder() / "timing" / f"{name}.cache"
