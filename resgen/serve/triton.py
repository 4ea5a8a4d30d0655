"""A model repository for NVIDIA's Triton inference server, of one model.

    REPOSITORY/NAME/config.pbtxt          what Triton is told of it
    REPOSITORY/NAME/labels.txt            one class a line
    REPOSITORY/NAME/VERSION/model.onnx    and what it keeps beside it, or model.plan

Further models may be put beside it, and further versions into it: Triton serves the
newest unless told otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.errors import ResgenError
from resgen.files.whole import copy
from resgen.onnxfile.external import named_files
from resgen.onnxfile.placed import check_placed
from resgen.onnxfile.stored import read_stored
from resgen.serve.config import Kind, Serving, Tensor, config_text

if TYPE_CHECKING:
    from onnx import ValueInfoProto

CONFIG: Final = "config.pbtxt"
LABELS: Final = "labels.txt"
FILES: Final = {"onnx": "model.onnx", "tensorrt": "model.plan"}


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
) -> tuple[Path, ...]:
    """Write the repository ``out`` of the one model ``name``; its files.

    ``inputs`` and ``outputs`` are those of the model (:func:`tensors_of` an ONNX file,
    which an engine has in common with the file that it was built from). White space
    within a label becomes one space, since a label is a line. What Triton would not
    load is a :class:`~resgen.errors.ResgenError`, and nothing is written then.
    """
    beside: dict[str, Path] = {}
    if kind == "onnx":
        check_placed(model, "onnxruntime")
        beside = named_files(model)
        if FILES[kind] in beside:
            raise ResgenError(f"{model} keeps weights in a file named {FILES[kind]}")
    labelled = _labelled(outputs, labels) if labels is not None else ()
    text = config_text(
        name, kind, inputs, outputs, serving,
        label_files=dict.fromkeys(labelled, LABELS),
    )  # fmt: skip
    home = out / name
    files = {f"1/{name}": path for name, path in {FILES[kind]: model, **beside}.items()}
    texts = {CONFIG: text}
    if labels is not None:
        texts[LABELS] = "".join(f"{' '.join(label.split())}\n" for label in labels)
    for name, source in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        copy(source, home / name)
    for name, text in texts.items():
        (home / name).write_text(text, "utf-8")
    return tuple(home / path for path in (*texts, *files))


def model_name(text: str) -> str:
    """A name that Triton takes, as near to ``text`` as may be.

    It is a folder, and a part of the server's addresses.

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


def _labelled(outputs: Sequence[Tensor], labels: Sequence[str]) -> tuple[str, ...]:
    """The outputs that have one number for each label."""
    found = tuple(o.name for o in outputs if o.shape[1:] == (len(labels),))
    if not found:
        raise ResgenError(
            f"there are {len(labels)} labels, but no output has {len(labels)} numbers"
        )
    return found
