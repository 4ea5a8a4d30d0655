"""A model repository for Triton, of an exported file or of an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from resgen._version import __version__
from resgen.artifact.folder import MANIFEST, write_json
from resgen.artifact.metadata import versions
from resgen.errors import ResgenError
from resgen.exports.export import Exported
from resgen.exports.ready import Ready
from resgen.files.hashed import sha256_of
from resgen.files.place import staged
from resgen.serve.config import Batching, Instances, Serving, Tensor, WarmUp, batched
from resgen.serve.triton import model_name, tensors_of, write_repository
from resgen.tensorrt.manifest import vouched

Say = Callable[[str, str], None]
#: The folder that Triton is given, beside what it was made from.
REPOSITORY: Final = "repository"
#: How long a request may wait for others, in microseconds, as Triton's guide begins.
DELAY: Final = 100


@dataclass(frozen=True, slots=True)
class ServingWishes:
    """The largest batch, instances that run at once, and the profiles of an engine."""

    max_batch: int = 8
    instances: int = 1
    profiles: int = 1
    say: Say = lambda label, text: None


def make(ready: Ready, wishes: ServingWishes) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the repository beside the file; hashes, and what the manifest records."""
    name = model_name(ready.name)
    out = ready.folder / REPOSITORY
    inputs, outputs = tensors_of(ready.model)
    written = write_repository(
        ready.model,
        out,
        name=name,
        kind="onnx",
        inputs=inputs,
        outputs=outputs,
        serving=_serving(wishes, (*inputs, *outputs), ready.sizes),
        labels=ready.labels,
    )
    wishes.say("triton", f"tritonserver --model-repository FOLDER/{REPOSITORY}")
    files = {
        path.relative_to(ready.folder).as_posix(): sha256_of(path) for path in written
    }
    return files, {"triton": {"model": name, "kind": "onnx"}}


def serve_engine(
    engine: Path, out: Path, wishes: ServingWishes, *, force: bool = False
) -> Exported:
    """Write the repository of an engine that lies beside its ONNX file."""
    begin = time.perf_counter()
    profiles = vouched(engine)["profiles"]
    onnx = engine.with_suffix(".onnx")
    if not onnx.is_file():
        raise ResgenError(
            f"{engine} has no {onnx.name} beside it, which says what it takes and gives"
        )
    inputs, outputs = tensors_of(onnx)
    name = model_name(engine.resolve().parent.name)
    with staged(out, force=force, names=(MANIFEST,), source=engine) as stage:
        written = write_repository(
            engine,
            stage / REPOSITORY,
            name=name,
            kind="tensorrt",
            inputs=inputs,
            outputs=outputs,
            serving=_serving(_within(wishes, profiles), (*inputs, *outputs), {}),
        )
        manifest = {
            "resgen": __version__,
            "name": name,
            "source": engine.name,
            "triton": {"model": name, "kind": "tensorrt"},
            "files": {
                path.relative_to(stage).as_posix(): {
                    "bytes": path.stat().st_size,
                    "sha256": sha256_of(path),
                }
                for path in written
            },
            "versions": versions(verified=False),
        }
        write_json(stage / MANIFEST, manifest)
    wishes.say("triton", f"tritonserver --model-repository {out / REPOSITORY}")
    return Exported(out, manifest, time.perf_counter() - begin)


def _within(
    wishes: ServingWishes, profiles: Sequence[Mapping[str, Any]]
) -> ServingWishes:
    """The wishes as far as the engine's profiles go, of which Triton is told."""
    largest = [span["max"][0] for profile in profiles for span in profile.values()]
    return replace(
        wishes,
        max_batch=min([wishes.max_batch, *largest]),
        profiles=max(len(profiles), 1),
    )


def _serving(
    wishes: ServingWishes,
    tensors: Sequence[Tensor],
    sizes: Mapping[str, tuple[int, ...]],
) -> Serving:
    """``sizes`` are those of inputs without the batch, for heights that are open."""
    open_batch = batched(tensors)
    sizes = {t.name: sizes[t.name] for t in tensors if None in t.shape[1:]
             and t.name in sizes}  # fmt: skip
    batches = (1, wishes.max_batch) if open_batch and wishes.max_batch > 1 else (1,)
    return Serving(
        max_batch=wishes.max_batch if open_batch else None,
        batching=Batching(delay=DELAY) if open_batch else None,
        instances=Instances(wishes.instances, profiles=wishes.profiles),
        warm_up=WarmUp(batches, shapes=sizes),
    )
