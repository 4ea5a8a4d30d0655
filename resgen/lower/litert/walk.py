"""The walk over a graph that asks every operator for its nodes, and writes LiteRT's.

Operators state themselves in ONNX's nodes (:class:`resgen.ops.base.OnnxWriter`), and
what is written of each of those is in :mod:`resgen.lower.litert.nodes`. So an operator
that LiteRT lacks is composed as it is for ONNX, and nothing is spelled twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.lower.litert.values import Array, Constant, Places, Tensor, Value
from resgen.ops import types
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.types import Apply, DType, Operand
from resgen.weights.evaluate import evaluate, np_dtype, shape_of

#: What operators are asked for: GELU and group norm are one node each in this set, and
#: attention, which LiteRT composes as well, is not yet.
OPSET: Final = 21


class Unwritable(Exception):
    """What LiteRT has no operator for, as the end of "NODE: ..."."""


@dataclass(slots=True)
class Operation:
    """An operator of the file; ``inputs`` are tensors by index, -1 is none."""

    code: str
    inputs: tuple[int, ...]
    output: int
    version: int = 1
    options: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stored:
    """A tensor as the file declares it; ``constant`` are its numbers, if it has any."""

    name: str
    shape: tuple[int, ...]
    dtype: DType = "float32"
    constant: Constant | None = None


class Walk:
    """Writes a graph's nodes; what operators see of it is ``ops.base.OnnxWriter``.

    ``nodes`` writes each of what operators emit, by the name of its ONNX operator;
    ``shuffled`` a shuffle of channels, which ONNX's nodes would move.

    ``values`` are the tensors that the operators yielded, but for those whose node does
    more than the operator: an activation that a convolution has taken in.
    """

    opset: Final = OPSET
    dynamic: Final = False

    def __init__(
        self,
        graph: Graph,
        schema: ModuleType,
        nodes: Mapping[str, Callable[..., Value]],
        shuffled: Callable[..., Value],
        batch: int | None,
    ) -> None:
        self.graph = graph
        self.schema = schema
        self.batch = batch
        self.tensors: list[Stored] = []
        self.operations: list[Operation] = []
        self.values: dict[str, Value] = {}
        self.inputs: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        #: What cannot be written, by the operator.
        self.missing: dict[str, str] = {}
        self._nodes = nodes
        self._shuffled = shuffled
        self._known: dict[str, Value] = {}
        self._constants: dict[Any, int] = {}
        self._uses = Counter(v for node in graph.nodes for v in node.inputs)
        self._uses.update(value for _, value in graph.outputs)

    # What operators call.

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        write = self._nodes.get(op_type)
        if write is None:
            raise Unwritable(f"LiteRT has no {op_type}")
        given = [self._known[name] if name else None for name in inputs]
        return self._keep(write(self, *given, **attributes))

    def further(self, dtype: DType) -> str:
        raise Unwritable("its nodes have several outputs")

    def operand(self, role: str) -> str | None:
        operand = dict(self._node.operands).get(role)
        if operand is None:
            return None
        return self._keep(self._of(operand))

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        return self._numbers(np.asarray(values, np.float32), shape)

    def integers(
        self, values: Sequence[int], shape: Sequence[int] | None = None
    ) -> str:
        return self._numbers(
            np.clip(values, -(2**31), 2**31 - 1).astype(np.int32), shape
        )

    def zero(self, dtype: DType) -> str:
        return self._numbers(np.zeros((), np_dtype(dtype)), ())

    # The walk.

    def run(self) -> None:
        graph = self.graph
        first = self.batch or 1
        for given in graph.inputs:
            shape = (first, *given.type.shape)
            self.inputs[given.name] = self._known[given.name] = self._new(
                given.name, shape, last(len(shape))
            )
        for node in graph.nodes:
            if node.op.training_only:
                self._known[node.name] = self._known[node.inputs[0]]
                # Who reads it reads the value itself.
                self._uses[node.inputs[0]] += self._uses[node.name] - 1
                continue
            self._write(node)
        for _, value in graph.outputs:
            if isinstance(self._known[value], Constant):
                self.missing.setdefault(value, "a constant is given out")
        if not self.missing:
            for name, value in graph.outputs:
                self.outputs[name] = self._given_out(self._known[value])

    def _write(self, node: Node) -> None:
        self._node = node
        before = len(self.operations)
        given = [types.Value(v, self.graph.types[v]) for v in node.inputs]
        found: Value | None = None
        try:
            if isinstance(node.op, ChannelShuffle):
                found = self._shuffled(self, node.op, self._known[node.inputs[0]])
            else:
                found = self._known[node.op.onnx(self, *given)]
        except Unwritable as lack:
            self.missing[node.name] = str(lack)
        if found is None:
            shape = (self.batch or 1, *node.type.shape)
            found = self._new(node.name, shape, last(len(shape)))
        self._known[node.name] = self.values[node.name] = found
        if isinstance(found, Constant):
            return
        written = self.operations[before:]
        if written and written[-1].output == found.index:
            self.tensors[found.index].name = node.name

    def _given_out(self, value: Value) -> Tensor:
        """Channels last where there are positions, and otherwise as PyTorch has it."""
        if not isinstance(value, Tensor):
            raise TypeError("a constant is given out")
        rank = len(value.shape)
        order = last(rank) if rank > 3 else tuple(range(rank))
        return self.ordered(self.plain(value), order)

    # What the nodes are written with.

    def add(
        self,
        code: str,
        inputs: Sequence[Tensor | int],
        shape: Sequence[int],
        order: Sequence[int],
        *,
        version: int = 1,
        options: str = "",
        places: Mapping[int, Places] | None = None,
        positive: bool = False,
        **settings: Any,
    ) -> Tensor:
        """Write an operator; ``options`` names its table of settings."""
        name = f"{self._node.name}/{code.lower()}"
        made = self._new(name, tuple(shape), tuple(order))
        given = tuple(x.index if isinstance(x, Tensor) else x for x in inputs)
        self.operations.append(
            Operation(code, given, made.index, version, options, settings)
        )
        return Tensor(made.index, made.shape, made.order, places or {}, positive)

    def constant(self, constant: Constant) -> int:
        """The tensor that holds numbers as they are."""
        if constant.key not in self._constants:
            self._constants[constant.key] = len(self.tensors)
            kind = constant.key[0] if isinstance(constant.key, tuple) else ""
            dtype: DType = "int32" if kind == "<i4" else "float32"
            name = f"constant/{len(self._constants)}"
            self.tensors.append(Stored(name, constant.shape, dtype, constant))
        return self._constants[constant.key]

    def integer(self, *values: int) -> int:
        """The tensor that holds these whole numbers, as shapes and axes are given."""
        return self.constant(Constant.of(np.asarray(values, np.int32)))

    def plain(self, x: Tensor, *axes: int) -> Tensor:
        """With the elements along these axes, or all, in their own order."""
        for axis, places in x.places.items():
            if axes and axis not in axes:
                continue
            back = np.argsort(places).astype(np.int32)
            rest = {a: p for a, p in x.places.items() if a != axis}
            x = self.add(
                "GATHER", [x, self.constant(Constant.of(back))], x.shape, x.order,
                options="Gather", axis=x.at(axis), places=rest, positive=x.positive,
            )  # fmt: skip
        return x

    def ordered(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """With the axes stored in this order: a TRANSPOSE where they are not."""
        order = tuple(order)
        if x.order == order:
            return x
        wide = [axis for axis in x.order if x.shape[axis] != 1]
        if wide == [axis for axis in order if x.shape[axis] != 1] and 0 in (
            x.order[0], order[0],
        ):  # fmt: skip
            return self.laid(x, x.shape, order, x.places)
        turned = [x.order.index(axis) for axis in order]
        return self.add(
            "TRANSPOSE", [x, self.integer(*turned)], x.shape, order,
            options="Transpose", places=x.places, positive=x.positive,
        )  # fmt: skip

    def laid(
        self,
        x: Tensor,
        shape: Sequence[int],
        order: Sequence[int],
        places: Mapping[int, Places],
    ) -> Tensor:
        """The same numbers one after another, in another shape."""
        stored = tuple(shape[axis] for axis in order)
        if stored == x.stored:
            return Tensor(x.index, tuple(shape), tuple(order), places, x.positive)
        open_ = [-1 if axis == 0 and not self.batch else shape[axis] for axis in order]
        return self.add(
            "RESHAPE", [x, self.integer(*open_)], shape, order,
            options="Reshape", newShape=open_, places=places, positive=x.positive,
        )  # fmt: skip

    def fuse(self, x: Tensor, activation: str) -> bool:
        """Let the operator that yields ``x`` alone apply an activation, if it can."""
        made = next((o for o in reversed(self.operations) if o.output == x.index), None)
        if made is None or "fusedActivationFunction" not in self._settings(made):
            return False
        owners = [
            n
            for n, v in self.values.items()
            if isinstance(v, Tensor) and v.index == x.index
        ]
        if made.settings.get("fusedActivationFunction") or any(
            self._uses[name] != 1 for name in owners
        ):
            return False
        kind = getattr(self.schema.ActivationFunctionType, activation)
        made.settings["fusedActivationFunction"] = kind
        for name in owners:
            del self.values[name]
        self.tensors[x.index].name = self._node.name
        return True

    # --- parts

    def _settings(self, made: Operation) -> Mapping[str, Any]:
        if not made.options:
            return {}
        settings: Mapping[str, Any] = vars(
            getattr(self.schema, f"{made.options}OptionsT")()
        )
        return settings

    def _new(self, name: str, shape: tuple[int, ...], order: tuple[int, ...]) -> Tensor:
        made = Tensor(len(self.tensors), shape, order)
        self.tensors.append(Stored(name, made.stored))
        return made

    def _keep(self, value: Value) -> str:
        name = f"/{len(self._known)}"
        self._known[name] = value
        return name

    def _numbers(self, array: Array, shape: Sequence[int] | None) -> str:
        held = array if shape is None else array.reshape(tuple(shape))
        return self._keep(Constant.of(held))

    def _of(self, operand: Operand) -> Constant:
        if isinstance(operand, Apply) and operand.function == "dequantize":
            raise Unwritable("its weight is quantised")
        shape = shape_of(operand, self.graph)
        return Constant(operand, shape, lambda weights: evaluate(operand, weights))


def last(rank: int) -> tuple[int, ...]:
    """The order of axes that has channels last."""
    return (0, *range(2, rank), *((1,) if rank > 1 else ()))
