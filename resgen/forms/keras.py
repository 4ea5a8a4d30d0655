"""A Keras model (.keras) that trains, and with TensorFlow a SavedModel beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.artifact.form import Finish, Form, Job
from resgen.errors import UsageError
from resgen.graph.ir import OUTPUT
from resgen.options.group import Group
from resgen.words.progress import Progress

if TYPE_CHECKING:
    from resgen.artifact.ready import Made, Ready
    from resgen.artifact.request import Wishes

FILE: Final = "model.keras"
#: The folder of the SavedModel, as TensorFlow Serving takes it.
SAVED: Final = "saved_model"


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """It has none of its own."""


def prepare(options: Options, job: Job) -> Finish:
    """A precision below float32 is refused, for the model is one to train, and what
    Keras has nothing for.
    """
    from resgen.lower.keras.model import keras_of, refuse

    if {*job.precisions} - {"fp32"}:
        raise UsageError(
            f"{FILE} is the network in float32, and not in {job.precisions[-1]}",
            hint="Keras computes lower by a policy of its own: "
            'keras.mixed_precision.set_global_policy("mixed_float16")',
        )
    keras_of()
    if job.network is not None:
        source, wishes = job.network
        _check(wishes)
        if wishes.verify:  # proving the ONNX file may take minutes
            refuse(source.graph.inference)
    return lambda ready: make(ready, job)


def again(options: Options, made: Mapping[str, Any], ready: Ready, job: Job) -> Finish:
    """The files that are there: Keras dates them, and ``verify`` proves them."""
    return lambda there: (_hashes(ready.folder), dict(made))


def make(ready: Ready, job: Job) -> tuple[dict[str, str], dict[str, Any]]:
    """Write the model; hashes, and what the manifest records."""
    from resgen.lower.keras.model import deep, keras_of, to_keras

    made = _network(ready)
    keras = keras_of()
    model = to_keras(made.graph, made.weights)
    with deep(len(made.graph.nodes)):
        model.save(made.folder / FILE)
    own = sorted({kind for kind in map(_own, model.layers) if kind})
    if keras.backend.backend() == "tensorflow":
        _serve(keras, model, made.folder / SAVED)
    opens = "which opens without resgen"
    if own:
        opens = (
            f"with {', '.join(own)} of resgen.lower.keras.own, which has to be imported"
        )
    job.progress.say("keras", f"{len(model.layers)} layers, {opens}")
    if made.wishes.verify:
        job.progress.say("keras", _prove(made))
    backend = keras.backend.backend()
    record = {"keras": keras.__version__, "backend": backend, "own": own}
    return _hashes(made.folder), record


def verify(
    ready: Ready, made: Mapping[str, Any], progress: Progress
) -> Mapping[str, Any]:
    """The model's outputs against PyTorch, where Keras is installed."""
    from resgen.errors import MissingComponent

    try:
        said = _prove(_network(ready))
    except MissingComponent as missing:
        progress.say("keras", f"not run: {missing.message}")
        return {"keras": None}
    progress.say("keras", said)
    return {"keras": said}


# --- parts ----------------------------------------------------------------------------


def _hashes(folder: Path) -> dict[str, str]:
    """Of all files that are this form's."""
    from resgen.files.hashed import sha256_of

    files = [folder / FILE, *sorted((folder / SAVED).rglob("*"))]
    return {
        file.relative_to(folder).as_posix(): sha256_of(file)
        for file in files
        if file.is_file()
    }


def _serve(keras: Any, model: Any, folder: Path) -> None:
    """Write a SavedModel whose inputs and outputs bear the names of the spec.

    ``model.export`` would call the output of one ``output_0``.
    """

    def outputs(*given: Any) -> Any:
        found = model(given[0] if len(given) == 1 else list(given), training=False)
        return found if isinstance(found, Mapping) else {OUTPUT: found}

    archive = keras.export.ExportArchive()
    archive.track(model)
    taken = [
        keras.InputSpec(shape=x.shape, dtype=x.dtype, name=x.name) for x in model.inputs
    ]
    archive.add_endpoint("serve", outputs, input_signature=taken)
    archive.write_out(folder, verbose=False)
    (folder / "assets").rmdir()  # the network has none


def _own(layer: Any) -> str | None:
    """The name of a layer's class, if it is one of ours."""
    kind = type(layer)
    return kind.__name__ if kind.__module__.startswith("resgen.") else None


def _network(ready: Ready) -> Made:
    from resgen.artifact.ready import Made

    if not isinstance(ready, Made):
        raise TypeError(f"{FILE} is made of a network")
    _check(ready.wishes)
    return ready


def _check(wishes: Wishes) -> None:
    if wishes.dynamic or wishes.batch or wishes.camera:
        raise UsageError(f"{FILE} takes prepared pictures of one size, however many")


def _prove(made: Made) -> str:
    from resgen.proof.keras import prove_keras

    found = prove_keras(made.graph, made.folder / FILE, made.weights, made.inputs(2))
    said = f"outputs within {found.relative:.1e} of their range of PyTorch's"
    if found.trained is not None:
        said += (
            "; gradients and statistics of a step of training within "
            f"{found.trained:.1e}"
        )
    return said


FORM = Form(
    "a Keras model that trains",
    Options,
    prepare,
    verify,
    again,
    owns=(SAVED,),
    of_file=False,
)
