"""An ONNX file run once: the shape of every tensor, and the numbers of constant ones.

Constants are not folded by rules: ONNX Runtime, its optimisations off, is asked for
every tensor. Constant is what no input leads to, where what is made of a ``Shape`` is
not led to: sizes are those of this run. So arithmetic of shapes, weights that nodes
make, grids and masks are all numbers before anything is read.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.importing.views import plain
from resgen.onnxfile.external import data_files
from resgen.onnxfile.paths import SCOPES, node_names
from resgen.onnxfile.stored import StoredModel, read_stored
from resgen.runtime.onnxruntime import OnnxRuntimeSession, load_onnxruntime
from resgen.weights.evaluate import Array

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto

#: What one message of protobuf can hold.
_LIMIT: Final = 2**31 - 1
#: Weights of as many bytes are given to a run beside the model: messages of protobuf
#: are copied and read again.
_LARGE: Final = 2**16
#: So many numbers of one input are tried at most.
_MOST: Final = 2**31 - 1
#: Operators that yield what no run can say: they are read, not run.
_DRAWN: Final = ("Random", "Bernoulli", "Multinomial")
#: The two names of the operators that ONNX itself defines.
_STANDARD: Final = ("", "ai.onnx")


class OpenSizes(ResgenError):
    """A file has to be told at which sizes it is read."""


@dataclass(frozen=True, slots=True)
class FileNode:
    """A node; its attributes are numbers, texts, lists and arrays."""

    name: str
    op_type: str  # with its domain where that is not ONNX's own
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    scopes: str = ""  # what torch.onnx notes of the modules that it came from


@dataclass(frozen=True)
class Traced:
    """What a file computes: nodes that its input leads to, in order, and constants.

    ``shapes`` are those of all tensors of the run, the batch included; what lies behind
    an operator that ONNX Runtime does not know was not run. ``sources`` are
    the initialisers that a constant was made of; ``initializers`` has all of them, and
    the floating-point numbers that nodes hold, as Paddle keeps its weights.
    """

    path: Path
    producer: str
    opset: int
    input: str
    shape: tuple[int, ...]
    outputs: tuple[str, ...]
    nodes: tuple[FileNode, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Array]
    sources: Mapping[str, tuple[str, ...]]
    initializers: tuple[str, ...]
    values: Mapping[str, Array] = field(repr=False)


def trace(
    path: Path,
    size: Sequence[int] | None = None,
    instead: Mapping[str, Array] | None = None,
) -> Traced:
    """Run the file at ``path`` once on drawn numbers, and tell what there is.

    ``size`` is that of one input, channels first or as the file has it, for axes that
    the file leaves open. Weights that are stored, or that nodes make of no input, are
    ``instead`` these, of the same shapes and types. A file that is damaged, that is
    not to be trusted, or that ONNX Runtime does not take is a :class:`ResgenError`.
    """
    instead = instead or {}
    stored = read_stored(path)
    data_files(stored)
    given = _input(stored)
    shape = _shape(path, given, size)
    large = {
        tensor.name: instead[tensor.name] if tensor.name in instead else tensor.read()
        for tensor in stored.tensors
        if tensor.nbytes >= _LARGE and tensor.head.data_type == tensor.head.FLOAT
    }
    model = _whole(stored, large, instead)
    if not model.graph.output:
        raise ResgenError(f"{path} gives nothing out")
    dtype = _dtype(given)
    if dtype.kind != "f" or dtype.itemsize > 4:
        raise ResgenError(
            f'{path}: the input "{given.name}" is of {dtype.name}: only networks of '
            "floating-point numbers of 32 or 16 bits can be imported"
        )
    if prod(shape) > _MOST:
        raise ResgenError(
            f'{path}: the input "{given.name}" holds {prod(shape):,} numbers, and '
            f"{_MOST:,} are the most that are tried"
        )
    feed = {given.name: np.random.default_rng(0).normal(size=shape).astype(dtype)}
    while True:
        values = _run(path, model, feed, large)
        if not _unfold_branches(model.graph, values, given.name):
            break
    stored_in = {tensor.name: at for at, tensor in enumerate(stored.tensors)}
    names = [*large, *(tensor.name for tensor in model.graph.initializer)]
    names.sort(key=lambda name: stored_in.get(name, len(stored_in)))
    return _traced(path, model, names, given.name, shape, values)


def up_to(path: Path, tensor: str) -> bytes:
    """A model that gives out one of the file's tensors, and computes nothing else."""
    from onnx import ValueInfoProto

    model = _whole(read_stored(path))
    needed, nodes = {tensor}, []
    for node in reversed(model.graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(_read(node))
            nodes.append(node)
    _put_nodes(model.graph, nodes[::-1])
    del model.graph.output[:]
    model.graph.output.append(ValueInfoProto(name=tensor))
    written: bytes = model.SerializeToString()
    return written


def _traced(
    path: Path,
    model: ModelProto,
    names: list[str],
    given: str,
    shape: tuple[int, ...],
    values: dict[str, Array],
) -> Traced:
    graph = model.graph
    opset = next((i.version for i in model.opset_import if i.domain in _STANDARD), None)
    if opset is None:
        raise ResgenError(f"{path} uses none of ONNX's own operators")
    # Whole numbers are axes and sizes.
    floats = (name for name in names if values[name].dtype != np.int64)
    roots: dict[str, tuple[str, ...]] = {name: (name,) for name in floats}
    live = {given}
    nodes = []
    for name, node in zip(node_names(graph), graph.node, strict=True):
        drawn = node.op_type.startswith(_DRAWN)
        led = node.op_type not in ("Shape", "Size") and not live.isdisjoint(_read(node))
        if led or drawn:
            live.update(node.output)
            nodes.append(_node(name, node))
        elif node.op_type == "Constant":
            roots[node.output[0]] = (node.output[0],)
            if values[node.output[0]].dtype.kind == "f":
                names.append(node.output[0])
        else:
            made = dict.fromkeys(r for i in node.input for r in roots.get(i, ()))
            roots.update(dict.fromkeys(node.output, tuple(made)))
    return Traced(
        path,
        model.producer_name,
        opset,
        given,
        shape,
        tuple(output.name for output in graph.output),
        tuple(nodes),
        {name: value.shape for name, value in values.items()},
        {name: value for name, value in values.items() if name not in live},
        roots,
        tuple(names),
        values,
    )


# --- what there is to run -------------------------------------------------------------


def _input(stored: StoredModel) -> ValueInfoProto:
    inputs = stored.inputs
    if len(inputs) != 1:
        names = ", ".join(f'"{value.name}"' for value in inputs) or "none"
        raise ResgenError(
            f"{stored.path} has {len(inputs)} inputs ({names}), and a spec is of a "
            "network of one"
        )
    return inputs[0]


def _shape(
    path: Path, given: ValueInfoProto, size: Sequence[int] | None
) -> tuple[int, ...]:
    """Sizes of the input, the batch first: one unless the file fixes another."""
    tensor = given.type.tensor_type
    if not given.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise ResgenError(f'{path} does not say how many axes "{given.name}" has')
    # Some converters write -1 for a size that is open.
    declared = [n.dim_value if n.dim_value > 0 else None for n in tensor.shape.dim]
    if len(declared) < 2:
        raise ResgenError(
            f'{path}: the input "{given.name}" has {len(declared)} axes; a batch of '
            "inputs has two or more"
        )
    batch, *rest = declared
    said = ", ".join("?" if n is None else str(n) for n in rest)
    if size is not None:
        fits = len(size) == len(rest) and all(
            known in (None, n) for n, known in zip(size, rest, strict=True)
        )
        if not fits:
            raise ResgenError(
                f"{path}: a size of {'x'.join(map(str, size))} is not one of "
                f'"{given.name}", which is ({said}) beside the batch'
            )
        rest = list(size)
    if None in rest:
        raise OpenSizes(
            f'{path} leaves sizes of "{given.name}" open: ({said}) beside the batch'
        )
    return (batch or 1, *(n for n in rest if n is not None))


def _dtype(given: ValueInfoProto) -> np.dtype[Any]:
    from onnx import helper

    return np.dtype(helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type))


