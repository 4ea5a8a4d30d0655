"""What the nodes of an ONNX file cost, from the shapes that ONNX infers."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

#: Shapes are computed from constants up to this many numbers; larger ones are weights.
SMALL: Final = 1024


class Costs:
    """Multiply-adds and bytes for one input; None where a shape is not known.

    ``shapes`` are sizes of inputs without the batch, by name, "" for all. Where the
    file fixes a batch, costs are divided by it. ``constants`` are values that depend on
    no input.
    """

    def __init__(
        self, model: ModelProto, shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self._weights = {i.name: i for i in model.graph.initializer}
        self.constants = self._constant(model)
        self._batch = 1
        self._types = self._infer(model, shapes)

    def size(self, value: str) -> int | None:
        """Bytes of a value."""
        found = self._types.get(value)
        if found is None:
            return None
        whole = prod(found[0]) * _itemsize(found[1])
        return int(whole if value in self.constants else whole // self._batch)

    def shape(self, value: str) -> tuple[int, ...] | None:
        """The sizes of a value without its first axis, which is the batch."""
        found = self._types.get(value)
        return None if found is None else found[0][1:]

    def weight(self, name: str) -> int:
        """Bytes of an initialiser."""
        tensor = self._weights[name]
        return int(prod(tensor.dims)) * _itemsize(tensor.data_type)

    def macs(self, node: NodeProto) -> int | None:
        """Multiply-adds of a convolution or a product of matrices, without bias."""
        if len(node.input) < 2 or not node.output:
            return None  # a broken file's
        x, w, y = (self._shape(v) for v in (*node.input[:2], node.output[0]))
        if x is None or w is None or y is None:
            return None
        if node.op_type == "Conv":
            total = y[0] * prod(y[2:]) * prod(w)
        elif node.op_type == "ConvTranspose":
            total = x[0] * prod(x[2:]) * prod(w)
        elif node.op_type == "Gemm":
            total = y[0] * prod(w)
        else:
            total = prod(y) * x[-1]
        return int(total) // self._batch

    def _shape(self, value: str) -> tuple[int, ...] | None:
        if value in self._weights:
            return tuple(self._weights[value].dims)
        found = self._types.get(value)
        return found[0] if found else None

    def _constant(self, model: ModelProto) -> set[str]:
        found = set(self._weights)
        for node in model.graph.node:
            if all(value in found for value in node.input if value):
                found.update(node.output)
        return found - self._weights.keys()

    def _infer(
        self, model: ModelProto, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[tuple[int, ...], int]]:
        """Shapes and types of elements by value, of those that are known."""
        import onnx

        light = onnx.ModelProto()
        light.CopyFrom(model)
        graph = light.graph
        del graph.initializer[:], graph.value_info[:]
        weights = self._weights
        inputs = [i for i in graph.input if i.name not in weights]
        for given in inputs:
            self._settle(given, shapes)
        del graph.input[:]
        graph.input.extend(inputs)
        for output in graph.output:
            output.type.tensor_type.ClearField("shape")  # it may name open axes
        for tensor in weights.values():
            if prod(tensor.dims) <= SMALL:
                graph.initializer.append(tensor)
            else:
                kind, dims = tensor.data_type, list(tensor.dims)
                info = onnx.helper.make_tensor_value_info(tensor.name, kind, dims)
                graph.input.append(info)
        try:
            done = onnx.shape_inference.infer_shapes(light, data_prop=True).graph
        except Exception:  # an operator that ONNX does not know: nothing is known then
            done = graph
        values = (*done.input, *done.value_info, *done.output)
        return {v.name: t for v in values if (t := _type(v)) is not None}

    def _settle(self, given: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Give open axes of an input a size: 1 for the batch, else what was asked."""
        dims = given.type.tensor_type.shape.dim
        sizes = shapes.get(given.name, shapes.get("", ()))
        for axis, dim in enumerate(dims):
            if dim.HasField("dim_value"):
                if axis == 0:
                    self._batch = max(dim.dim_value, 1)
            elif axis == 0:
                dim.dim_value = 1
            elif axis <= len(sizes):
                dim.dim_value = sizes[axis - 1]


def _type(value: Any) -> tuple[tuple[int, ...], int] | None:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    if not all(dim.HasField("dim_value") for dim in kind.shape.dim):
        return None
    return tuple(dim.dim_value for dim in kind.shape.dim), kind.elem_type


def _itemsize(kind: int) -> int:
    import onnx

    return int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
