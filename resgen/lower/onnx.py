"""A graph as an ONNX model: one generic walk that asks every operator for its nodes.

Nothing is traced and no weight is touched until the file is written: the model without
its weights is small, so it is checked whole, and then the weights are streamed behind
it.

Names carry the network's own. The last ONNX node that an operator emits, and the tensor
that it yields, go by the operator's name (``layer3.5.conv2``); what it emits before
that is ``layer3.5.conv2/Transpose``; the text before a slash is the operator's name. A
value that the network gives out goes by the output's name, and a tensor whose name an
initialiser or an output has already is ``NAME/value``. An initialiser goes by its
parameter's name, or, where it is computed, by its role (``layer1.0.conv1.bias``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from resgen._version import __version__
from resgen.errors import UsageError
from resgen.graph.ir import Graph, Node
from resgen.lower.onnx_check import describe, info
from resgen.lower.onnx_file import MESSAGE_LIMIT, File, Initializer, write_model
from resgen.lower.weights import Weights, evaluate, shape_of
from resgen.ops.types import Operand, Ref, TensorType, Value

#: Older operator sets lack what many networks need; every runtime in use has this one.
OLDEST_OPSET: Final = 17
#: The newest that onnxruntime takes (1.32, tried with a convolutional network).
NEWEST_OPSET: Final = 28
#: The version of the file format that opset 17 came with.
OLDEST_IR: Final = 8

BATCH: Final = "batch"
#: Names of spatial axes whose size is open, by their number.
SPATIAL: Final[Mapping[int, tuple[str, ...]]] = {
    0: (),
    1: ("length",),
    2: ("height", "width"),
    3: ("depth", "height", "width"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What :func:`write` has written.

    ``bytes`` is the size of all ``files``, ``sha256`` that of the model's own file.
    ``initializers`` are the names of the weights in it and what each was computed from.
    """

    opset: int
    ir_version: int
    bytes: int
    initializers: tuple[tuple[str, Operand], ...]
    sha256: str
    files: tuple[File, ...]


def to_model(
    graph: Graph,
    weights: Weights,
    *,
    opset: int | None = None,
    batch: int | None = None,
    dynamic: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> ModelProto:
    """The whole model in memory; :func:`write` takes far less of it."""
    plan = _plan(graph, opset, batch, dynamic, metadata or {})
    for initializer, (_, operand) in zip(plan.initializers, plan.operands, strict=True):
        tensor = initializer.proto()
        tensor.raw_data = evaluate(operand, weights).astype("<f4").tobytes()
        plan.model.graph.initializer.append(tensor)
    return plan.model


def write(
    graph: Graph,
    weights: Weights,
    path: str | Path,
    *,
    opset: int | None = None,
    batch: int | None = None,
    dynamic: bool = False,
    metadata: Mapping[str, str] | None = None,
    limit: int = MESSAGE_LIMIT,
) -> Written:
    """Check the model and write it to ``path``, each weight once.

    ``opset`` is the lowest that expresses the graph unless asked for; the batch axis is
    open unless ``batch`` fixes it; ``dynamic`` opens the spatial axes too. A model
    beyond ``limit`` bytes keeps its weights in ``PATH.data``. An interrupt leaves part
    of a file at ``path``: callers write into a folder aside.
    """
    plan = _plan(graph, opset, batch, dynamic, metadata or {})
    arrays = (evaluate(operand, weights) for _, operand in plan.operands)
    files = write_model(plan.model, plan.initializers, arrays, Path(path), limit=limit)
    return Written(
        opset=plan.model.opset_import[0].version,
        ir_version=plan.model.ir_version,
        bytes=sum(file.bytes for file in files),
        initializers=plan.operands,
        sha256=files[0].sha256,
        files=files,
    )


def operands_of(
    graph: Graph, *, opset: int, dynamic: bool
) -> tuple[tuple[str, Operand], ...]:
    """What the initialisers of a file written so are computed from, by name."""
    return _plan(graph, opset, None, dynamic, {}).operands


# --- the model without its weights ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """A checked model that lacks only its weights, and what they are."""

    model: ModelProto
    initializers: tuple[Initializer, ...]
    operands: tuple[tuple[str, Operand], ...]


def _plan(
    graph: Graph,
    opset: int | None,
    batch: int | None,
    dynamic: bool,
    metadata: Mapping[str, str],
) -> _Plan:
    newest = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())
    if opset is not None and not OLDEST_OPSET <= opset <= newest:
        raise UsageError(
            f"opset {opset} cannot be written; choose one from {OLDEST_OPSET} to "
            f"{newest}"
        )
    walk, needs = _walk(graph, opset or OLDEST_OPSET, newest, dynamic)
    if opset is not None and walk.opset > opset:
        raise UsageError(
            f"{graph.name} cannot be written in opset {opset}: {needs}",
            hint=f"--opset {walk.opset} or newer",
        )
    initializers = tuple(
        Initializer(name, shape_of(operand, graph))
        for operand, name in walk.operands.items()
    )
    first = BATCH if batch is None else batch
    model = _model(walk, graph, first, dynamic, metadata)
    describe(model, initializers, walk.values, batch=first, dynamic=dynamic)
    operands = tuple((name, operand) for operand, name in walk.operands.items())
    return _Plan(model, initializers, operands)


