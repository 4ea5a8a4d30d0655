"""What an ONNX file takes and gives, read without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from resgen.onnxfile.external import data_files
from resgen.onnxfile.stored import read_stored

#: Sizes of all axes; None is one that is open.
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Ends:
    """Shapes by name, and the element types of the inputs as NumPy names them."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    dtypes: Mapping[str, str]


def ends_of(path: Path) -> Ends:
    """Inputs and outputs of a file; one that cannot be trusted is a ResgenError."""
    stored = read_stored(path)
    data_files(stored)
    return Ends(
        {value.name: _shape(value) for value in stored.inputs},
        {value.name: _shape(value) for value in stored.model.graph.output},
        {value.name: _dtype(value) for value in stored.inputs},
    )


def _shape(value: onnx.ValueInfoProto) -> Shape:
    axes = value.type.tensor_type.shape.dim
    return tuple(axis.dim_value or None for axis in axes)


def _dtype(value: onnx.ValueInfoProto) -> str:
    code = value.type.tensor_type.elem_type
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(code).name)
    except (KeyError, ValueError):
        return "unknown"
