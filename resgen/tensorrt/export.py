"""An ONNX file becomes ``model.engine`` and the manifest that vouches for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resgen._version import __version__
from resgen.files.hashed import Entry, HashedFile
from resgen.files.whole import copy, make_folder, whole, write_bytes
from resgen.machine.device import present
from resgen.onnxfile.external import check_external
from resgen.onnxfile.fingerprint import Fingerprint, fingerprint
from resgen.onnxfile.placed import check_placed
from resgen.tensorrt.build import Locate, build, nowhere
from resgen.tensorrt.cache import ENGINE, name_of, obtain, timing_cache
from resgen.tensorrt.flavor import version_of
from resgen.tensorrt.listening import Progress
from resgen.tensorrt.manifest import (
    EngineManifest,
    spans_of,
    write_manifest,
)
from resgen.tensorrt.request import EngineRequest
from resgen.tensorrt.targets import check_precisions
from resgen.tensorrt.twin import half_layers

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class EngineExported:
    """An engine that was exported.

    ``cached`` tells that it had been built before. ``manifest`` is what stands in
    ``manifest_file``.
    """

    engine: Path
    manifest_file: Path
    manifest: EngineManifest
    cached: bool


def export_engine(
    onnx: Path,
    out: Path,
    request: EngineRequest,
    *,
    rebuild: bool = False,
    remember: bool = True,
    source: str | None = None,
    options: Sequence[str] = (),
    identity: Fingerprint | None = None,
    locate: Locate = nowhere,
    say: Say = lambda label, text: None,
    progress: Progress = lambda done, steps: None,
) -> EngineExported:
    """Write ``model.engine`` and ``model.engine.json`` into the folder ``out``.

    An engine that was built before is taken from the cache, unless ``rebuild``. Unless
    ``remember``, kernels are not chosen by what earlier builds have measured.
    ``source`` is what the user exports, ``options`` are those of the command that this
    function does not know: both stand in the command that builds the engine again.
    ``identity`` is what the file is, for those who wrote it and hashed it as they did.

    Errors are :class:`~resgen.errors.ResgenError`, and leave nothing half-written.
    """
    check_external(onnx)
    check_placed(onnx, "tensorrt")
    check_precisions((request.precision,), request.targets)
    command = request.command(source or str(onnx), options)
    flavor = request.flavor
    version = version_of(flavor)
    device = None if flavor.ahead else present()
    timings = None
    if device and remember:
        timings = timing_cache(flavor.key, version, device.name)

    onnx_is = identity or fingerprint(onnx)

    def make(folder: Path) -> EngineManifest:
        built = build(
            onnx,
            request,
            locate=locate,
            progress=progress,
            timing_cache=_read(timings) if timings else b"",
        )
        quantized = request.precision in ("int8", "fp8")
        with HashedFile(folder / ENGINE) as file:
            file.write(built.engine)
        measured = None
        if timings and built.timing_cache:
            measured = _keep(timings, built.timing_cache)
        manifest = EngineManifest(
            resgen=__version__,
            flavor=flavor.key,
            tensorrt=version,
            targets=request.targets,
            gpu=device,
            engine=file.entry,
            onnx=onnx_is,
            timing_cache=measured,
            flags=request.flags,
            profiles=spans_of(built.profiles),
            layers=built.layers,
            fp16_layers=(
                half_layers(onnx, request) if flavor.ahead and quantized else None
            ),
            rebuild=command,
        )
        write_manifest(folder / ENGINE, manifest)
        return manifest

    make_folder(out)
    engine = out / ENGINE
    with (
        obtain(
            name_of(onnx_is, request, version, device),
            make,
            rebuild=rebuild,
            waiting=lambda _: say(
                "engine", "waiting for another build of the same one"
            ),
        ) as (kept, manifest, fresh),
        whole(engine) as aside,
    ):
        copy(kept, aside)  # no link: who changes that file must not change the entry
    manifest = replace(manifest, rebuild=command)
    return EngineExported(engine, write_manifest(engine, manifest), manifest, not fresh)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # none yet
        return b""


def _keep(path: Path, timings: bytes) -> Entry:
    make_folder(path.parent)
    write_bytes(path, timings)
    return Entry(len(timings), hashlib.sha256(timings).hexdigest())
