"""The proof of a low-precision file: every operator by itself, on what it is given.

Rounding to a few bits makes tensors of two right computations differ, and more so the
deeper the network. So each operator is asked alone: given the very numbers that it
reads in the file, does the file's node yield what PyTorch computes from them in
float64? Types are compared first (:mod:`resgen.proof.typed`), and then 16 bits run as
float32: ONNX Runtime's CPU has no kernels for bfloat16, and rounding to 16 bits would
hide what is off by less. As in the proof of float32 files the parameters are probes, in
which every part shows, with scales to suit; that the file holds the right numbers is a
comparison of bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.onnxfile.stored import StoredModel
from resgen.ops.cast import CODES
from resgen.ops.quantize import Quantize
from resgen.ops.types import Apply, DType, Module, Operand, Ref
from resgen.proof.compare import Departure, where
from resgen.proof.constants import rounds_constants
from resgen.proof.initializers import Operands
from resgen.proof.ramps import activations, with_ramps
from resgen.proof.typed import prove_types
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import Weights, evaluate

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto

#: How far a tensor may be off, as a share of its largest value. Sums of thousands of
#: float32 products are right to 1e-6; an operator of several steps rounds in each.
ALLOWED: Final = 2e-5
#: And where 16 bits round constants of an operator, as they round the root of 2: the
#: rounding of a few of them.
CONSTANTS: Final[Mapping[DType, float]] = {
    "float16": 4 * 2.0**-11,
    "bfloat16": 4 * 2.0**-8,
}
#: Scales of activations are made smaller, so that some numbers are clipped, and each by
#: another factor between these: two that calibration found alike would hide a mistake.
CLIPPED: Final = (0.6, 0.9)
#: How close to the middle between two codes a number lies, as a share of itself, that
#: float32 may take to either side. (Products of one scale fall on the middle often.)
MIDDLE: Final = 1e-5


def prove_locally(
    graph: Graph,
    stored: StoredModel,
    operands: Operands,
    weights: Weights,
    batch: Array,
) -> int:
    """Compare every operator of ``graph`` with its node in the file.

    ``weights`` are put in place of the file's. Returns how many operators were
    compared; the first that is off is a :class:`~resgen.proof.compare.Departure`.
    """
    tensors = _tensors(graph, stored.model)
    prove_types(graph, stored, tensors)
    weights = _clipping(graph, weights)
    held = {name: evaluate(operand, weights) for name, operand in operands}
    opset = stored.model.opset_import[0].version
    (given,) = graph.inputs
    opened = _opened(stored, held)
    values = _run(opened, list(tensors.values()), given.name, batch)
    values[given.name] = batch
    named = {given.name: given.name, **tensors}
    compared = 0
    for node in graph.nodes:
        if node.op.training_only:
            named[node.name] = named[node.inputs[0]]
            continue
        inputs = [values[named[value]] for value in node.inputs]
        allowed = _allowed(graph, node, opset)
        _compare(graph, node, inputs, values[tensors[node.name]], weights, allowed)
        compared += 1
    for name, value in graph.outputs:
        if not np.array_equal(values[name], values[named[value]]):
            raise Departure(
                name, f'the ONNX file gives out as "{name}" what is not {value}'
            )
    alone, ramps = with_ramps(graph, opened, named)
    for node, ramp, result in _on_ramps(graph, alone, ramps):
        allowed = _allowed(graph, node, opset)
        _compare(graph, node, [ramp], result, weights, allowed, each=True)
    return compared


def _clipping(graph: Graph, weights: Weights) -> Weights:
    """The weights with scales at which activations reach beyond what they can hold."""
    operands = (dict(n.operands) for n in graph.nodes if isinstance(n.op, Quantize))
    scales = (found["scale"] for found in operands)
    names = list(dict.fromkeys(s.name for s in scales if isinstance(s, Ref)))
    factors = np.linspace(*CLIPPED, len(names))
    changed = dict(weights)
    for name, factor in zip(names, factors, strict=True):
        changed[name] = (weights[name] * factor).astype(weights[name].dtype)
    return changed


def _allowed(graph: Graph, node: Node, opset: int) -> float:
    """How far its result may be off, as a share of the largest value."""
    rounded = CONSTANTS.get(graph.types[node.inputs[0]].dtype)
    if rounded is not None and rounds_constants(graph, node, opset):
        return rounded
    return ALLOWED


def _tensors(graph: Graph, structure: ModelProto) -> dict[str, str]:
    """The file's tensor for each operator, whose last node goes by its name."""
    yields = {node.name: node.output[0] for node in structure.graph.node}
    found = {}
    for node in graph.nodes:
        if node.op.training_only:
            continue
        if node.name not in yields:
            raise Departure(node.name, f"the ONNX file computes no {node.name}")
        found[node.name] = yields[node.name]
    return found


# --- what the file yields -------------------------------------------------------------


def _opened(stored: StoredModel, held: Mapping[str, Array]) -> ModelProto:
    """The file's own nodes with these weights, in float32."""
    from onnx import ModelProto
    from onnx.numpy_helper import from_array

    opened = ModelProto()
    opened.CopyFrom(stored.model)
    for tensor in stored.tensors:
        array = held[tensor.name] if tensor.name in held else tensor.read()
        opened.graph.initializer.append(from_array(array, tensor.name))
    _widened(opened)
    return opened


