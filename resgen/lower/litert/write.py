"""A LiteRT file: the schema's flatbuffer, and the weights behind it.

The flatbuffer is packed twice: how long it is says where the numbers begin, and these
are then streamed after it, each weight once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any, Final

import numpy as np

from resgen.errors import MissingComponent, ResgenError
from resgen.graph.ir import Graph
from resgen.graph.passes.inference import for_inference
from resgen.graph.precision import Precision, precisions
from resgen.lower.channels_last import Array, refusal
from resgen.lower.emitted import Constant, Unwritable
from resgen.lower.litert.metadata import NAME, archive, mobile
from resgen.lower.litert.values import NHWC, Operation, Steps, Stored, Tensor
from resgen.lower.litert.walk import Walk
from resgen.ops.types import DType
from resgen.spec.model import Spec
from resgen.weights.evaluate import Remembering, Weights, np_dtype

FILE: Final = "model.tflite"
#: Where buffers begin, as LiteRT's kernels want it.
ALIGNED: Final = 16
#: The order of each end's axes, among what the file says of itself.
ENDS: Final = "resgen.ends"
#: The one signature's name, as TensorFlow's converter has it.
SIGNATURE: Final = "serving_default"
KINDS: Final = {
    "float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "int8": "INT8",
    "uint8": "UINT8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A file but for its weights.

    ``metadata`` travels in it, by name, and so do ``labels``, if there are any.
    """

    walk: Walk
    metadata: Mapping[str, bytes]
    labels: tuple[str, ...] | None = None

    @property
    def transposes(self) -> int:
        """How many operators put axes in another order."""
        return sum(o.code == "TRANSPOSE" for o in self.walk.operations)

    @property
    def held(self) -> list[tuple[Constant, DType]]:
        """The numbers that the file holds, and their types, in its order."""
        tensors = self.walk.tensors
        return [(t.constant, t.dtype) for t in tensors if t.constant is not None]

    def pieces(self, weights: Weights) -> Iterator[bytes | memoryview]:
        """The file, piece by piece."""
        weights = Remembering.of(weights)
        held = [t for t in self.walk.tensors if t.constant is not None]
        empty = _packed(self.walk, [ALIGNED] * len(held), self.metadata, None)
        end, offsets = len(empty), []
        for tensor in held:
            offsets.append(-(-end // ALIGNED) * ALIGNED)
            end = offsets[-1] + _bytes(tensor)
        head = _packed(self.walk, offsets, self.metadata, weights)
        yield head
        at = len(head)
        for offset, (constant, dtype) in zip(offsets, self.held, strict=True):
            yield bytes(offset - at)
            array = _numbers(constant, dtype, weights)
            yield array.reshape(-1).view(np.uint8).data
            at = offset + array.nbytes
        if self.labels:
            yield archive(self.labels, end)


def schema_of() -> ModuleType:
    """The module of the file's schema, or MissingComponent."""
    try:
        import_module("flatbuffers")
        return import_module("ai_edge_litert.schema_py_generated")
    except ModuleNotFoundError as missing:
        raise MissingComponent(
            f"LiteRT ({missing.name})",
            "no LiteRT file can be written",
            'pip install "resgen[litert]"',
        ) from missing


def stored(
    graph: Graph, file_graph: Graph, wanted: Precision | None
) -> tuple[Graph, Set[str]]:
    """The graph that a file is written of, and of which operators in 16 bits.

    Those are stored so and computed in float32, so that graph has no types but that.
    """
    each = {} if wanted is None else precisions(graph, wanted)
    if "fp16" not in each.values() or "int8" in each.values():
        return file_graph, frozenset()
    graph = for_inference(graph)
    each = precisions(graph, wanted or Precision())
    return graph, {name for name, precision in each.items() if precision == "fp16"}


def derive(
    graph: Graph,
    *,
    batch: int | None = None,
    metadata: Mapping[str, str] | None = None,
    spec: Spec | None = None,
    half: Set[str] = frozenset(),
    ends: str = NHWC,
) -> Plan:
    """What a file of this graph holds; what it cannot hold is refused, all at once.

    ``metadata`` is text that travels in it, by name; of the ``spec`` mobile tools are
    told what they ask for. Of the operators in ``half`` weights are stored in 16 bits.
    Its ``ends`` have channels last (``nhwc``) or PyTorch's order of axes (``nchw``), or
    are whole numbers, channels last as well (``int8`` and ``uint8``); an input in a
    camera's bytes stays one.
    """
    walk = Walk(graph, schema_of(), batch, half, ends)
    try:
        walk.run()
    except Unwritable as lack:
        raise ResgenError(f"{graph.name} is no LiteRT file: {lack}") from lack
    if walk.missing:
        raise ResgenError(refusal(graph, walk.missing, "written as a LiteRT file"))
    told = {key: text.encode() for key, text in (metadata or {}).items()}
    if spec is not None:
        told[NAME] = mobile(spec, graph)
    return Plan(walk, told, None if spec is None else spec.labels)


# --- parts ----------------------------------------------------------------------------


def _packed(
    walk: Walk,
    offsets: Sequence[int],
    metadata: Mapping[str, bytes],
    weights: Weights | None,
) -> bytes:
    """The flatbuffer, with the numbers of constants at these bytes.

    Without weights scales are 1, and it is as long.
    """
    import flatbuffers

    schema = walk.schema
    model = schema.ModelT()
    model.version = 3
    model.description = walk.graph.name
    codes = list(dict.fromkeys((o.code, o.version) for o in walk.operations))
    model.operatorCodes = [_code(schema, *code) for code in codes]
    empty = schema.BufferT()
    ends = {"inputs": walk.inputs, "outputs": walk.outputs}
    told = {
        kind: {name: list(value.order) for name, value in values.items()}
        for kind, values in ends.items()
    }
    model.buffers, model.metadata = [empty], []
    told_of_ends = json.dumps(told, sort_keys=True).encode()
    for key, content in {**metadata, ENDS: told_of_ends}.items():
        entry, held = schema.MetadataT(), schema.BufferT()
        entry.name, entry.buffer = key, len(model.buffers)
        held.data = np.frombuffer(content, np.uint8)
        model.buffers.append(held)
        model.metadata.append(entry)
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = []
    starts = iter(offsets)
    fixed = walk.batch is not None
    for stored in walk.tensors:
        tensor = schema.TensorT()
        tensor.name = stored.name
        tensor.shape = np.asarray(stored.shape, np.int32)
        tensor.type = getattr(schema.TensorType, KINDS[stored.dtype])
        tensor.hasRank = True
        if stored.steps is not None:
            tensor.quantization = _quantization(schema, stored.steps, weights)
        if stored.constant is not None:
            held = schema.BufferT()
            held.offset, held.size = next(starts), _bytes(stored)
            tensor.buffer = len(model.buffers)
            model.buffers.append(held)
        elif stored.open and not fixed:
            tensor.shapeSignature = np.asarray((-1, *stored.shape[1:]), np.int32)
        graph.tensors.append(tensor)
    graph.inputs = [value.index for value in walk.inputs.values()]
    graph.outputs = [value.index for value in walk.outputs.values()]
    graph.operators = [_operator(schema, o, codes) for o in walk.operations]
    model.subgraphs = [graph]
    signature = schema.SignatureDefT()
    signature.signatureKey = SIGNATURE
    signature.inputs = _named(schema, walk.inputs)
    signature.outputs = _named(schema, walk.outputs)
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _quantization(schema: ModuleType, steps: Steps, weights: Weights | None) -> Any:
    made = schema.QuantizationParametersT()
    made.scale = _numbers(steps.scale, "float32", weights).reshape(-1)
    made.zeroPoint = _numbers(steps.point, "int64", weights).reshape(-1)
    made.quantizedDimension = steps.axis
    return made


def _numbers(constant: Constant, dtype: DType, weights: Weights | None) -> Array:
    if weights is None:
        return np.ones(constant.shape, np_dtype(dtype))
    return np.ascontiguousarray(constant.make(weights), np_dtype(dtype))


def _bytes(tensor: Stored) -> int:
    return np_dtype(tensor.dtype).itemsize * prod(tensor.shape)


def _code(schema: ModuleType, code: str, version: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = getattr(schema.BuiltinOperator, code)
    # The field that older readers know holds no more than this.
    made.deprecatedBuiltinCode = min(made.builtinCode, 127)
    made.version = version
    return made


def _operator(
    schema: ModuleType, operation: Operation, codes: list[tuple[str, int]]
) -> Any:
    made = schema.OperatorT()
    made.opcodeIndex = codes.index((operation.code, operation.version))
    made.inputs = list(operation.inputs)
    made.outputs = [operation.output]
    if operation.options:
        name = f"{operation.options}Options"
        made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        made.builtinOptions = getattr(schema, f"{name}T")()
        for key, value in operation.settings.items():
            setattr(made.builtinOptions, key, value)
    return made


def _named(schema: ModuleType, ends: dict[str, Tensor]) -> list[Any]:
    found = []
    for name, value in ends.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, value.index
        found.append(entry)
    return found
