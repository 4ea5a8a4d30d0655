"""What an ONNX file takes and gives, read without its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from resgen.onnxfile.check import info
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


def reduce_outputs(path: Path, kinds: Sequence[str]) -> None:
    """Let a file give out what operators of these kinds reduce its outputs to.

    Each stands in place of the output, called ``OUTPUT/KIND``, and right behind the
    node that yields it, so that what is reduced need not be held to the end.
    """
    model = onnx.load(path, load_external_data=False)
    made = onnx.GraphProto()
    made.CopyFrom(model.graph)
    given_out = {output.name for output in made.output}
    del made.node[:], made.output[:]
    for node in model.graph.node:
        made.node.append(node)
        for name in given_out.intersection(node.output):
            for kind in kinds:
                end = f"{name}/{kind}"
                reduced = onnx.helper.make_node(kind, [name], [end], keepdims=0)
                made.node.append(reduced)
                made.output.append(info(end, (), onnx.TensorProto.FLOAT))
    model.graph.CopyFrom(made)
    path.write_bytes(model.SerializeToString())


def _shape(value: onnx.ValueInfoProto) -> Shape:
    axes = value.type.tensor_type.shape.dim
    return tuple(axis.dim_value or None for axis in axes)


def _dtype(value: onnx.ValueInfoProto) -> str:
    code = value.type.tensor_type.elem_type
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(code).name)
    except (KeyError, ValueError):
        return "unknown"
