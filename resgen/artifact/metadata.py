"""What travels inside a model and beside it, so that it can be run and traced."""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from dataclasses import asdict
from importlib import metadata

from resgen._version import __version__
from resgen.spec.canonical import canonical_bytes
from resgen.spec.model import Spec

#: Packages whose versions a manifest records, where they took part.
RECORDED = ("numpy", "onnx", "onnxruntime", "torch")


def metadata_of(
    spec: Spec, identity: str, version: str = __version__
) -> dict[str, str]:
    """What travels inside the ONNX file, so that it can be run without us.

    ``version`` is that of the resgen that wrote it.
    """
    found = {
        "resgen.version": version,
        "resgen.spec": canonical_bytes(spec).decode(),
        "resgen.spec_sha256": identity,
        "resgen.preprocess": json.dumps(asdict(spec.preprocess)),
    }
    if spec.labels is not None:
        found["resgen.labels"] = json.dumps(list(spec.labels), ensure_ascii=False)
    return found


def versions(verified: bool) -> dict[str, str]:
    """Of Python and of the packages that took part."""
    found = {"python": platform.python_version()}
    for name in RECORDED if verified else RECORDED[:2]:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
