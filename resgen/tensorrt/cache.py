"""Engines that were built before: content-addressed, whole, and built once at a time.

An entry is a folder ``engines/NAME`` of an engine and its manifest, by one SHA-256 of
every setting and version, and of the ONNX file. It is made aside and renamed, under a
lock of its own, so two builds at once do the work once. An entry whose manifest does
not vouch for its engine is dropped and built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.files.aside import folder_aside
from resgen.files.cache import cache_folder
from resgen.files.lock import held
from resgen.files.ordinary import reason
from resgen.machine.device import Device
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.tensorrt.manifest import EngineManifest, vouched
from resgen.tensorrt.request import EngineRequest

ENGINE: Final = "model.engine"


def name_of(
    onnx: Fingerprint, request: EngineRequest, version: str, device: Device | None
) -> str:
    """All that an engine depends on, as one name.

    ``version`` is TensorRT's; ``device`` is the GPU that kernels are measured on, if
    they are.
    """
    parts = {
        "onnx": asdict(onnx),
        "flavor": request.flavor.key,
        "tensorrt": version,
        "resgen": __version__,
        "targets": request.targets,
        "flags": request.flags,
        "profiles": request.profiles,
        "device": device.name if device else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@contextmanager
def obtain(
    name: str,
    build: Callable[[Path], EngineManifest],
    *,
    rebuild: bool,
    waiting: Callable[[float], None],
) -> Iterator[tuple[Path, EngineManifest, bool]]:
    """The engine of that name, its manifest, and whether it was built just now.

    It is built if it is not there or damaged: ``build`` writes both into a folder.
    Nobody else replaces the entry within the block. ``waiting`` is called before a wait
    for somebody who builds the same, and now and then with the seconds that it took.
    """
    root = cache_folder() / "engines"
    entry = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = os.open(root / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        with held(file, waiting):
            kept = None
            if not rebuild:
                with suppress(ResgenError, OSError):
                    kept = vouched(entry / ENGINE)
            yield entry / ENGINE, kept or _store(entry, build), kept is None
    except OSError as error:
        raise ResgenError(
            f"cannot keep engines in {root}: {reason(error)}",
            hint="RESGEN_CACHE names another folder for them",
        ) from error


def _store(entry: Path, build: Callable[[Path], EngineManifest]) -> EngineManifest:
    with folder_aside(entry.parent) as aside:
        stage = aside / entry.name
        stage.mkdir()
        manifest = build(stage)
        if entry.exists():
            shutil.rmtree(entry)
        stage.replace(entry)
        return manifest


def timing_cache(flavor: str, version: str, device: str) -> Path:
    """Where measurements of kernels are kept, which hold for one GPU and version."""
    name = "-".join(f"{flavor}-{version}-{device}".lower().split())
    return cache_folder() / "timing" / f"{name}.cache"
