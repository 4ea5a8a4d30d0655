"""An ONNX file becomes ``model.engine`` and the manifest that vouches for it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen._version import __version__
from resgen.files.whole import make_folder, write_bytes
from resgen.machine.device import present
from resgen.onnxfile.external import check_external
from resgen.onnxfile.placed import check_placed
from resgen.tensorrt.build import Locate, build, nowhere
from resgen.tensorrt.cache import (
    ENGINE,
    give,
    kind_of,
    obtain,
    timing_cache,
)
from resgen.tensorrt.files import Fingerprint, fingerprint
from resgen.tensorrt.flavor import version_of
from resgen.tensorrt.listening import Progress
from resgen.tensorrt.manifest import (
    Content,
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
    flavor, precision = request.flavor, request.precision
    check_precisions((precision,), request.targets)
    version = version_of(flavor)
    device = None if flavor.ahead else present()
    timings = None
    if device and remember:
        timings = timing_cache(flavor.key, version, device.name)

    def make() -> tuple[Any, dict[str, Any]]:
        built = build(
            onnx,
            request,
            locate=locate,
            progress=progress,
            timing_cache=_read(timings) if timings else b"",
        )
        facts: dict[str, Any] = {
            "profiles": tuple(built.profiles),
            "layers": built.layers,
            "timing_cache": None,
        }
        if flavor.ahead and precision in ("int8", "fp8"):
            facts["fp16_layers"] = half_layers(onnx, request)
        if timings and built.timing_cache:
            facts["timing_cache"] = _keep(timings, built.timing_cache)
        return built.engine, facts

    def waiting() -> None:
        say("engine", "waiting for another build of the same engine")

    make_folder(out)
    engine = out / ENGINE
    # Hashing needs no interpreter, so it goes on while the engine is built.
    with ThreadPoolExecutor(1) as pool:
        known = pool.submit(lambda: identity or fingerprint(onnx))
        with obtain(
            kind_of(onnx.stat().st_size, request, version, device),
            known.result,
            make,
            rebuild=rebuild,
            waiting=waiting,
        ) as entry:
            give(entry, engine)
    timed = entry.facts.timing_cache
    manifest = EngineManifest(
        resgen=__version__,
        flavor=flavor.key,
        tensorrt=version,
        targets=request.targets,
        gpu=device,
        engine=Content(entry.facts.engine_sha256, entry.facts.bytes),
        onnx=entry.onnx,
        timing_cache=Content(**timed) if timed else None,
        flags=request.flags,
        profiles=spans_of(entry.facts.profiles),
        layers=entry.facts.layers,
        fp16_layers=entry.facts.fp16_layers,
        rebuild=shlex.join(
            [*request.command(source or str(onnx)), *options, "--rebuild"]
        ),
    )
    file = write_manifest(engine, manifest)
    return EngineExported(engine, file, manifest, not entry.fresh)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # none yet
        return b""


def _keep(path: Path, timings: bytes) -> dict[str, Any]:
    make_folder(path.parent)
    write_bytes(path, timings)
    return {"sha256": hashlib.sha256(timings).hexdigest(), "bytes": len(timings)}
