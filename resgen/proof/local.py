"""The proof of a file: every operator by itself, on what it is given.

Rounding makes tensors of two right computations differ, and more so the deeper the
network and the fewer the bits. So each operator is asked alone: given the very numbers
that it reads in the file, does the file's node yield what PyTorch computes from them in
float64, within what float32 may make of it (:mod:`resgen.proof.bounds`)? A fault shows
at the operator that has it, at any depth, and nothing else does.

Types are compared first where they are not all float32 (:mod:`resgen.proof.typed`), and
then 16 bits run as float32: ONNX Runtime's CPU has no kernels for bfloat16, and
rounding to 16 bits would hide what is off by less. The parameters are probes, in which
every part shows; that the file holds the right numbers is a comparison of bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.onnxfile.stored import StoredModel
from resgen.ops.cast import CODES
from resgen.ops.quantize import Quantize
from resgen.ops.types import Apply, DType, Operand, Ref
from resgen.proof.bounds import Asked, bound, grown
from resgen.proof.choices import wrongly_chosen
from resgen.proof.compare import Departure, where
from resgen.proof.constants import rounds_constants
from resgen.proof.initializers import Operands
from resgen.proof.pieces import pieces
from resgen.proof.ramps import activations, with_ramps
from resgen.proof.typed import prove_types
from resgen.proof.walk import Leaves, spelled, walk
from resgen.runtime.base import Array
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.evaluate import Weights, evaluate

if TYPE_CHECKING:
    import torch
    from onnx import ModelProto

#: Where 16 bits round constants of an operator, as they round the root of 2, its result
#: may be off by this share of the largest: the rounding of a few of them.
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

#: A value, and what it may be off by where it is not the file's own.
Known = tuple[Array, "torch.Tensor | None"]


def prove_locally(
    graph: Graph,
    stored: StoredModel,
    operands: Operands,
    weights: Weights,
    batch: Array,
) -> int:
    """Compare every operator of ``graph`` with its node in the file, at any precision.

    ``weights`` are put in place of the file's. Returns how many operators were
    compared; the first that is off is a :class:`~resgen.proof.compare.Departure`.
    """
    tensors = tensors_of(graph, stored.model)
    prove_types(graph, stored, tensors)
    weights = _clipping(graph, weights)
    held = {name: evaluate(operand, weights) for name, operand in operands}
    opened = Opened.of(stored, held)
    values = opened.run(tensors.values(), graph.inputs[0].name, batch)
    opset = stored.model.opset_import[0].version

    def rounded(node: Node) -> float:
        kind = CONSTANTS.get(graph.types[node.inputs[0]].dtype)
        return kind if kind and rounds_constants(graph, node, opset) else 0.0

    def operand(node: Node, role: str) -> Array | None:
        found = dict(node.operands).get(role)
        return None if found is None else exact_operand(found, weights)

    judge = Judge(graph, by_operands(graph, operand), operand, rounded)
    judge.all(tensors, values, batch)
    judge.ramps(opened, tensors)
    return len(judge.shares)


def by_operands(
    graph: Graph, operand: Callable[[Node, str], Array | None]
) -> Callable[[Node, Sequence[torch.Tensor]], torch.Tensor]:
    """Operators in PyTorch's float64, of the operands as the file holds them."""

    def exactly(node: Node, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        # What is done to a weight is in its operand, rounded: it is not done again.
        spelling = node.op.bare.torch(graph.types[node.inputs[0]])
        values = {role: _double(operand(node, role)) for role, _ in node.operands}
        return spelled(spelling, inputs, values).double()

    return exactly


def prove_unfolded(
    graph: Graph,
    folded: Graph,
    opened: Opened,
    module: torch.nn.Module,
    weights: Weights,
    batch: Array,
) -> list[float]:
    """Compare the operators of the network itself, as PyTorch runs it, with the file's.

    ``folded`` is the graph that the file was written from. What a folded operator
    yields is held against all that it absorbed. Returns what each used of what rounding
    explains.
    """
    tensors = unfolded_tensors(folded, opened.model)
    values = opened.run(tensors.values(), graph.inputs[0].name, batch)

    def operand(node: Node, role: str) -> Array | None:
        found = dict(node.operands).get(role)
        return None if found is None else evaluate(found, weights)

    judge = Judge(graph, Leaves(graph, module).exact, operand, lambda _: 0.0)
    judge.all(tensors, values, batch)
    judge.ramps(opened, tensors)
    return judge.shares


def tensors_of(graph: Graph, structure: ModelProto) -> dict[str, str]:
    """The file's tensor for each operator, whose last node goes by its name."""
    yields = {node.name: node.output[0] for node in structure.graph.node if node.output}
    found = {}
    for node in graph.nodes:
        if node.op.training_only:
            continue
        if node.name not in yields:
            raise Departure(node.name, f"the ONNX file computes no {node.name}")
        found[node.name] = yields[node.name]
    return found


def unfolded_tensors(folded: Graph, structure: ModelProto) -> dict[str, str]:
    """The same by the operators of the network that ``folded`` was made of."""
    absorbed = {node.name: node.absorbed for node in folded.nodes}
    return {
        (absorbed[name] or (name,))[-1]: tensor
        for name, tensor in tensors_of(folded, structure).items()
    }


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


# --- what the file yields -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The file's own nodes in float32, with other weights, which it takes as inputs.

    An input is not copied, as an initialiser would be. Weights of 16 bits keep their
    rounded values, so only the rounding of results is lost.
    """

    model: ModelProto
    held: Mapping[str, Array]

    @classmethod
    def of(cls, stored: StoredModel, weights: Weights) -> Opened:
        """With these weights by the names of initialisers."""
        from onnx import ModelProto
        from onnx.helper import np_dtype_to_tensor_dtype
        from onnx.numpy_helper import from_array

        from resgen.onnxfile.check import info

        model = ModelProto()
        model.CopyFrom(stored.model)
        held = {}
        for tensor in stored.tensors:
            name, given = tensor.name, weights.get(tensor.name)
            array = _wide(tensor.read() if given is None else given)
            if given is None or array.dtype.kind not in "fiu":
                model.graph.initializer.append(from_array(array, name))
            else:
                held[name] = array
                kind = np_dtype_to_tensor_dtype(array.dtype)
                model.graph.input.append(info(name, array.shape, kind))
        _widened(model)
        return cls(model, held)

    def run(self, tensors: Iterable[str], name: str, batch: Array) -> dict[str, Array]:
        """What the nodes yield: each of these tensors, and what the file gives out."""
        from onnx import ModelProto

        model = ModelProto()
        model.CopyFrom(self.model)
        shown = {output.name for output in model.graph.output}
        for tensor in dict.fromkeys(tensors):
            if tensor not in shown:
                model.graph.output.add(name=tensor)
        return _run(model, {name: _wide(batch), **self.held})


def _run(model: ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    with OnnxRuntimeSession(
        model.SerializeToString(), optimize=False, any_placement=True
    ) as session:
        return session.run(feeds)


def _wide(array: Array) -> Array:
    low = array.dtype.name in CONSTANTS
    return np.asarray(array, np.float32 if low else None)  # a scalar is an array too


def _widened(model: ModelProto) -> None:
    """Let 16 bits be float32, in place."""
    from onnx import TensorProto

    low, wide = {CODES[dtype] for dtype in CONSTANTS}, TensorProto.FLOAT
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i in low:
                attribute.i = wide
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in low:
            value.type.tensor_type.elem_type = wide


# --- what it has to yield -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judge:
    """Holds what a file yields against what its operators have to.

    ``exactly`` is an operator in PyTorch's float64, ``operand`` what it consumes for a
    role: the very number that the file holds. ``rounded`` is what constants of 16 bits
    may add, as a share of the largest value, ``slack`` by how many steps a quantiser's
    codes may be off. ``shares`` are what operators used of what is allowed, in the
    graph's order; ``file`` is what messages call the file.
    """

    graph: Graph
    exactly: Callable[[Node, Sequence[torch.Tensor]], torch.Tensor]
    operand: Callable[[Node, str], Array | None]
    rounded: Callable[[Node], float]
    shares: list[float] = field(default_factory=list)
    file: str = "ONNX file"
    slack: Callable[[Node], int] = lambda node: 0

    def all(
        self, tensors: Mapping[str, str], values: dict[str, Array], batch: Array
    ) -> None:
        """Every operator in turn, and what is given out; values go as they are used."""
        given_out = {name: values[name] for name, _ in self.graph.outputs}

        def compute(node: Node, given: Sequence[Known]) -> Known:
            if node.op.training_only:
                return given[0]
            tensor = tensors.get(node.name)
            found = None if tensor is None else values.pop(tensor)
            return self._known(node, given, found)

        start: dict[str, Known] = {self.graph.inputs[0].name: (batch, None)}
        for node, (value, _) in walk(self.graph, start, compute):
            for name, source in self.graph.outputs:
                if source == node.name and not np.array_equal(given_out[name], value):
                    raise Departure(
                        name,
                        f'the {self.file} gives out as "{name}" what is not {source}',
                    )

    def ramps(self, opened: Opened, tensors: Mapping[str, str]) -> None:
        """Every activation on a ramp, number by number."""
        named = {value.name: value.name for value in self.graph.inputs}
        for node in self.graph.nodes:
            skipped = node.op.training_only
            own = tensors.get(node.name, "")  # none of what a norm's node absorbed
            named[node.name] = named[node.inputs[0]] if skipped else own
        alone, feeds = with_ramps(self.graph, opened.model, named, opened.held)
        if not feeds:
            return
        results = _run(alone, feeds).values()
        for node, ramp, found in zip(
            activations(self.graph), feeds.values(), results, strict=True
        ):
            self._compare(self._asked(node, [ramp]), (), found, each=True)

    def _asked(self, node: Node, given: Sequence[Array]) -> Asked:
        inputs = [_double(x) for x in given]

        def operand(role: str) -> torch.Tensor | None:
            import torch

            found = self.operand(node, role)
            return None if found is None else torch.from_numpy(np.asarray(found))

        def again(inputs: Sequence[torch.Tensor]) -> torch.Tensor:
            return self.exactly(node, inputs)

        return Asked(self.graph, node, inputs, again(inputs), operand, again)

    def _known(self, node: Node, given: Sequence[Known], found: Array | None) -> Known:
        """What the operators that read it are given: the file's own, if it has it."""
        inputs = [value for value, _ in given]
        before = [off for _, off in given if off is not None]
        if found is None:  # what follows is part of the file's node
            asked = self._asked(node, inputs)
            own = bound(asked)
            return asked.exact.numpy(), own + grown(asked, before) if before else own
        # A share of the largest of all, or of what is as large as all.
        whole = bool(before) or self.rounded(node) != 0
        parts = [(inputs, found)] if whole else pieces(node, inputs, found)
        shares = [self._compare(self._asked(node, x), before, y) for x, y in parts]
        self.shares.append(max(shares))
        return found, None

    def _compare(
        self,
        asked: Asked,
        before: Sequence[torch.Tensor],
        found: Array,
        *,
        each: bool = False,
    ) -> float:
        """What it uses of what rounding explains; more than all of it is refused.

        ``before`` is what its inputs may be off by. With ``each``, constants are
        rounded by a share of every value by itself, or of its input.
        """
        node, exact, got = asked.node, asked.exact, _double(found)
        if got.shape != exact.shape:
            raise self._departure(
                node, f"its shape is {tuple(got.shape)}, not {tuple(exact.shape)}"
            )
        if isinstance(node.op, Quantize):
            self._nearest(asked, got)
            return 0.0
        if node.op.chooses:
            wrong = wrongly_chosen(node, asked.inputs[0], got, exact)
            if wrong:
                raise self._departure(node, wrong)
            return 0.0
        allowed = bound(asked)
        if before:
            allowed = allowed + grown(asked, before)
        rounded = self.rounded(node)
        if rounded:
            sizes = exact.abs()
            sizes = sizes.maximum(asked.inputs[0].abs()) if each else sizes.amax()
            allowed = allowed + rounded * sizes
        apart = (got - exact).abs()
        share = apart / allowed
        worst = float(share.amax())
        if not worst <= 1:  # also where it is no number
            at = share.nan_to_num(np.inf).argmax()
            raise self._departure(
                node,
                f"it is off by {float(apart.flatten()[at]):.1e} where values reach "
                f"{float(exact.abs().amax()):.1e} and rounding explains "
                f"{float(allowed.expand_as(apart).flatten()[at]):.1e}",
            )
        return worst

    def _nearest(self, asked: Asked, got: torch.Tensor) -> None:
        """Refuse codes that are not the nearest to what they stand for."""
        if got.equal(asked.exact):
            return
        scale, shift = asked.operand("scale"), asked.operand("zero_point")
        if scale is None:
            raise TypeError(f"{asked.node.name} has no scale")
        numbers = asked.inputs[0] / scale.double()
        if shift is not None:
            numbers = numbers + shift.double()
        apart = (got - asked.exact).abs()
        middle = (numbers - (asked.exact + got) / 2).abs()
        beyond = apart > self.slack(asked.node)
        wrong = beyond & ~(middle <= MIDDLE * numbers.abs().clamp(min=1.0))
        if wrong.any():
            share = float(wrong.double().mean())
            raise self._departure(
                asked.node,
                f"{share:.1%} of its codes are not the nearest, by up to "
                f"{float(apart.amax()):.0f}",
            )

    def _departure(self, node: Node, message: str) -> Departure:
        return Departure(
            node.name,
            f"the {self.file} departs from PyTorch at {node.name} ({node.op.name}, "
            f"{where(self.graph, node)}): {message}",
        )


def _double(array: Array | None) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.asarray(array, np.float64))


def exact_operand(operand: Operand, weights: Weights) -> Array:
    """An operand in float64: the very number that the file holds."""
    if isinstance(operand, Apply) and operand.function == "dequantize":
        quantized, scale = operand.args
        if not isinstance(quantized, Apply) or not isinstance(scale, Ref | Apply):
            raise TypeError("a dequantised operand has a quantised one and a scale")
        codes = evaluate(quantized, weights).astype(np.float64)
        steps = evaluate(scale, weights).astype(np.float64)
        return codes * steps.reshape(-1, *(1,) * (codes.ndim - 1) if steps.ndim else ())
    return evaluate(operand, weights).astype(np.float64)
