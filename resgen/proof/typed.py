"""Does every value have the element type in the file that the graph says?

A file of 16 bits is proven in float32, and there a cast to the wrong type shows
nowhere. ONNX's own inference knows the types without running anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from resgen.graph.ir import Graph
from resgen.onnxfile.check import info
from resgen.onnxfile.stored import StoredModel
from resgen.ops.cast import CODES
from resgen.proof.compare import Departure, where

if TYPE_CHECKING:
    from onnx import ModelProto


def prove_types(graph: Graph, stored: StoredModel, tensors: Mapping[str, str]) -> None:
    """Compare the type of every operator's result, and what is given out, by name.

    ``tensors`` are the file's by the operator that yields them. A file that is no valid
    ONNX is a :class:`~resgen.proof.compare.Departure` as well.
    """
    shown = [output.name for output in stored.model.graph.output]
    wanted = [name for name, _ in graph.outputs]
    if shown != wanted:
        raise Departure(
            (shown or wanted)[0],
            f"the ONNX file gives out {', '.join(shown) or 'nothing'}, but the network "
            f"{', '.join(wanted)}",
        )
    kinds = _kinds(stored)
    names = {code: name for name, code in CODES.items()}
    for node in graph.nodes:
        tensor = tensors.get(node.name)
        if tensor is None or kinds.get(tensor) == CODES[node.type.dtype]:
            continue
        found = names.get(kinds.get(tensor, 0), "of no known type")
        raise Departure(
            node.name,
            f"the ONNX file departs from the graph at {node.name} ({node.op.name}, "
            f"{where(graph, node)}): it yields {found}, not {node.type.dtype}",
        )


def _kinds(stored: StoredModel) -> dict[str, int]:
    """The codes of element types by tensor, as ONNX infers them."""
    import onnx

    stub = _without_weights(stored)
    try:
        onnx.checker.check_model(stub)
        found = onnx.shape_inference.infer_shapes(
            stub, check_type=True, strict_mode=True, data_prop=True
        )
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = " ".join(str(error).split())
        raise Departure(
            str(stored.path), f"{stored.path} is no valid ONNX: {said}"
        ) from error
    values = (*found.graph.value_info, *found.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _without_weights(stored: StoredModel) -> ModelProto:
    """The model with typed inputs in place of its initialisers.

    Numbers that shapes follow from are kept: vectors of int64, which are never weights.
    """
    from onnx import ModelProto, TensorProto
    from onnx.numpy_helper import from_array

    stub = ModelProto()
    stub.CopyFrom(stored.model)
    for tensor in stored.tensors:
        kind = tensor.head.data_type
        if kind == TensorProto.INT64:
            stub.graph.initializer.append(from_array(tensor.read(), tensor.name))
        else:
            stub.graph.input.append(info(tensor.name, tensor.shape, kind))
    return stub
