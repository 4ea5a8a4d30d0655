"""A model repository for Triton, of an exported file or of an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resgen._version import __version__
from resgen.artifact.folder import MANIFEST
from resgen.artifact.manifest import Exported, FileManifest, entries
from resgen.artifact.manifest import write as write_manifest
from resgen.artifact.metadata import versions
from resgen.artifact.ready import Ready
from resgen.errors import ResgenError, UsageError
from resgen.files.hashed import sha256_of
from resgen.files.place import staged
from resgen.serve.config import (
    Accelerator,
    Batching,
    Instances,
    Serving,
    Tensor,
    WarmUp,
    check_batches,
)
from resgen.serve.spans import Profile, spans
from resgen.serve.triton import labels_of, model_name, tensors_of, write_repository
from resgen.tensorrt.manifest import vouched

Say = Callable[[str, str], None]
#: The folder that Triton is given, beside what it was made from.
REPOSITORY: Final = "repository"
#: How long a request may wait for others, in microseconds, as Triton's guide begins.
DELAY: Final = 100
#: The largest batch of an ONNX file, which says none itself.
LARGEST: Final = 8


@dataclass(frozen=True, slots=True)
class ServingWishes:
    """The largest batch, instances that run at once, and what else Triton is told.

    See :class:`~resgen.serve.config.Serving`.

    Where no batch is given it is an engine's largest, and 8 of an ONNX file.
    """

    max_batch: int | None = None
    instances: int = 1
    threads: int | None = None
    accelerator: Accelerator | None = None
    versions: int = 1
    say: Say = lambda label, text: None


def make(ready: Ready, wishes: ServingWishes) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the repository beside the file; hashes, and what the manifest records."""
    name = model_name(ready.name)
    out = ready.folder / REPOSITORY
    inputs, outputs = tensors_of(ready.model, ready.name)
    written = write_repository(
        ready.model,
        out,
        name=name,
        kind="onnx",
        inputs=inputs,
        outputs=outputs,
        serving=_of_file(wishes, inputs, outputs, ready.sizes),
        labels=ready.labels,
    )
    wishes.say("triton", f"tritonserver --model-repository FOLDER/{REPOSITORY}")
    files = {
        path.relative_to(ready.folder).as_posix(): sha256_of(path) for path in written
    }
    return files, {"model": name, "kind": "onnx"}


def serve_engine(
    engine: Path, out: Path, wishes: ServingWishes, *, force: bool = False
) -> Exported[FileManifest]:
    """Write the repository of an engine that lies beside its ONNX file."""
    begin = time.perf_counter()
    profiles = vouched(engine).profiles
    onnx = engine.with_suffix(".onnx")
    if not onnx.is_file():
        raise ResgenError(
            f"{engine} has no {onnx.name} beside it, which says what it takes and gives"
        )
    inputs, outputs = tensors_of(onnx)
    name = model_name(engine.resolve().parent.name)
    serving, least = _of_engine(wishes, inputs, outputs, profiles)
    with staged(out, force=force, names=(MANIFEST,), source=engine) as stage:
        written = write_repository(
            engine,
            stage / REPOSITORY,
            name=name,
            kind="tensorrt",
            inputs=inputs,
            outputs=outputs,
            serving=serving,
            labels=labels_of(onnx),
        )
        files = {
            path.relative_to(stage).as_posix(): sha256_of(path) for path in written
        }
        manifest = FileManifest(
            __version__,
            name,
            engine.name,
            "triton",
            {"model": name, "kind": "tensorrt"},
            entries(stage, files),
            versions(verified=False),
        )
        write_manifest(stage, manifest)
    wishes.say("triton", f"tritonserver --model-repository {out / REPOSITORY}")
    if least > 1:
        wishes.say("batch", f"requests for fewer than {least} inputs fail: the engine "
                   "takes no smaller batch")  # fmt: skip
    return Exported(out, manifest, time.perf_counter() - begin)


def _of_engine(
    wishes: ServingWishes,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    profiles: Sequence[Profile],
) -> tuple[Serving, int]:
    """As far as the engine's profiles go, and its least batch."""
    if not profiles:
        return _of_file(wishes, inputs, outputs, {}), 1
    check_batches(inputs, outputs)
    found = spans(profiles, wishes.max_batch)
    serving = Serving(
        max_batch=found.largest,
        batching=Batching(delay=DELAY),
        instances=Instances(wishes.instances, profiles=len(profiles)),
        threads=wishes.threads,
        accelerator=wishes.accelerator,
        versions=wishes.versions,
        warm_up=found.warm_up,
    )
    return serving, found.least


def _of_file(
    wishes: ServingWishes,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    sizes: Mapping[str, tuple[int, ...]],
) -> Serving:
    """``sizes`` are those of inputs without the batch, for heights that are open."""
    open_batch = check_batches(inputs, outputs)
    if not open_batch and wishes.max_batch is not None:
        raise UsageError("--max-batch is for networks whose batch is open")
    largest = wishes.max_batch or LARGEST
    sizes = {t.name: sizes[t.name] for t in inputs if None in t.shape[1:]
             and t.name in sizes}  # fmt: skip
    batches = (1, largest) if open_batch and largest > 1 else (1,)
    return Serving(
        max_batch=largest if open_batch else None,
        batching=Batching(delay=DELAY) if open_batch else None,
        instances=Instances(wishes.instances),
        threads=wishes.threads,
        accelerator=wishes.accelerator,
        versions=wishes.versions,
        # Random data would be random bits, and many of those are no numbers.
        warm_up=WarmUp(batches, zeros=True, shapes=sizes),
    )
