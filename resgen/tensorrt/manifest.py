"""The manifest beside an engine: what it is, and where it may be loaded.

An engine is native code, and one that does not fit its GPU or its TensorRT fails
without a reason. So it is loaded only if the manifest beside it vouches for its bytes
and says that it was made for this machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError
from resgen.files.hashed import sha256_of
from resgen.files.ordinary import read_text, reason
from resgen.files.whole import write_text
from resgen.machine.device import required
from resgen.tensorrt.flavor import FLAVORS, Flavor, installed, load, version_of

FORMAT: Final = 1
_SEAL: Final = "sha256_of_the_rest"


def manifest_of(engine: Path) -> Path:
    """Where the manifest of an engine lies."""
    return engine.with_name(engine.name + ".json")


def write_manifest(engine: Path, content: Mapping[str, Any]) -> Path:
    """Write the manifest of ``engine``, sealed by its own hash."""
    sealed = {"resgen_engine": FORMAT, **content}
    sealed[_SEAL] = _seal(sealed)
    text = json.dumps(sealed, indent=1, ensure_ascii=False) + "\n"
    path = manifest_of(engine)
    write_text(path, text)
    return path


def vouched(engine: Path) -> Mapping[str, Any]:
    """The manifest of an engine whose bytes are the ones that it speaks of.

    Anything else is a :class:`~resgen.errors.ResgenError` with the command that builds
    the engine again, as far as it is known. Needs neither TensorRT nor a GPU.
    """
    content = _read(engine)
    try:
        size = engine.stat().st_size
        told = content["engine"]
        if size != told["bytes"]:
            raise ResgenError(
                f"{engine} has {size:,} bytes, but its manifest says "
                f"{told['bytes']:,}: it was cut short or altered",
                hint=rebuild(content),
            )
        if sha256_of(engine) != told["sha256"]:
            raise ResgenError(
                f"{engine} was altered: its SHA-256 is not that of its manifest",
                hint=rebuild(content),
            )
    except OSError as error:
        raise ResgenError(f"cannot read {engine}: {reason(error)}") from None
    return content


def check_here(engine: Path, manifest: Mapping[str, Any], number: int = 0) -> Flavor:
    """The flavour that loads an engine on this machine's GPU of this number.

    Another version or another GPU is a :class:`~resgen.errors.ResgenError`, a flavour
    or a GPU that is not there has exit code 3.
    """
    flavor = FLAVORS[manifest["flavor"]]
    if flavor not in installed():
        load(flavor, f"{engine} cannot be loaded")
    built, here = manifest["tensorrt"], version_of(flavor)
    if built != here:
        raise ResgenError(
            f"{engine} was built with {flavor.name} {built}, but {here} is here",
            hint=rebuild(manifest),
        )
    device = required(f"{engine} cannot be loaded", number=number)
    targets = manifest["targets"]
    if device.capability not in targets:
        raise ResgenError(
            f"{engine} was built for {', '.join(targets)}, but the GPU here, "
            f"{device.name}, is {device.capability}",
            hint=rebuild(manifest),
        )
    gpu = manifest["gpu"]
    if gpu is not None and gpu["name"] != device.name:
        raise ResgenError(
            f"{engine} was built on a {gpu['name']}, but the GPU here is a "
            f"{device.name}: its kernels were measured on the former",
            hint=rebuild(manifest),
        )
    return flavor


def rebuild(manifest: Mapping[str, Any]) -> str:
    """The command that builds the engine again."""
    return f"build it again: {manifest['rebuild']}"


def _read(engine: Path) -> Mapping[str, Any]:
    path = manifest_of(engine)
    again = f"export it again, or restore {path.name}"
    try:
        content = json.loads(read_text(path))
        seal = content.pop(_SEAL)
        version = content["resgen_engine"]
    except FileNotFoundError:
        missing = path if engine.exists() else engine
        raise ResgenError(
            f"{missing} is not there"
            + (
                ": an engine is native code, and is loaded only if its manifest "
                "vouches for it"
                if missing == path
                else ""
            ),
            hint="`resgen export` writes an engine and its manifest",
        ) from None
    except OSError as error:
        raise ResgenError(f"cannot read {path}: {reason(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ResgenError(f"{path} is no manifest of an engine", hint=again) from None
    if seal != _seal(content):
        raise ResgenError(f"{path} was altered", hint=again)
    if version != FORMAT:
        raise ResgenError(
            f"{path} has the format {version}, but this resgen reads {FORMAT}",
            hint=rebuild(content),
        )
    found: Mapping[str, Any] = content
    return found


def _seal(content: Mapping[str, Any]) -> str:
    """The hash of a manifest without its seal, however it is laid out."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
