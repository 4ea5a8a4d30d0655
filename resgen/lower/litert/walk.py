"""The walk over a graph that asks every operator for its nodes, and writes LiteRT's.

Operators state themselves in ONNX's nodes (:class:`resgen.ops.base.OnnxWriter`), and
what is written of each of those is in :mod:`resgen.lower.litert.nodes`. So an operator
that LiteRT lacks is composed as it is for ONNX, and nothing is spelled twice.

Of a quantised graph, what lies between dequantisers and one quantiser is written in 8
bits, where LiteRT has kernels for all of it; and otherwise in float32, with DEQUANTIZE
before it and QUANTIZE behind it, which is what the graph says.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.graph.placement.base import is_clip
from resgen.lower.channels_last import Array, last
from resgen.lower.emitted import Constant, Unwritable
from resgen.lower.litert.nodes import NODES
from resgen.lower.litert.nodes.axes import shuffled
from resgen.lower.litert.values import CODES, NCHW, NHWC, Steps, Tensor, Value
from resgen.lower.litert.writer import Unfit, Writer
from resgen.ops import types
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.dequantize import Dequantize
from resgen.ops.quantize import Quantize
from resgen.ops.types import RANGES, Apply, DType, Operand
from resgen.weights.evaluate import evaluate, shape_of


class Walk(Writer):
    """Writes a graph's nodes; what operators see of it is ``ops.base.OnnxWriter``.

    ``inputs`` and ``outputs`` are the tensors at its ends, by the graph's names.
    """

    def __init__(
        self,
        graph: Graph,
        schema: ModuleType,
        batch: int | None,
        half: Set[str] = frozenset(),
        ends: str = NHWC,
    ) -> None:
        super().__init__(graph, schema, NODES, batch, half)
        self.ends = ends
        #: The type of whole numbers that they are, if they are.
        self.codes = next((kind for kind in CODES if kind == ends), None)
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self._floats: dict[int, Tensor] = {}
        self._operands: dict[Operand, Constant] = {}

    # What operators call.

    def operand(self, role: str) -> str | None:
        operand = dict(self._node.operands).get(role)
        if operand is None:
            return None
        return self._keep(self._of(operand))

    # The walk.

    def run(self) -> None:
        graph = self.graph
        first = self.batch or 1
        for given in graph.inputs:
            shape = (first, *given.type.shape)
            self._name = given.name
            natural, inner = tuple(range(len(shape))), last(len(shape))
            # A camera's bytes, whose channels are last by themselves.
            camera = given.type.dtype == "uint8"
            order = natural if self.ends == NCHW or camera else inner
            taken = self._new(given.name, shape, order)
            self.tensors[taken.index].dtype = given.type.dtype
            self.inputs[given.name] = taken
            if self.codes and not camera:
                taken = self._taken_in(given.name, taken, self.codes)
            self._known[given.name] = (
                taken if camera or order == inner else self.turned(taken, inner)
            )
        for node in graph.nodes:
            if node.op.training_only:
                self._known[node.name] = self._known[node.inputs[0]]
                # Who reads it reads the value itself.
                self._uses[node.inputs[0]] += self._uses[node.name] - 1
                continue
            self._write(node)
        for _, value in graph.outputs:
            found = self._known[value]
            if isinstance(found, Constant):
                self.missing.setdefault(value, "a constant is given out")
            elif self.codes and found.steps is None:
                self.missing.setdefault(value, f"it gives out float32, no {self.ends}")
        if not self.missing:
            for name, value in graph.outputs:
                self.outputs[name] = self._given_out(self._known[value])

    def _write(self, node: Node) -> None:
        self._node, self._name = node, node.name
        before = len(self.operations)
        found: Value | None = None
        try:
            if isinstance(node.op, Quantize | Dequantize):
                found = self._placed(node, self._known[node.inputs[0]])
            else:
                found = self._in_bytes(node) or self._emitted(node)
        except Unwritable as lack:
            self.missing[node.name] = str(lack)
        if found is None:
            shape = (self.batch or 1, *node.type.shape)
            found = self._new(node.name, shape, last(len(shape)))
        self._known[node.name] = found
        placed = isinstance(node.op, Quantize | Dequantize)
        if placed or isinstance(found, Constant) or found.steps is None:
            self.values[node.name] = found
        if isinstance(found, Constant):
            return
        written = self.operations[before:]
        if written and written[-1].output == found.index:
            self.tensors[found.index].name = node.name

    def _emitted(self, node: Node) -> Value:
        if isinstance(node.op, ChannelShuffle):
            return shuffled(self, node.op, self._taken(node.inputs[0]))
        given = [types.Value(v, self.graph.types[v]) for v in node.inputs]
        found: Value = self._known[node.op.onnx(self, *given)]
        return found

    def _in_bytes(self, node: Node) -> Value | None:
        """The operator in 8 bits, where LiteRT has kernels for all that it takes."""
        self._low = self._target(node)
        given = [self._known[value] for value in node.inputs[: node.op.read]]
        low = [isinstance(x, Tensor) and x.steps is not None for x in given]
        if self._low is None or not all(low):
            self._low = None
            return None
        tensors, operations = len(self.tensors), len(self.operations)
        try:
            return self._emitted(node)
        except Unfit:
            del self.tensors[tensors:], self.operations[operations:]
            kept = {k: at for k, at in self._constants.items() if at < tensors}
            self._constants = kept
            return None
        finally:
            self._low = None

    def _target(self, node: Node) -> Steps | None:
        """What the one quantiser that reads it makes of it, if nothing else does."""
        value = node.name
        while True:
            readers = self.graph.consumers[value]
            if len(readers) != 1 or value in (v for _, v in self.graph.outputs):
                return None
            (reader,) = readers
            if isinstance(reader.op, Quantize):
                return self._steps(reader)
            if not (reader.op.training_only or is_clip(reader)):
                return None
            value = reader.name

    def _placed(self, node: Node, x: Value) -> Value:
        """A quantiser or a dequantiser; of a constant the numbers are computed."""
        steps = self._steps(node)
        if isinstance(x, Tensor):
            return x if isinstance(node.op, Dequantize) else self._coded(x, steps)
        if isinstance(node.op, Dequantize):
            return x.with_(steps.point, np.subtract).with_(steps.scale, np.multiply)
        numbers = x.with_(steps.scale, np.divide).then("rint", np.rint)
        least, greatest = RANGES["int8"]
        return numbers.with_(steps.point, np.add).then(
            "clip", lambda a: np.clip(a, least, greatest)
        )

    def _steps(self, node: Node) -> Steps:
        operands = dict(node.operands)
        return Steps(self._of(operands["scale"]), self._of(operands["zero_point"]))

    def _taken(self, name: str) -> Any:
        """A value as the node that is being written takes it."""
        value = self._known[name]
        if self._low is None and isinstance(value, Tensor):
            return self._floated(value)
        return value

    def _floated(self, x: Tensor) -> Tensor:
        if x.steps is None:
            return x
        made = self._floats.get(x.index)
        if made is None:
            made = self.add("DEQUANTIZE", [x], x.shape, x.order, version=2)
            self._floats[x.index] = made
        return replace(x, held=made.index, steps=None)

    def _given_out(self, value: Value) -> Tensor:
        """Channels last where there are positions, unless planar; else as PyTorch."""
        if not isinstance(value, Tensor):
            raise TypeError("a constant is given out")
        value = self.plain(value if self.codes else self._floated(value))
        rank = len(value.shape)
        natural = tuple(range(rank))
        if self.ends == NCHW and value.order == last(rank) != natural:
            return self.turned(value, natural)
        value = self.ordered(value, last(rank) if rank > 3 else natural)
        if self.codes and value.steps is not None:
            return self._coded(value, _end_steps(value.steps, self.codes), self.codes)
        return value

    def _taken_in(self, name: str, x: Tensor, codes: DType) -> Tensor:
        """An input in whole numbers, which have the steps of its quantisers."""
        quantisers = []
        for node in self._readers(name):
            if isinstance(node.op, Quantize):
                quantisers.append(node)
            else:
                self.missing[node.name] = f"it reads float32, no {codes}"
        if self.missing:
            return x
        inside = self._steps(quantisers[0])
        steps = _end_steps(inside, codes)
        stored = self.tensors[x.index]
        stored.steps, stored.dtype = steps, codes
        self.inputs[name] = x = replace(x, steps=steps)
        return self._coded(x, inside)

    def _coded(self, x: Tensor, steps: Steps, dtype: DType = "int8") -> Tensor:
        """With other steps, in a type of 8 bits, unless it has those."""
        self._low = steps
        found = self.requantized(x)
        self._low = None
        self.tensors[found.index].dtype = dtype
        return found

    def _readers(self, value: str) -> Iterator[Node]:
        for node in self.graph.consumers[value]:
            if node.op.training_only:
                yield from self._readers(node.name)
            else:
                yield node

    def _of(self, operand: Operand) -> Constant:
        if operand not in self._operands:
            self._operands[operand] = self._constant_of(operand)
        return self._operands[operand]

    def _constant_of(self, operand: Operand) -> Constant:
        shape = shape_of(operand, self.graph)
        codes = None
        if isinstance(operand, Apply) and operand.function == "dequantize":
            numbers, scale = map(self._of, operand.args)  # type: ignore[arg-type]
            wide = (-1, *(1,) * (len(shape) - 1))

            def over(array: Array) -> Array:
                return np.broadcast_to(array.reshape(wide), shape)

            codes = numbers, scale.then(("over", shape), over)
        return Constant(operand, shape, lambda w: evaluate(operand, w), codes, True)


def _end_steps(inside: Steps, codes: DType) -> Steps:
    """The steps that numbers have in this type, of those that they have in int8."""
    if not CODES[codes]:
        return inside
    above = Constant.of(np.asarray(CODES[codes], np.int32))
    return replace(inside, point=inside.point.with_(above, np.add))
