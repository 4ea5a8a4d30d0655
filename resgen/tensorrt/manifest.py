"""The manifest beside an engine: what it is, and where it may be loaded.

An engine is native code, and one that does not fit its GPU or its TensorRT fails
without a reason. So it is loaded only if the manifest beside it vouches for its bytes
and says that it was made for this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen.document.files import Format
from resgen.errors import MissingComponent, MissingDevice, ResgenError
from resgen.files.hashed import Entry, sha256_of
from resgen.files.ordinary import unreadable
from resgen.machine.device import Device, required
from resgen.onnxfile.fingerprint import Fingerprint
from resgen.tensorrt.flavor import FLAVORS, Flavor, installed, load, version_of

FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Span:
    """The sizes of an input that a profile takes."""

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.min) == len(self.opt) == len(self.max):
            raise ValueError("min, opt and max differ in length")
        for sizes in zip(self.min, self.opt, self.max, strict=True):
            if not 0 < sizes[0] <= sizes[1] <= sizes[2]:
                raise ValueError(f"{sizes} are no least, best and largest size")


@dataclass(frozen=True, slots=True)
class EngineManifest:
    """What an engine is, and what it was built from, with and for.

    ``flavor`` and ``tensorrt`` are the builder and its version, ``targets`` compute
    capabilities; ``gpu`` is the one that kernels were measured on, null where none
    was. ``timing_cache`` is what was measured. ``flags`` are all settings of the
    builder, ``profiles`` the sizes of the inputs. ``layers`` is what became of the
    network, ``fp16_layers`` the same of its twin in fp16 where it is compared with
    that. ``rebuild`` is the command that builds the engine again.
    """

    resgen: str
    flavor: str
    tensorrt: str
    targets: tuple[str, ...]
    gpu: Device | None
    engine: Entry
    onnx: Fingerprint
    timing_cache: Entry | None
    flags: Mapping[str, Any]
    profiles: tuple[Mapping[str, Span], ...]
    layers: Mapping[str, Any]
    fp16_layers: Mapping[str, Any] | None
    rebuild: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.flavor not in FLAVORS:
            raise ValueError(f'"{self.flavor}" is no TensorRT that resgen knows')
        inputs = {frozenset(profile) for profile in self.profiles}
        if len(inputs) > 1 or frozenset() in inputs:
            raise ValueError("the profiles are not of the same inputs")


ENGINE: Final = Format(
    mark="resgen_engine",
    version=FORMAT,
    kind=EngineManifest,
    name="manifest of an engine",
    title="The manifest of an engine that resgen exported",
    made_by="resgen export --to tensorrt",
    hint="`resgen export` writes an engine and its manifest",
)


def spans_of(profiles: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Span], ...]:
    """Profiles of three sizes each, as a manifest has them."""
    return tuple(
        {name: Span(*map(tuple, sizes)) for name, sizes in profile.items()}
        for profile in profiles
    )


def manifest_of(engine: Path) -> Path:
    """Where the manifest of an engine lies."""
    return engine.with_name(engine.name + ".json")


def write_manifest(engine: Path, manifest: EngineManifest) -> Path:
    """Write the manifest of ``engine``."""
    path = manifest_of(engine)
    ENGINE.save(manifest, path)
    return path


def vouched(engine: Path) -> EngineManifest:
    """The manifest of an engine whose bytes are the ones that it speaks of.

    Anything else is a :class:`~resgen.errors.ResgenError` with the command that builds
    the engine again, as far as it is known. Needs neither TensorRT nor a GPU.
    """
    content = _read(engine)
    try:
        size = engine.stat().st_size
        told = content.engine
        if size != told.bytes:
            raise ResgenError(
                f"{engine} has {size:,} bytes, but its manifest says "
                f"{told.bytes:,}: it was cut short or altered",
                hint=rebuild(content),
            )
        if sha256_of(engine) != told.sha256:
            raise ResgenError(
                f"{engine} was altered: its SHA-256 is not that of its manifest",
                hint=rebuild(content),
            )
    except OSError as error:
        raise unreadable(engine, error) from None
    return content


def check_here(engine: Path, manifest: EngineManifest, number: int = 0) -> Flavor:
    """The flavour that loads an engine on this machine's GPU of this number.

    A GPU that it was not built for, and none, are a
    :class:`~resgen.errors.MissingDevice`, a TensorRT that did not build it is a
    :class:`~resgen.errors.MissingComponent`: the engine is as good as it was.
    """
    flavor = FLAVORS[manifest.flavor]
    if flavor not in installed():
        load(flavor, f"{engine} cannot be loaded")
    built, here = manifest.tensorrt, version_of(flavor)
    if built != here:
        raise MissingComponent(
            f"{flavor.name} {built}",
            f"{engine}, which it built, cannot be loaded: {here} is here",
            rebuild(manifest),
        )
    device = required(f"{engine} cannot be loaded", number=number)
    targets = manifest.targets
    if device.capability not in targets:
        raise MissingDevice(
            f"{engine} was built for {', '.join(targets)}, but the GPU here, "
            f"{device.name}, is {device.capability}",
            hint=rebuild(manifest),
        )
    gpu = manifest.gpu
    if gpu is not None and gpu.name != device.name:
        raise MissingDevice(
            f"{engine} was built on a {gpu.name}, but the GPU here is a "
            f"{device.name}: its kernels were measured on the former",
            hint=rebuild(manifest),
        )
    return flavor


def rebuild(manifest: EngineManifest) -> str:
    """The command that builds the engine again."""
    return f"build it again: {manifest.rebuild}"


def _read(engine: Path) -> EngineManifest:
    path = manifest_of(engine)
    if not path.exists():
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
        )
    return ENGINE.load(path)