def _walk(graph: Graph, oldest: int, newest: int, dynamic: bool) -> tuple[_Walk, str]:
    """The walk in the lowest opset that has it all, and what ruled out the others."""
    needs = ""
    for opset in range(oldest, newest + 1):
        walk = _Walk(graph, opset, dynamic)
        try:
            walk.run()
        except _NotInOpset as error:
            needs = str(error)
        else:
            return walk, needs
    raise RuntimeError(
        f"{graph.name} has no ONNX spelling up to opset {newest}: {needs}"
    )


class _NotInOpset(Exception):
    """An operator, or an attribute of it, that this opset lacks."""


@cache
def _attribute_types(op_type: str, opset: int) -> Mapping[str, Any]:
    """The attributes of an ONNX operator and their types (``AttributeProto.type``)."""
    try:
        schema = onnx.defs.get_schema(op_type, opset)
    except onnx.defs.SchemaError as error:
        raise _NotInOpset(f"it has no {op_type}") from error
    if schema.deprecated:
        raise _NotInOpset(f"it has no {op_type}")
    attributes: Mapping[str, Any] = schema.attributes
    return {name: attribute.type.value for name, attribute in attributes.items()}


class _Walk:
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
        self._taken: set[str] = set()
        self._emitted: list[NodeProto] = []  # by the operator in turn

    # What operators call.

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        types = _attribute_types(op_type, self.opset)
        name = self._unique(f"{self._node.name}/{op_type}")
        proto = NodeProto(op_type=op_type, name=name, input=inputs, output=[name])
        for key, value in attributes.items():
            if key not in types:
                raise _NotInOpset(f"its {op_type} has no {key}")
            proto.attribute.append(_attribute(key, value, types[key]))
        self._emitted.append(proto)
        return name

    def operand(self, role: str) -> str | None:
        operand = dict(self._node.operands).get(role)
        if operand is None:
            return None
        if operand not in self.operands:
            self.operands[operand] = self._operand_name(role, operand)
        return self.operands[operand]

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        array = np.asarray(values, "<f4")
        dims = array.shape if shape is None else tuple(shape)
        return self._constant(TensorProto.FLOAT, dims, array.tobytes(), values)

    def integers(self, values: Sequence[int]) -> str:
        array = np.asarray(values, "<i8")
        return self._constant(TensorProto.INT64, array.shape, array.tobytes(), values)

    # The walk.

    def run(self) -> None:
        self._name_tensors()
        for node in self.graph.nodes:
            if node.op.training_only:
                continue
            self._node = node
            self._emitted = []
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
        self, kind: int, dims: tuple[int, ...], data: bytes, values: Sequence[float]
    ) -> str:
        key = (kind, dims, data)
        if key not in self._constants:
            label = (
                ",".join(map(str, values))
                if len(values) <= 4
                else "x".join(map(str, dims))
            )
            name = self._unique(f"constant/{label}")
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


def _model(
    walk: _Walk,
    graph: Graph,
    batch: int | str,
    dynamic: bool,
    metadata: Mapping[str, str],
) -> ModelProto:
    """The walk's nodes between their inputs and outputs; of the latter only ranks."""
    for i in graph.inputs:
        spatial = SPATIAL[len(i.type.spatial)] if dynamic else i.type.spatial
        walk.proto.input.append(info(i.name, (batch, i.type.channels, *spatial)))
    for name, value in graph.outputs:
        rank = 1 + graph.types[value].rank
        walk.proto.output.append(info(name, (None,) * rank))
    opset = onnx.helper.make_opsetid("", walk.opset)
    model = ModelProto(
        ir_version=max(OLDEST_IR, onnx.helper.find_min_ir_version_for([opset])),
        producer_name="resgen",
        producer_version=__version__,
        graph=walk.proto,
        opset_import=[opset],
    )
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)
    return model
