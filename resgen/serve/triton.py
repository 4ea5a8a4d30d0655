"""A model repository for NVIDIA's Triton inference server, of one model.

    REPOSITORY/NAME/config.pbtxt          what Triton is told of it
    REPOSITORY/NAME/labels.txt            one class a line
    REPOSITORY/NAME/VERSION/model.onnx    and what it keeps beside it, or model.plan

Several models share a repository, and several versions a model: Triton serves the
newest unless told otherwise.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.errors import ResgenError, UsageError
from resgen.files.aside import folder_aside
from resgen.files.ordinary import open_file, reason
from resgen.files.whole import flush, unwritable
from resgen.onnxfile.external import check_external
from resgen.onnxfile.placed import check_placed
from resgen.onnxfile.stored import read_stored
from resgen.serve.config import Kind, Serving, Tensor, config_text

if TYPE_CHECKING:
    from onnx import ValueInfoProto

CONFIG: Final = "config.pbtxt"
LABELS: Final = "labels.txt"
FILES: Final = {"onnx": "model.onnx", "tensorrt": "model.plan"}
#: How an engine of TensorRT for RTX begins (seen with 1.7; TensorRT's own: ``ftrt``).
RTX: Final = b"vtrt"
#: What a name may consist of: it is a folder, and a part of the server's addresses.
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")


def write_repository(
    model: Path,
    out: Path,
    *,
    name: str,
    kind: Kind,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    serving: Serving,
    labels: Sequence[str] | None = None,
    version: int = 1,
) -> tuple[Path, ...]:
    """Write ``model`` as the model ``name`` of the repository ``out``; its files.

    ``inputs`` and ``outputs`` are those of the model (:func:`tensors_of` an ONNX file,
    which an engine has in common with the file that it was built from). A version that
    is there already is refused, and so are engines that Triton cannot load: errors are
    :class:`~resgen.errors.ResgenError` and leave the repository as it was. White space
    within a label becomes one space, since a label is a line.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f'"{name}" cannot be the name of a model that is served',
            hint=f"letters, digits, dots, dashes and underscores: {model_name(name)}",
        )
    if version < 1:
        raise UsageError(f"{version} cannot be a version; versions count from 1")
    if kind == "onnx":
        check_placed(model, "onnxruntime")
    else:
        _check_engine(model)
    beside = check_external(model) if kind == "onnx" else ()
    labelled = _labelled(outputs, labels) if labels is not None else ()
    text = config_text(
        name, kind, inputs, outputs, serving,
        label_files=dict.fromkeys(labelled, LABELS),
    )  # fmt: skip
    home = out / name
    number = str(version)
    _check_free(home, number)
    files = {f"{number}/{FILES[kind]}": model}
    for path in beside:
        files[f"{number}/{path.relative_to(model.parent).as_posix()}"] = path
    if len(files) <= len(beside):
        raise ResgenError(f"{model} keeps weights in a file named {FILES[kind]}")
    texts = {CONFIG: text}
    if labels is not None:
        texts[LABELS] = "".join(f"{' '.join(label.split())}\n" for label in labels)
    _write(home, number, files, texts)
    return tuple(home / path for path in (*texts, *files))


def model_name(text: str) -> str:
    """A name that Triton takes, as near to ``text`` as may be.

    >>> model_name("my net/v2")
    'my_net_v2'
    """
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "_", text).lstrip(".-")[:200]
    return name or "model"


def labels_of(onnx: Path) -> tuple[str, ...] | None:
    """The names of the classes that an ONNX file of resgen's holds."""
    for entry in read_stored(onnx).model.metadata_props:
        if entry.key == "resgen.labels":
            return tuple(map(str, json.loads(entry.value)))
    return None


def tensors_of(
    onnx: Path, name: str | None = None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs of an ONNX file, as it states them.

    ``name`` is what the file is called in messages.
    """
    told = name or str(onnx)
    stored = read_stored(onnx)
    return (
        tuple(_tensor(value, told) for value in stored.inputs),
        tuple(_tensor(value, told) for value in stored.model.graph.output),
    )


# --- parts ----------------------------------------------------------------------------


def _tensor(value: ValueInfoProto, told: str) -> Tensor:
    from onnx import TensorProto, helper

    stated = value.type.tensor_type
    if not stated.HasField("shape") or stated.elem_type == TensorProto.UNDEFINED:
        raise ResgenError(
            f'{told} does not state the shape of "{value.name}", which Triton must be '
            "told",
            hint="onnx.shape_inference.infer_shapes_path may find it",
        )
    dtype = helper.tensor_dtype_to_np_dtype(stated.elem_type).name
    sizes = (d.dim_value if d.HasField("dim_value") else None for d in stated.shape.dim)
    return Tensor(value.name, dtype, tuple(sizes))


def _check_engine(engine: Path) -> None:
    try:
        with open_file(engine) as file:
            start = file.read(len(RTX))
    except OSError as error:
        raise ResgenError(f"cannot read {engine}: {reason(error)}") from error
    if start == RTX:
        raise ResgenError(
            f"{engine} is an engine of TensorRT for RTX, which Triton cannot load",
            hint="serve the ONNX file, or build the engine with full TensorRT",
        )


def _labelled(outputs: Sequence[Tensor], labels: Sequence[str]) -> tuple[str, ...]:
    """The outputs that have one number for each label."""
    found = tuple(o.name for o in outputs if o.shape[1:] == (len(labels),))
    if not found:
        raise ResgenError(
            f"there are {len(labels)} labels, but no output has {len(labels)} numbers"
        )
    return found


def _check_free(home: Path, number: str) -> None:
    if not home.exists():
        return
    if not (home / CONFIG).is_file():
        raise ResgenError(
            f"{home} is there already and is no model of Triton's",
            hint="choose another name or another repository",
        )
    if (home / number).exists():
        raise ResgenError(
            f"{home} has a version {number} already",
            hint="choose a higher version, or remove that one",
        )


def _write(
    home: Path, number: str, files: dict[str, Path], texts: dict[str, str]
) -> None:
    """Write all of it aside and move it to its place.

    Beside older versions the model goes first, and then what is said of it.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with folder_aside(home.parent) as aside:
            stage = aside / home.name
            for name, source in files.items():
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, stage / name)
            for name, text in texts.items():
                (stage / name).write_text(text, "utf-8")
            flush(stage)
            if not home.exists():
                stage.replace(home)
                return
            (stage / number).replace(home / number)
            try:
                # The labels first, since the configuration names them.
                for name in reversed(texts):
                    (stage / name).replace(home / name)
            except BaseException:
                shutil.rmtree(home / number, ignore_errors=True)
                raise
    except OSError as error:
        raise unwritable(home, error) from error
