"""What travels inside a model and beside it, so that it can be run and traced."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata

from resgen._version import __version__
from resgen.artifact.boxes import described
from resgen.artifact.manifest import RECORDED
from resgen.artifact.request import Wishes
from resgen.artifact.source import Source
from resgen.graph.precision import QUANTIZED
from resgen.spec.canonical import canonical_bytes, digest


def metadata_of(
    source: Source, wishes: Wishes, version: str = __version__
) -> dict[str, str]:
    """What travels inside the ONNX file, so that it can be run without us.

    ``version`` is that of the resgen that wrote it.
    """
    spec = source.spec
    found = {
        "resgen.version": version,
        "resgen.spec": canonical_bytes(spec).decode(),
        "resgen.spec_sha256": digest(spec),
        "resgen.preprocess": json.dumps(asdict(spec.preprocess)),
    }
    if spec.labels is not None:
        found["resgen.labels"] = json.dumps(list(spec.labels), ensure_ascii=False)
    boxes = described(spec, source.graph)
    if boxes is not None:
        found["resgen.boxes"] = json.dumps(boxes)
    if wishes.precision is not None:
        found["resgen.precision"] = wishes.precision.name
        if wishes.precisions(source.graph) & {*QUANTIZED}:
            found["resgen.for"] = wishes.precision.consumer
    return found


def versions(verified: bool) -> dict[str, str]:
    """Of Python and of the packages that took part."""
    found = {"python": platform.python_version()}
    for name in RECORDED if verified else RECORDED[:2]:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
