"""A model repository for Triton, of an exported file or of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import ResgenError
from resgen.options.group import Group, option
from resgen.options.kinds import THREADS, choice, whole
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Ready
    from resgen.serve.config import Kind, Serving, Tensor
    from resgen.serve.spans import Profile

#: The folder that Triton is given, beside what it was made from.
REPOSITORY: Final = "repository"
#: The largest batch of an ONNX file, which says none itself.
LARGEST: Final = 8
#: Counts are 32-bit numbers in Triton's schema.
_COUNT: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """What Triton is told; see :class:`~resgen.serve.config.Serving`."""

    max_batch: int | None = option(
        "--max-batch",
        whole(1, _COUNT),
        "The largest batch.",
        shown="8, or the most that an engine takes",
    )
    instances: int = option(
        "--instances", whole(1, _COUNT), "How many run at once.", default=1
    )
    threads: int | None = option(
        "--threads",
        THREADS,
        "Threads of one operator on a processor.",
        shown="ONNX Runtime's, a core each",
    )
    accelerator: Any = option(
        "--accelerator",
        choice("tensorrt"),
        "Let ONNX Runtime compile the network on GPUs when it is loaded.",
        shown="none",
    )
    versions: int = option(
        "--versions",
        whole(0, _COUNT),
        "How many of the newest versions are served, 0 for all.",
        default=1,
    )


def prepare(options: Options, job: Job) -> Finish:
    """Nothing is refused before the file is there."""
    return lambda ready: make(ready, options, job)


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """Triton is not run; the model that it is given is the one that was proven."""
    progress.say("triton", "not run; its model is the file that was proven")
    return {"triton": None}


def make(
    ready: Ready, options: Options, job: Job
) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the repository beside the file; hashes, and what the manifest records."""
    from resgen.serve.triton import tensors_of

    inputs, outputs = tensors_of(ready.model, ready.name)
    serving = _of_file(options, inputs, outputs, ready.sizes)
    if not serving.warm_up:
        job.progress.say(
            "warm-up", "none: the sizes are open, and the file says none to warm up at"
        )
    return _written(ready, ready.model, (inputs, outputs), serving, ready.labels, job)


def of_engine(engine: Path, options: Options, job: Job) -> Finish:
    """Of an engine that lies beside its ONNX file."""
    from resgen.serve.triton import labels_of, tensors_of
    from resgen.tensorrt.flavor import FLAVORS
    from resgen.tensorrt.manifest import vouched

    its = vouched(engine)
    flavor = FLAVORS[its.flavor]
    if flavor.ahead:
        raise ResgenError(
            f"{engine} is an engine of {flavor.name}, which Triton cannot load",
            hint="serve the ONNX file, or build the engine with full TensorRT",
        )
    onnx = engine.with_suffix(".onnx")
    if not onnx.is_file():
        raise ResgenError(
            f"{engine} has no {onnx.name} beside it, which says what it takes and gives"
        )
    inputs, outputs = tensors_of(onnx)
    serving, least = _of_engine(options, inputs, outputs, its.profiles)

    def finish(ready: Ready) -> tuple[dict[str, str], dict[str, Any]]:
        labels = labels_of(onnx)
        made = _written(ready, engine, (inputs, outputs), serving, labels, job)
        if least > 1:
            job.progress.say(
                "batch",
                f"requests for fewer than {least} inputs fail: the engine takes no "
                "smaller batch",
            )
        return made

    return finish


# --- parts ----------------------------------------------------------------------------


def _written(
    ready: Ready,
    model: Path,
    ends: tuple[Sequence[Tensor], Sequence[Tensor]],
    serving: Serving,
    labels: tuple[str, ...] | None,
    job: Job,
) -> tuple[dict[str, str], dict[str, Any]]:
    """The repository of a file or an engine: hashes, and what the manifest records."""
    from resgen.files.hashed import sha256_of
    from resgen.serve.triton import model_name, write_repository

    name = model_name(ready.name)
    kind: Kind = "onnx" if model == ready.model else "tensorrt"
    written = write_repository(
        model,
        ready.folder / REPOSITORY,
        name=name,
        kind=kind,
        inputs=ends[0],
        outputs=ends[1],
        serving=serving,
        labels=labels,
    )
    repository = quote(str(job.out / REPOSITORY))
    job.progress.say("triton", f"tritonserver --model-repository {repository}")
    files = {
        path.relative_to(ready.folder).as_posix(): sha256_of(path) for path in written
    }
    return files, {"model": name, "kind": kind}


def _of_engine(
    options: Options,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    profiles: Sequence[Profile],
) -> tuple[Serving, int]:
    """As far as the engine's profiles go, and its least batch."""
    from resgen.serve.config import check_batches
    from resgen.serve.spans import spans

    if not (profiles and check_batches(inputs, outputs)):
        best = profiles[0] if profiles else {}
        sizes = {name: span.opt[1:] for name, span in best.items()}
        return _of_file(options, inputs, outputs, sizes, len(profiles)), 1
    found = spans(profiles, options.max_batch)
    serving = _serving(
        options,
        max_batch=found.largest,
        profiles=len(profiles),
        warm_up=found.warm_up,
        shapes=found.shapes,
    )
    return serving, found.least


def _of_file(
    options: Options,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    sizes: Mapping[str, tuple[int, ...]],
    profiles: int = 0,
) -> Serving:
    """``sizes`` are those of inputs without the batch, for heights that are open.

    A file of others says none, and goes without a warm-up.
    """
    from resgen.serve.config import check_batches

    free = {t.name: t.shape for t in inputs if None in t.shape[1:]}
    known = free.keys() <= sizes.keys()
    if check_batches(inputs, outputs):
        largest = options.max_batch or LARGEST
        return _serving(
            options,
            max_batch=largest,
            warm_up=tuple(sorted({1, largest})) if known else (),
            shapes={name: sizes[name] for name in free if known},
        )
    if options.max_batch is not None:
        raise options.refused("{max_batch} is for networks whose batch is open")
    shapes = {name: (*free[name][:1], *sizes[name]) for name in free if known}
    return _serving(
        options, profiles=profiles, warm_up=(1,) if known else (), shapes=shapes
    )


def _serving(options: Options, **found: Any) -> Serving:
    from resgen.serve.config import Serving

    return Serving(
        instances=options.instances,
        threads=options.threads,
        accelerator=options.accelerator,
        versions=options.versions,
        **found,
    )


FORM = Form(
    "a model repository for Triton",
    Options,
    prepare,
    verify,
    owns=(REPOSITORY,),
    consumers=("onnxruntime",),
    of_engine=of_engine,
)