def _run(
    opened: ModelProto, tensors: Sequence[str], name: str, batch: Array
) -> dict[str, Array]:
    """What its nodes yield, each of these tensors."""
    from onnx import ModelProto

    model = ModelProto()
    model.CopyFrom(opened)
    shown = {output.name for output in model.graph.output}
    for tensor in dict.fromkeys(tensors):
        if tensor not in shown:
            model.graph.output.add(name=tensor)
    with _session(model) as session:
        wide = batch if batch.dtype == np.uint8 else batch.astype(np.float32)
        return session.run({name: wide})


def _on_ramps(
    graph: Graph, alone: ModelProto, ramps: Mapping[str, Array]
) -> Iterator[tuple[Node, Array, Array]]:
    """Every activation with its ramp and what it makes of that."""
    if not ramps:
        return
    with _session(alone) as session:
        results = list(session.run(ramps).values())
    yield from zip(activations(graph), ramps.values(), results, strict=True)


def _session(model: ModelProto) -> OnnxRuntimeSession:
    return OnnxRuntimeSession(
        model.SerializeToString(), optimize=False, any_placement=True
    )


def _widened(model: ModelProto) -> None:
    """Let 16 bits be float32, in place.

    Weights keep their rounded values, so only the rounding of results is lost.
    """
    from onnx import TensorProto
    from onnx.numpy_helper import from_array, to_array

    low, wide = {CODES[dtype] for dtype in CONSTANTS}, TensorProto.FLOAT
    for tensor in model.graph.initializer:
        if tensor.data_type in low:
            tensor.CopyFrom(from_array(to_array(tensor).astype("f4"), tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i in low:
                attribute.i = wide
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in low:
            value.type.tensor_type.elem_type = wide


# --- what it has to yield -------------------------------------------------------------


def _compare(
    graph: Graph,
    node: Node,
    inputs: Sequence[Array],
    found: Array,
    weights: Weights,
    share: float,
    *,
    each: bool = False,
) -> None:
    """Refuse what is further off than this share of the largest value.

    With ``each`` it is the share of every value by itself, or of its input.
    """
    exact = _exact(graph, node, inputs, weights)
    got = found.astype(np.float64)
    size = float(np.abs(exact).max(initial=0.0))
    if got.shape != exact.shape:
        raise _departure(graph, node, f"its shape is {got.shape}, not {exact.shape}")
    apart = np.abs(got - exact)
    if isinstance(node.op, Quantize):
        operands = {role: _wide(operand, weights) for role, operand in node.operands}
        numbers = inputs[0].astype(np.float64) / operands["scale"]
        numbers += operands.get("zero_point", np.zeros(()))
        middle = np.abs(numbers - (exact + got) / 2)
        wrong = (apart > 0) & ~(middle <= MIDDLE * np.maximum(np.abs(numbers), 1.0))
        if wrong.any():
            raise _departure(
                graph,
                node,
                f"{wrong.mean():.1%} of its codes are not the nearest, by up to "
                f"{float(apart.max()):.0f}",
            )
        return
    sizes = np.full(apart.shape, size or 1.0)
    if each:
        sizes = np.maximum(np.abs(exact), np.abs(inputs[0]))
    wrong = ~(apart <= share * sizes)  # also where it is no number
    if wrong.any():
        reach = float(sizes[wrong].max())
        raise _departure(
            graph,
            node,
            f"it is off by {float(apart[wrong].max()):.1e} where values reach "
            f"{reach:.1e} and rounding explains {share * reach:.1e}",
        )


def _departure(graph: Graph, node: Node, message: str) -> Departure:
    return Departure(
        node.name,
        f"the ONNX file departs from PyTorch at {node.name} ({node.op.name}, "
        f"{where(graph, node)}): {message}",
    )


def _exact(
    graph: Graph, node: Node, inputs: Sequence[Array], weights: Weights
) -> Array:
    """The operator in PyTorch's float64, given the numbers that the file gives it."""
    import torch

    # What is done to a weight is in its operand, rounded: it is not done again.
    spelling = node.op.bare.torch(graph.types[node.inputs[0]])
    given = [torch.from_numpy(array.astype(np.float64)) for array in inputs]
    values = {
        role: torch.from_numpy(np.array(_wide(operand, weights)))
        for role, operand in node.operands
    }
    result: torch.Tensor
    with torch.no_grad():
        if isinstance(spelling, Module):
            result = _called(spelling, values, given)
        else:
            views = [values[role].view(shape) for role, shape in spelling.parameters]
            first: tuple[Any, ...] = (given,) if spelling.gather else tuple(given)
            function = resolve_name(spelling.target)
            result = function(*first, *views, *spelling.args, **spelling.kwargs)
    found: Array = result.double().numpy()
    return found


def _called(
    spelling: Module, values: dict[str, Any], given: Sequence[torch.Tensor]
) -> torch.Tensor:
    import torch

    device = "meta" if values else "cpu"
    with torch.device(device):
        leaf = resolve_name(spelling.target)(*spelling.args, **spelling.kwargs)
    leaf.eval().double()
    result: torch.Tensor = torch.func.functional_call(leaf, values, tuple(given))
    return result


def _wide(operand: Operand, weights: Weights) -> Array:
    """What a node consumes, in float64: the very number that the file holds."""
    if isinstance(operand, Apply) and operand.function == "dequantize":
        quantized, scale = operand.args
        if not isinstance(quantized, Apply) or not isinstance(scale, Ref | Apply):
            raise TypeError("a dequantised operand has a quantised one and a scale")
        codes = evaluate(quantized, weights).astype(np.float64)
        steps = evaluate(scale, weights).astype(np.float64)
        return codes * steps.reshape(-1, *(1,) * (codes.ndim - 1) if steps.ndim else ())
    return evaluate(operand, weights).astype(np.float64)