def _whole(
    stored: StoredModel,
    without: Container[str] = (),
    instead: Mapping[str, Array] = MappingProxyType({}),
) -> ModelProto:
    """The model with its numbers in itself, or others ``instead``.

    Its functions are unfolded, and nodes stand behind what they read. Initialisers that
    it is to be ``without`` are inputs.
    """
    from onnx import helper, inliner, numpy_helper

    if sum(tensor.nbytes for tensor in stored.tensors) > _LIMIT:
        raise ResgenError(f"{stored.path} has over 2 GB of weights, too many to read")
    model = stored.structure()
    beside = [tensor for tensor in stored.tensors if tensor.name in without]
    for head, tensor in zip(model.graph.initializer, stored.tensors, strict=True):
        if tensor.nbytes and tensor.name not in without:
            array = instead[tensor.name] if tensor.name in instead else tensor.read()
            head.raw_data = array.tobytes()
            head.ClearField("external_data")
            head.ClearField("data_location")
    kept = [head for head in model.graph.initializer if head.name not in without]
    if beside:
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
        known = {value.name for value in model.graph.input}
        model.graph.input.extend(
            helper.make_tensor_value_info(t.name, t.head.data_type, t.shape)
            for t in beside
            if t.name not in known
        )
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    made = [name for node in graph.node for name in node.output if name in instead]
    graph.initializer.extend(numpy_helper.from_array(instead[n], n) for n in made)
    nodes = [node for node in graph.node if instead.keys().isdisjoint(node.output)]
    order = _order(nodes)
    if made or order != [*range(len(nodes))]:
        _put_nodes(graph, [nodes[at] for at in order])
    return model


