"""Is an ONNX model valid, and does it have the shapes that its graph says?

Both are asked of the model before it has weights: their shapes stand in as typed
inputs, so a hundred megabytes are neither copied nor parsed. A model that fails is our
mistake, never the user's: ``RuntimeError``, with the node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from resgen.onnxfile.write import Initializer
from resgen.ops.cast import CODES
from resgen.ops.types import TensorType

Dim = int | str | None


def info(
    name: str, shape: Sequence[Dim], kind: int = TensorProto.FLOAT
) -> ValueInfoProto:
    """The type of a tensor; a dimension is a number, a name, or None if not known."""
    found = ValueInfoProto(name=name)
    found.type.tensor_type.elem_type = kind
    found.type.tensor_type.shape.SetInParent()  # a scalar has a shape too
    dims = found.type.tensor_type.shape.dim
    for size in shape:
        dim = dims.add()
        if isinstance(size, int):
            dim.dim_value = size
        elif size is not None:
            dim.dim_param = size
    return found


def describe(
    model: ModelProto,
    initializers: Sequence[Initializer],
    values: Mapping[str, TensorType],
    *,
    batch: int | str,
    dynamic: bool,
) -> None:
    """Check the model and add the type of every tensor to it, of its outputs too.

    ``values`` are the tensors that are values of the graph, and of its types; where
    spatial axes are open, and for the tensors between, types are inferred.
    """
    inferred = _inferred(model, initializers, values)
    outputs = {output.name: output for output in model.graph.output}
    for node, name in ((n, name) for n in model.graph.node for name in n.output):
        if name not in inferred:
            raise RuntimeError(f"{model.graph.name}: {node.name} has no inferred shape")
        shape = _shape(inferred[name])
        if name in values:
            declared: list[Dim] = [batch, *values[name].shape]
            if not _agree(shape, declared, dynamic=dynamic):
                raise RuntimeError(
                    f"{model.graph.name}: {node.name} ({node.op_type}) yields {shape} "
                    f"in ONNX, but {declared} in the graph"
                )
            shape = [batch, *shape[1:]] if dynamic else declared
        kind = inferred[name].type.tensor_type.elem_type
        if name in values and kind != CODES[values[name].dtype]:
            raise RuntimeError(
                f"{model.graph.name}: {node.name} ({node.op_type}) yields elements of "
                f"type {kind} in ONNX, but {values[name].dtype} in the graph"
            )
        described = outputs[name] if name in outputs else model.graph.value_info.add()
        described.CopyFrom(info(name, shape, kind))


def _inferred(
    model: ModelProto,
    initializers: Sequence[Initializer],
    values: Mapping[str, TensorType],
) -> dict[str, ValueInfoProto]:
    """What ONNX finds each tensor to be, told only ranks beside the inputs' types.

    With the ranks, an operator that breaks one is named, not one that follows it.
    """
    stub = ModelProto()
    stub.CopyFrom(model)
    stub.graph.input.extend(info(i.name, i.shape, CODES[i.dtype]) for i in initializers)
    typed = {v.name for v in (*stub.graph.input, *stub.graph.output)}
    stub.graph.value_info.extend(
        info(name, (None,) * (1 + tensor.rank), CODES[tensor.dtype])
        for name, tensor in values.items()
        if name not in typed
    )
    try:
        onnx.checker.check_model(stub, full_check=True)
        found = onnx.shape_inference.infer_shapes(
            stub, check_type=True, strict_mode=True, data_prop=True
        )
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise RuntimeError(f"{model.graph.name} is no valid ONNX: {error}") from error
    return {v.name: v for v in (*found.graph.value_info, *found.graph.output)}


def _shape(value: ValueInfoProto) -> list[Dim]:
    return [
        dim.dim_value
        if dim.HasField("dim_value")
        else (None if dim.dim_param.startswith("unk__") else dim.dim_param or None)
        for dim in value.type.tensor_type.shape.dim
    ]


def _agree(found: Sequence[Dim], declared: Sequence[Dim], *, dynamic: bool) -> bool:
    """Whether every dimension that ONNX knows is the graph's.

    Open spatial axes may be anything that is not a number of its own.
    """
    if len(found) != len(declared):
        return False
    return all(
        size is None or size == wanted or (dynamic and isinstance(size, str))
        for size, wanted in zip(found, declared, strict=True)
    )
