"""Kernels that TensorRT for RTX compiles where an engine runs, kept for the next time.

For sizes that are open it compiles kernels for the very sizes that are given. Left to
itself it does so beside the runs, which take slower kernels meanwhile: then a short
measurement, and a CUDA graph for good, are of those. Here compiling comes first, and
what was compiled is kept by engine and GPU, so that a process more does not wait again.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from resgen.errors import ResgenError
from resgen.files.cache import cache_folder
from resgen.files.whole import make_folder, write_bytes
from resgen.tensorrt.api import CompilesWhereItRuns, ICudaEngine, TensorRT

_DIGEST = hashlib.sha256().digest_size


def kernels_of(engine: bytes, device: str) -> Path:
    """Where the kernels of an engine on a device of this name are kept."""
    name = f"{hashlib.sha256(engine).hexdigest()}-{'-'.join(device.lower().split())}"
    return cache_folder() / "kernels" / f"{name}.cache"


class Compiled:
    """How contexts of an engine are made where kernels are compiled.

    ``config`` is None for flavours that compile none.
    """

    def __init__(self, trt: TensorRT, engine: ICudaEngine, path: Path | None) -> None:
        self.config: Any = None
        self._path = path
        self._kept = b""
        if not hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            return
        self.config = cast(CompilesWhereItRuns, engine).create_runtime_config()
        eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        self.config.dynamic_shapes_kernel_specialization_strategy = eager
        self._cache = self.config.create_runtime_cache()
        self._kept = _read(path) if path is not None else b""
        if self._kept and not self._cache.deserialize(self._kept):
            self._kept = b""  # of another driver or version; it begins anew
        self.config.set_runtime_cache(self._cache)

    def keep(self) -> None:
        """Write what was compiled since, as far as there is room for it."""
        if self.config is None or self._path is None:
            return
        kernels = bytes(self._cache.serialize())
        if kernels == self._kept:
            return
        sealed = hashlib.sha256(kernels).digest() + kernels
        with suppress(ResgenError):
            make_folder(self._path.parent)
            write_bytes(self._path, sealed)
            self._kept = kernels


def _read(path: Path) -> bytes:
    """Kept kernels; none where they are not as they were written."""
    try:
        sealed = path.read_bytes()
    except OSError:
        return b""
    digest, kernels = sealed[:_DIGEST], sealed[_DIGEST:]
    return kernels if hashlib.sha256(kernels).digest() == digest else b""