def _order(nodes: Sequence[NodeProto]) -> list[int]:
    """The order in which each stands behind what it reads.

    It is theirs, but for tools that append what they add. Nodes that read each other,
    which ONNX Runtime refuses, stay where they are.
    """
    makers = {name: at for at, n in enumerate(nodes) for name in n.output if name}
    needs = [[makers[i] for i in _read(node) if i in makers] for node in nodes]
    done = dict[int, None]()
    for first in range(len(nodes)):
        stack = [first]
        while stack and len(stack) <= len(nodes):
            lacking = next((at for at in needs[stack[-1]] if at not in done), None)
            if lacking is None:
                done[stack.pop()] = None
            else:
                stack.append(lacking)
    return [*done, *(at for at in range(len(nodes)) if at not in done)]


def _run(
    path: Path,
    model: ModelProto,
    feed: Mapping[str, Array],
    large: Mapping[str, Array],
) -> dict[str, Array]:
    """Every tensor of the model by name: the given, the stored and the computed."""
    from onnx import ModelProto, ValueInfoProto, numpy_helper

    asked = ModelProto()
    asked.CopyFrom(model)
    run = list(_runnable(asked.graph))
    made = dict.fromkeys(name for node in run for name in node.output if name)
    stated = {o.name: o for o in asked.graph.output if o.name in made}
    _put_nodes(asked.graph, run)
    del asked.graph.output[:]
    asked.graph.output.extend(
        stated.get(name) or ValueInfoProto(name=name) for name in made
    )
    held = {t.name: numpy_helper.to_array(t) for t in asked.graph.initializer}
    kept = [i for i in asked.graph.input if i.name not in held]
    del asked.graph.input[:]
    asked.graph.input.extend(kept)
    # Before version 4 of the format weights were inputs, too.
    asked.ir_version = max(asked.ir_version, 4)
    if not made:  # ONNX Runtime has nothing to do
        return {**feed, **large, **held}
    try:
        with OnnxRuntimeSession(
            asked.SerializeToString(), optimize=False, any_placement=True
        ) as session:
            found = session.run({**feed, **large})
    except ResgenError as error:
        message = error.message.replace("the ONNX model", str(path))
        raise ResgenError(message, hint=error.hint) from error
    arrays = {name: v for name, v in found.items() if hasattr(v, "shape")}
    return {**feed, **large, **held, **arrays}


