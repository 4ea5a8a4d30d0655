"""The walk over a graph that asks every operator for its ONNX nodes.

Names carry the network's own. The last ONNX node that an operator emits, and the tensor
that it yields, go by the operator's name (``layer3.5.conv2``); what it emits before
that is ``layer3.5.conv2/Transpose``; the text before a slash is the operator's name. A
value that the network gives out goes by the output's name, and a tensor whose name an
initialiser or an output has already is ``NAME/value``. An initialiser goes by its
parameter's name, or, where it is computed, by its role (``layer1.0.conv1.bias``). Of a
quantised weight the file holds ``ROLE_quantized`` and ``ROLE_scale``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any, Final

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from resgen.graph.ir import Graph, Node
from resgen.ops.cast import CODES
from resgen.ops.types import Apply, DType, Operand, Ref, TensorType, Value
from resgen.weights.evaluate import dtype_of, np_dtype, shape_of

#: Element types as the schemas of ONNX operators name them.
TENSORS: Final[Mapping[DType, str]] = {
    "float32": "tensor(float)", "float16": "tensor(float16)",
    "bfloat16": "tensor(bfloat16)", "float8_e4m3fn": "tensor(float8e4m3fn)",
    "int8": "tensor(int8)", "uint8": "tensor(uint8)", "int32": "tensor(int32)",
    "int64": "tensor(int64)",
}  # fmt: skip

#: What ONNX operators yield that are not of their input's type.
MADE: Final[Mapping[str, DType]] = {
    "ConstantOfShape": "float32", "NonMaxSuppression": "int64", "Shape": "int64",
}  # fmt: skip
DTYPES: Final[Mapping[int, DType]] = {code: dtype for dtype, code in CODES.items()}


class NotInOpset(Exception):
    """An operator, or an attribute of it, that this opset lacks."""


@cache
def _schema(op_type: str, opset: int) -> Any:
    """What ONNX says of an operator in this opset."""
    try:
        schema = onnx.defs.get_schema(op_type, opset)
    except onnx.defs.SchemaError as error:
        raise NotInOpset(f"it has no {op_type}") from error
    if schema.deprecated:
        raise NotInOpset(f"it has no {op_type}")
    return schema


@cache
def _attribute_types(op_type: str, opset: int) -> Mapping[str, Any]:
    """The attributes of an ONNX operator and their types (``AttributeProto.type``)."""
    attributes: Mapping[str, Any] = _schema(op_type, opset).attributes
    return {name: attribute.type.value for name, attribute in attributes.items()}


@cache
def _element_types(op_type: str, opset: int, position: int) -> frozenset[str]:
    """The types that an ONNX operator takes as this input (``tensor(float)``)."""
    inputs = _schema(op_type, opset).inputs
    return frozenset(inputs[min(position, len(inputs) - 1)].types)


class Walk:
    """Writes a graph's nodes; what operators see of it is ``ops.base.OnnxWriter``."""

    def __init__(self, graph: Graph, opset: int, dynamic: bool) -> None:
        self.graph = graph
        self.opset = opset
        self.dynamic = dynamic
        #: Nodes and constants, without weights.
        self.proto = GraphProto(name=graph.name)
        #: Initialisers by what they hold, in order of use.
        self.operands: dict[Operand, str] = {}
        #: The type of every named tensor that is a value of the graph.
        self.values: dict[str, TensorType] = {}
        self._tensors: dict[str, str] = {}  # of each value, by its name
        self._constants: dict[tuple[int, tuple[int, ...], bytes], str] = {}
        self._dequantized: dict[Operand, str] = {}  # weights that nodes yield
        self._types: dict[str, DType] = {}  # of tensors by name
        self._taken: set[str] = set()
        self._emitted: list[NodeProto] = []  # by the operator in turn

    # What operators call.

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = self._unique(f"{self._node.name}/{op_type}")
        # Of a shape, and of what is made of shapes, the numbers are whole.
        made = MADE.get(op_type)
        if op_type == "Cast":
            made = DTYPES[attributes["to"]]
        self._types[name] = made or self._types[inputs[0]]
        self._append(name, op_type, inputs, attributes)
        return name

    def further(self, dtype: DType) -> str:
        node = self._emitted[-1]
        name = self._unique(f"{node.name}.{len(node.output)}")
        self._types[name] = dtype
        node.output.append(name)
        return name

    def operand(self, role: str) -> str | None:
        operand = dict(self._node.operands).get(role)
        if operand is None:
            return None
        if isinstance(operand, Apply) and operand.function == "dequantize":
            return self._dequantize(role, operand)
        return self._initializer(operand, role)

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        dtype = self.graph.types[self._node.inputs[0]].dtype
        array = np.asarray(values, np_dtype(dtype))
        dims = array.shape if shape is None else tuple(shape)
        return self._constant(dtype, dims, array.tobytes(), values)

    def integers(
        self, values: Sequence[int], shape: Sequence[int] | None = None
    ) -> str:
        array = np.asarray(values, "<i8")
        dims = array.shape if shape is None else tuple(shape)
        return self._constant("int64", dims, array.tobytes(), values)

    def zero(self, dtype: DType) -> str:
        data = bytes(np_dtype(dtype).itemsize)
        return self._constant(dtype, (), data, [f"{dtype} 0"])

    # The walk.

    def run(self) -> None:
        self._name_tensors()
        for node in self.graph.nodes:
            if node.op.training_only:
                continue
            self._node = node
            self._emitted = []
            self._types.update(
                (self._tensors[v], self.graph.types[v].dtype)
                for v in (*node.inputs, node.name)
            )
            result = node.op.onnx(self, *self._inputs(node))
            self._finish(node, result)
        self._connect_outputs()

    def _name_tensors(self) -> None:
        """Give every value a tensor; training-only operators yield their input's."""
        graph = self.graph
        source = {i.name: i.name for i in graph.inputs}
        for node in graph.nodes:
            skipped = node.op.training_only
            source[node.name] = source[node.inputs[0]] if skipped else node.name
        self._tensors = {i.name: i.name for i in graph.inputs}
        for name, value in graph.outputs:
            self._tensors.setdefault(source[value], name)
        self._taken.update(self._tensors.values(), (name for name, _ in graph.outputs))
        self._taken.update(
            operand.name
            for node in graph.nodes
            for _, operand in node.operands
            if isinstance(operand, Ref)
        )
        for node in graph.nodes:
            root = source[node.name]
            if root not in self._tensors:
                self._tensors[root] = self._unique(root, f"{root}/value")
            self._tensors[node.name] = self._tensors[root]
        self.values = {self._tensors[v]: graph.types[v] for v in source.values()}

    def _inputs(self, node: Node) -> Iterator[Value]:
        for value in node.inputs:
            yield Value(self._tensors[value], self.graph.types[value])

    def _finish(self, node: Node, result: str) -> None:
        """Give the last node that the operator emitted the operator's own name."""
        if not self._emitted or self._emitted[-1].output[0] != result:
            raise RuntimeError(
                f"{node.name}: {node.op.name} must return what it emitted last"
            )
        last = self._emitted[-1]
        self._taken.discard(last.name)
        last.name = node.name
        last.output[0] = self._tensors[node.name]
        self.proto.node.extend(self._emitted)

    def _connect_outputs(self) -> None:
        """Copy what one tensor cannot be: an input, or a value given out twice."""
        for name, value in self.graph.outputs:
            tensor = self._tensors[value]
            if tensor != name:
                copy = NodeProto(op_type="Identity", name=name)
                copy.input.append(tensor)
                copy.output.append(name)
                self.proto.node.append(copy)
                self.values[name] = self.graph.types[value]

    # Nodes and initialisers.

    def _append(
        self,
        name: str,
        op_type: str,
        inputs: Sequence[str],
        attributes: Mapping[str, Any],
    ) -> None:
        types = _attribute_types(op_type, self.opset)
        for position, given in enumerate(inputs):
            dtype = self._types.get(given, "float32")  # "" is an input left out
            if dtype != "float32" and TENSORS[dtype] not in _element_types(
                op_type, self.opset, position
            ):
                raise NotInOpset(f"its {op_type} does not take {dtype}")
        proto = NodeProto(op_type=op_type, name=name, input=inputs, output=[name])
        for key, value in attributes.items():
            if key not in types:
                raise NotInOpset(f"its {op_type} has no {key}")
            proto.attribute.append(_attribute(key, value, types[key]))
        self._emitted.append(proto)

    def _initializer(self, operand: Operand, label: str) -> str:
        """The initialiser that holds an operand, by its own name or by this label."""
        if operand not in self.operands:
            name = self.operands[operand] = self._operand_name(label, operand)
            self._types[name] = dtype_of(operand, self.graph)
        return self.operands[operand]

    def _dequantize(self, role: str, operand: Apply) -> str:
        """The tensor that a quantised operand is when the file runs."""
        if operand not in self._dequantized:
            quantized, scale = operand.args
            if not (isinstance(quantized, Apply) and isinstance(scale, Ref | Apply)):
                raise TypeError(
                    f"{self._node.name}: {role} is dequantised from nothing"
                )
            inputs = [
                self._initializer(quantized, f"{role}_quantized"),
                self._initializer(scale, f"{role}_scale"),
            ]
            dims = shape_of(scale, self.graph)
            dtype = dtype_of(quantized, self.graph)
            if dtype == "int8":
                # They say nothing, but without them ONNX Runtime (1.32) runs a Gemm in
                # float32, its weights dequantised anew each time.
                points = bytes(prod(dims))
                inputs.append(self._constant(dtype, dims, points, [0] * prod(dims)))
            name = self._unique(f"{self._node.name}/{role}")
            along = {"axis": 0} if dims else {}
            self._types[name] = dtype_of(scale, self.graph)
            self._append(name, "DequantizeLinear", inputs, along)
            self._dequantized[operand] = name
        return self._dequantized[operand]

    # Names.

    def _unique(self, *names: str) -> str:
        """The first of these names that is free, or the first one with a number."""
        for name in names:
            if name not in self._taken:
                self._taken.add(name)
                return name
        number = 2
        while (name := f"{names[0]}_{number}") in self._taken:
            number += 1
        self._taken.add(name)
        return name

    def _operand_name(self, role: str, operand: Operand) -> str:
        if isinstance(operand, Ref):
            return operand.name
        owner = self._node.owner or self._node.name
        paths = (owner, self._node.name)
        return self._unique(*(f"{path}.{role}" if role else path for path in paths))

    def _constant(
        self,
        dtype: DType,
        dims: tuple[int, ...],
        data: bytes,
        values: Sequence[float | str],
    ) -> str:
        kind = CODES[dtype]
        key = (kind, dims, data)
        if key not in self._constants:
            label = (
                ",".join(map(str, values))
                if len(values) <= 4
                else "x".join(map(str, dims))
            )
            name = self._unique(f"constant/{label}")
            self._types[name] = dtype
            self.proto.initializer.append(
                TensorProto(name=name, data_type=kind, dims=dims, raw_data=data)
            )
            self._constants[key] = name
        return self._constants[key]


def _attribute(name: str, value: Any, kind: Any) -> AttributeProto:
    """An attribute of the type that the operator's schema gives it."""
    proto = AttributeProto(name=name, type=kind)
    match kind:
        case AttributeProto.INT:
            proto.i = int(value)
        case AttributeProto.FLOAT:
            proto.f = float(value)
        case AttributeProto.STRING:
            proto.s = value.encode()
        case AttributeProto.INTS:
            proto.ints.extend(value)
        case AttributeProto.FLOATS:
            proto.floats.extend(value)
        case AttributeProto.STRINGS:
            proto.strings.extend(text.encode() for text in value)
        case _:
            raise TypeError(f"attribute {name} is of a kind that is not written")
    return proto
