"""Engines for the targets that this machine can build for, a kit for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from resgen.artifact.ready import Ready
from resgen.files.hashed import sha256_of
from resgen.forms.engine import export_engine
from resgen.kit.profiles import shapes_of
from resgen.kit.write import write_kit
from resgen.machine.device import present
from resgen.tensorrt.manifest import EngineManifest
from resgen.tensorrt.profiles import Span, resolve
from resgen.tensorrt.targets import Division, check_precisions, divide
from resgen.tensorrt.twin import more_work

Say = Callable[[str, str], None]
#: The folder of a kit, beside the engine.
KIT = "kit"


@dataclass(frozen=True, slots=True)
class EngineWishes:
    """How engines are to be; ``source`` and ``options`` are for the command that
    builds them again.
    """

    division: Division
    profiles: tuple[Span, ...] = ()
    workspace: int | None = None
    level: int | None = None
    rebuild: bool = False
    source: str = ""
    options: tuple[str, ...] = ()
    say: Say = lambda label, text: None
    progress: Callable[[str, int, int], None] = field(
        default=lambda step, done, total: None
    )


def divided(
    targets: Sequence[str],
    flavor: str | None,
    precisions: Sequence[str],
    number: int = 0,
) -> Division:
    """Who builds for which target; a target that lacks a precision is refused.

    ``number`` is the GPU of this machine that can be built for.
    """
    check_precisions(precisions, targets)
    found = divide(targets, flavor, present(number))
    check_precisions(precisions, (*found.here, *found.elsewhere))
    return found


def make(ready: Ready, wishes: EngineWishes) -> tuple[dict[str, str], dict[str, Any]]:
    """Write engine and kit beside the file; hashes, and what the manifest records."""
    division = wishes.division
    files: dict[str, str] = {}
    record: dict[str, Any] = {}
    if division.flavor is not None:
        made = export_engine(
            ready.model,
            ready.folder,
            flavor=division.flavor,
            targets=division.here,
            precision=ready.precisions[-1],
            profiles=wishes.profiles,
            workspace=wishes.workspace,
            level=wishes.level,
            rebuild=wishes.rebuild,
            source=wishes.source,
            options=wishes.options,
            identity=ready.identity,
            locate=ready.locate,
            say=wishes.say,
            progress=lambda done, total: wishes.progress("building", done, total),
        )
        files[made.engine.name] = made.manifest.engine.sha256
        files[made.manifest_file.name] = sha256_of(made.manifest_file)
        size = made.engine.stat().st_size / 1e6
        how = "taken from the cache" if made.cached else "built"
        slower = _slower(made.manifest)
        wishes.say(
            "engine",
            f"{division.flavor.name} {made.manifest.tensorrt}, "
            f"{', '.join(division.here)}, {size:.1f} MB, {how}",
        )
        if slower:
            wishes.say("speed", slower)
        record["engine"] = {
            "targets": list(division.here),
            "flavor": division.flavor.key,
            "tensorrt": made.manifest.tensorrt,
            "cached": made.cached,
            "speed_measured": False,
        }
    if division.elsewhere:
        files.update(_kit(ready, wishes))
        record["kit"] = {"targets": list(division.elsewhere)}
        wishes.say(
            "kit",
            f"nothing here builds for {', '.join(division.elsewhere)}: carry {KIT}/ "
            "there and run build_and_time.py",
        )
    return files, record


def _slower(manifest: EngineManifest) -> str:
    """That fp16 has less to do, as far as the builder's log says so."""
    half = manifest.fp16_layers
    more = more_work(manifest.layers, half) if half is not None else []
    if not more:
        return ""
    return f"not measured; {'; '.join(more)}: expect fp16 to be faster there"


def _kit(ready: Ready, wishes: EngineWishes) -> dict[str, str]:
    shapes, _ = shapes_of(ready.model)
    profiles = resolve(wishes.profiles, shapes)
    first = next(iter(shapes))
    batch = shapes[first][0] or (profiles[0][first][1][0] if profiles else 1)
    inputs, expected = ready.trial(batch)
    written = write_kit(
        ready.model,
        ready.folder / KIT,
        target=", ".join(wishes.division.elsewhere),
        precision=ready.precisions[-1],
        profiles=profiles,
        inputs=inputs,
        expected=expected,
        tolerances=dict.fromkeys(expected, ready.tolerance),
        name=ready.name,
        workspace=wishes.workspace,
        level=wishes.level,
        metadata={"onnx_sha256": ready.identity.sha256},
    )
    return {
        path.relative_to(ready.folder).as_posix(): sha256_of(path) for path in written
    }