def _runnable(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes that need none of a domain that ONNX Runtime does not know."""
    runtime = load_onnxruntime("the file cannot be run")
    schemas = runtime.capi.onnxruntime_pybind11_state.get_all_operator_schema()
    domains = {*_STANDARD, *(schema.domain for schema in schemas)}
    lost: set[str] = set()
    for node in graph.node:
        if node.domain in domains and lost.isdisjoint(_read(node)):
            yield node
        else:
            lost.update(node.output)


def _read(node: NodeProto) -> Iterator[str]:
    """What a node reads, within its branches too."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _read(inner)


def _node(name: str, node: NodeProto) -> FileNode:
    known = node.domain in _STANDARD
    scopes = {entry.key: entry.value for entry in node.metadata_props}
    return FileNode(
        name,
        node.op_type if known else f"{node.domain}.{node.op_type}",
        tuple(node.input),
        tuple(node.output),
        {a.name: _value(a) for a in node.attribute},
        scopes.get(SCOPES, ""),
    )


def _value(attribute: AttributeProto) -> Any:
    from onnx import helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if attribute.type == attribute.TENSOR:
        return numpy_helper.to_array(value)
    if attribute.type == attribute.FLOAT:
        return plain(np.array(value, np.float32))
    if attribute.type == attribute.FLOATS:
        return tuple(plain(np.array(v, np.float32)) for v in value)
    return tuple(value) if attribute.type == attribute.INTS else value


def _unfold_branches(
    graph: GraphProto, values: Mapping[str, Array], given: str
) -> bool:
    """Put what an ``If`` runs in its place, where its condition is constant.

    Its condition is an ``Identity`` of a constant, a comparison of shapes or the like:
    it was computed, and it does not depend on numbers of the input. Whether there was
    one is told.
    """
    live = {given}
    nodes: list[NodeProto] = []
    found = False
    for node in graph.node:
        if node.op_type not in ("Shape", "Size") and not live.isdisjoint(_read(node)):
            live.update(node.output)
        if node.op_type != "If" or node.input[0] in live:
            nodes.append(node)
            continue
        found = True
        taken = bool(values[node.input[0]].reshape(-1)[0])
        wanted = "then_branch" if taken else "else_branch"
        branch = next(a.g for a in node.attribute if a.name == wanted)
        nodes += _renamed(branch, node, graph)
    if found:
        _put_nodes(graph, nodes)
    return found


def _put_nodes(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph these nodes, its own among them."""
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _renamed(branch: GraphProto, at: NodeProto, graph: GraphProto) -> list[NodeProto]:
    """The nodes of a branch under names of their own, its outputs under the node's."""
    from onnx import helper

    own = {o for node in branch.node for o in node.output}
    own |= {tensor.name for tensor in branch.initializer}
    names = {name: f"{at.output[0]}/{name}" for name in own}
    nodes = []
    for tensor in branch.initializer:
        moved = graph.initializer.add()
        moved.CopyFrom(tensor)
        moved.name = names[tensor.name]
    for node in branch.node:
        moved_node = type(at).FromString(node.SerializeToString())
        for part in (moved_node.input, moved_node.output):
            part[:] = [names.get(name, name) for name in part]
        nodes.append(moved_node)
    for inner, outer in zip(branch.output, at.output, strict=True):
        source = names.get(inner.name, inner.name)
        nodes.append(helper.make_node("Identity", [source], [outer]))
    return nodes
