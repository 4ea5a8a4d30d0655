"""An engine and its manifest against what the engine was asked to be.

Bytes of native code say little of themselves: what kernels they hold only a GPU tells.
But all that the manifest says of how they were built follows from the request, and the
first bytes tell the builder and its version.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from resgen.document.files import plain
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.tensorrt.manifest import EngineManifest, manifest_of, spans_of
from resgen.tensorrt.profiles import Profile
from resgen.tensorrt.request import EngineRequest

#: Where the version stands, a byte for each of its four numbers, in layout 0: the
#: layout's number follows the tag. As ``trtexec`` reads it; in both flavours.
_LAYOUT: Final = slice(4, 8)
_VERSION: Final = slice(24, 28)


def contradictions(
    engine: Path,
    manifest: EngineManifest,
    request: EngineRequest,
    version: str,
    onnx: Fingerprint,
    profiles: Sequence[Profile],
) -> Iterator[str]:
    """Sentences on what is not as ``request`` asks, each with both values.

    ``version`` is TensorRT's that is to have built the engine, ``onnx`` the file that
    it is to be of, and ``profiles`` are the request's, for that file's inputs.
    """
    with engine.open("rb") as file:
        yield from _beginning(engine.name, file.read(_VERSION.stop), request, version)
    ahead = request.flavor.ahead
    should = replace(
        manifest,
        flavor=request.flavor.key,
        tensorrt=version,
        targets=request.targets,
        onnx=onnx,
        flags=request.flags,
        profiles=spans_of(profiles),
        gpu=None if ahead else manifest.gpu,
        timing_cache=None if ahead else manifest.timing_cache,
    )
    name = manifest_of(engine).name
    for field in fields(manifest):
        told, asked = (plain(getattr(each, field.name)) for each in (manifest, should))
        for where, one, other in _apart(field.name, told, asked):
            yield f"{name} says {where} {_text(one)}, which should be {_text(other)}"
    measured = manifest.gpu.capability if manifest.gpu else None
    described = manifest.layers.get("target")
    for where, found in (("gpu", measured), ("layers", described)):
        if found not in request.targets and not (where == "gpu" and ahead):
            yield (
                f"{name} says {where} of {_text(found)}, but the engine is for "
                f"{', '.join(request.targets)}"
            )
    if not request.is_asked_by(manifest.rebuild):
        yield (
            f"{name} says rebuild {_text(manifest.rebuild)}, which is no command for "
            f"an engine with {shlex.join(request.words)}"
        )


def _beginning(
    name: str, head: bytes, request: EngineRequest, version: str
) -> Iterator[str]:
    """What the first bytes have against the flavour and its version."""
    flavor, tag = request.flavor.name, request.flavor.tag
    if not head.startswith(tag) or len(head) < _VERSION.stop:
        yield (
            f"{name} begins with {head[: len(tag)]!r}, and an engine of {flavor} with "
            f"{tag!r}"
        )
    elif not any(head[_LAYOUT]):
        numbers = [int(number) for number in re.findall(r"\d+", version)]
        found = list(head[_VERSION])
        if found != [number % 256 for number in numbers[: len(found)]]:
            written = ".".join(map(str, found))
            yield f"{name} was written by {flavor} {written}, and not by {version}"


def _apart(where: str, told: Any, asked: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places that differ, with what is there in both."""
    if isinstance(told, dict) and isinstance(asked, dict):
        for key in {**told, **asked}:
            inner = told.get(key), asked.get(key)
            yield from _apart(f"{where}.{key}", *inner)
    elif _text(told) != _text(asked):  # 1 is no True
        yield where, told, asked


def _text(value: Any) -> str:
    return json.dumps(value)
