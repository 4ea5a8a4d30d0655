"""The tensors and operators of a LiteRT file, as its nodes are written with them.

What an operator yields beside inputs in 8 bits is in 8 bits as well, where LiteRT has a
kernel for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from math import prod
from types import ModuleType
from typing import Any, Final

import numpy as np

from resgen.graph.ir import Graph, Node
from resgen.lower import emitted
from resgen.lower.channels_last import Places
from resgen.lower.emitted import Constant
from resgen.lower.litert.values import Operation, Steps, Stored, Tensor, Value
from resgen.ops.types import DType

#: An axis of more elements than this is not cut into them.
MANY: Final = 32
#: XNNPACK joins no more at once.
JOINED: Final = 5
#: Operators whose result has the scale of their input.
KEEPING: Final = frozenset({
    "AVERAGE_POOL_2D", "CONCATENATION", "DEPTH_TO_SPACE", "GATHER", "MAX_POOL_2D",
    "PAD", "PADV2", "REDUCE_MAX", "RESHAPE", "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE", "TRANSPOSE",
})  # fmt: skip
#: The versions that brought 8 bits, of all operators that have kernels for them.
LOW: Final[Mapping[str, int]] = {
    **dict.fromkeys(KEEPING, 2), "RESHAPE": 1, "ADD": 2, "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 12, "HARD_SWISH": 1, "LEAKY_RELU": 1,
    "LOGISTIC": 2, "MEAN": 2, "MUL": 2, "QUANTIZE": 1, "RELU": 2, "RELU6": 2, "TANH": 2,
}  # fmt: skip


class Unfit(Exception):
    """What LiteRT has no kernel of 8 bits for."""


class Writer(emitted.Walk):
    """What the nodes of one graph are written into.

    ``nodes`` writes each of what operators emit, by the name of its ONNX operator.
    ``values`` are the tensors that the operators yielded, but for those whose node does
    more than the operator: an activation that a convolution has taken in, or a
    quantiser. Of the operators in ``half`` weights are stored in 16 bits.
    """

    form = "LiteRT"

    def __init__(
        self,
        graph: Graph,
        schema: ModuleType,
        nodes: Mapping[str, Callable[..., Value]],
        batch: int | None,
        half: Set[str] = frozenset(),
    ) -> None:
        super().__init__(graph, nodes)
        self.schema = schema
        self.batch = batch
        self.half = half
        #: What is being written, and after which tensors are called.
        self._node: Node
        self._name = ""
        self.tensors: list[Stored] = []
        self.operations: list[Operation] = []
        self.values: dict[str, Value] = {}
        self._constants: dict[Any, int] = {}
        #: What the node that is being written yields in 8 bits, if it is to.
        self._low: Steps | None = None
        self._uses = Counter(v for node in graph.nodes for v in node.inputs)
        self._uses.update(value for _, value in graph.outputs)

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
        name = f"{self._name}/{code.lower()}"
        given = tuple(x.index if isinstance(x, Tensor) else x for x in inputs)
        steps = self._result(code, given)
        if steps is not None:
            version = max(version, LOW[code])
        made = self._new(name, tuple(shape), tuple(order), steps)
        self.operations.append(
            Operation(code, given, made.index, version, options, settings)
        )
        return replace(made, places=places or {}, positive=positive)

    def requantized(self, x: Tensor) -> Tensor:
        """With the steps of what the node yields, where that is of 8 bits."""
        if self._low in (None, x.steps):
            return x
        return self.add("QUANTIZE", [x], x.shape, x.order,
                        places=x.places, positive=x.positive)  # fmt: skip

    def weights(
        self, x: Tensor, weight: Constant, bias: Constant | None, *, axis: int = 0
    ) -> list[int]:
        """The tensors of a map's weight, its outputs along the stored axis, and bias.

        In 8 bits what is added has the step of the products; without a bias it is 0.
        """
        outputs = weight.shape[axis]
        if x.steps is None:
            zeros = Constant.of(np.zeros(outputs, np.float32))
            return [self.constant(weight), self.constant(bias or zeros)]
        if weight.codes is None or (bias is not None and bias.codes is None):
            raise Unfit
        numbers, steps = weight.codes[0], _each(weight.codes[1], axis)
        added = Constant.of(np.zeros(outputs, np.int32))
        products = steps.with_(x.steps.scale, np.multiply)
        if bias is not None and bias.codes is not None:
            added, products = bias.codes
        return [
            self._whole(numbers, "int8", steps, axis),
            self._whole(added, "int32", products),
        ]

    def low(self, value: int, beside: Tensor) -> int:
        """The tensor that holds a whole number of 8 bits, of the steps of another."""
        if beside.steps is None:
            raise TypeError(f"{self._node.name} reads float32")
        return self._held(Constant.of(np.full(1, value, np.int8)), "int8", beside.steps)

    def constant(self, constant: Constant) -> int:
        """The tensor that holds numbers as they are."""
        kind = constant.key[0] if isinstance(constant.key, tuple) else ""
        dtype: DType = "int32" if kind == "<i4" else "float32"
        if not (constant.given and self._node.name in self.half):
            return self._held(constant, dtype, None)
        wide = ("wide", constant.key)
        if wide not in self._constants:
            held = self._held(constant, "float16", None)
            order = tuple(range(len(constant.shape)))
            made = self.add("DEQUANTIZE", [held], constant.shape, order, version=3)
            self.tensors[made.index].open = False
            self._constants[wide] = made.index
        return self._constants[wide]

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
        """With the axes stored in this order.

        A TRANSPOSE where more than one, or a long one, is elsewhere.
        """
        order = tuple(order)
        if x.order == order:
            return x
        wide = [axis for axis in x.order if x.shape[axis] != 1]
        if wide == [axis for axis in order if x.shape[axis] != 1] and 0 in (
            x.order[0], order[0],
        ):  # fmt: skip
            return self.laid(x, x.shape, order, x.places)
        old, new = ([a for a in e if x.shape[a] > 1 or not a] for e in (x.order, order))
        able = [
            axis
            for axis in old[1:]
            if [a for a in old if a != axis] == [a for a in new if a != axis]
        ]
        axis = min(able, key=lambda axis: x.shape[axis], default=0)
        if axis and x.shape[axis] <= MANY:
            moved = self._moved(x, old, axis, new.index(axis))
            return self.laid(moved, x.shape, order, x.places)
        return self.turned(x, order)

    def turned(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """With the axes stored in this order, by a TRANSPOSE."""
        turned = [x.order.index(axis) for axis in order]
        return self.add(
            "TRANSPOSE", [x, self.integer(*turned)], x.shape, order,
            options="Transpose", places=x.places, positive=x.positive,
        )  # fmt: skip

    def cut(self, x: Tensor, axis: int, chosen: range) -> Tensor:
        """Elements along an axis at even steps; masks leave the other axes whole."""
        at, rank = x.at(axis), len(x.shape)
        begin, end, step = [0] * rank, [0] * rank, [1] * rank
        begin[at], end[at], step[at] = chosen.start, chosen.stop, chosen.step
        mask = (1 << rank) - 1 - (1 << at)
        return self.add(
            "STRIDED_SLICE",
            [x, self.integer(*begin), self.integer(*end), self.integer(*step)],
            tuple(len(chosen) if a == axis else n for a, n in enumerate(x.shape)),
            x.order,
            options="StridedSlice", beginMask=mask, endMask=mask,
            places=x.places, positive=x.positive,
        )  # fmt: skip

    def joined(
        self, parts: Sequence[Tensor], axis: int, places: Mapping[int, Places]
    ) -> Tensor:
        """Side by side along an axis, of which ``places`` tell how they then lie."""
        if len(parts) > JOINED:
            size = -(-len(parts) // JOINED)
            few = [parts[i : i + size] for i in range(0, len(parts), size)]
            parts = [self.joined(each, axis, {}) if len(each) > 1 else each[0]
                     for each in few]  # fmt: skip
        first = parts[0]
        shape = list(first.shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.add(
            "CONCATENATION", parts, shape, first.order,
            options="Concatenation", axis=first.at(axis), places=places,
            positive=all(part.positive for part in parts),
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
        if x.steps is not None and owners:  # others read it, or it is a quantiser's
            return False
        if made.settings.get("fusedActivationFunction") or any(
            self._uses[name] != 1 for name in owners
        ):
            return False
        kind = getattr(self.schema.ActivationFunctionType, activation)
        made.settings["fusedActivationFunction"] = kind
        for name in owners:
            del self.values[name]
        # Both are the operator's, as TensorFlow's converter names what it fused.
        self.tensors[x.index].name += f";{self._node.name}"
        return True

    # --- parts

    def _settings(self, made: Operation) -> Mapping[str, Any]:
        if not made.options:
            return {}
        settings: Mapping[str, Any] = vars(
            getattr(self.schema, f"{made.options}OptionsT")()
        )
        return settings

    def _moved(self, x: Tensor, old: Sequence[int], axis: int, after: int) -> Tensor:
        """With one of the axes, as they are stored, moved past others.

        It is cut into its elements, which are joined where it goes: heads, rows of
        windows and squares are few. A TRANSPOSE takes as long.
        """
        count, before = x.shape[axis], old.index(axis)
        low, high = sorted((before, after))
        passed = [a for a in old[low : high + 1] if a != axis]
        parts = (old[:low], passed, old[high + 1 :])
        first, rows, rest = (prod(x.shape[a] for a in part) for part in parts)
        if before < after:
            shape, cut, join = (first, count * rows, rest), 1, 2
        else:
            shape, cut, join = (first, rows, count * rest), 2, 1
        step = shape[cut] // count
        y = self.laid(x, shape, range(3), {})
        pieces = [self.cut(y, cut, range(i, i + step))
                  for i in range(0, shape[cut], step)]  # fmt: skip
        return self.joined(pieces, join, {})

    def _new(
        self,
        name: str,
        shape: tuple[int, ...],
        order: tuple[int, ...],
        steps: Steps | None = None,
    ) -> Tensor:
        made = Tensor(len(self.tensors), shape, order, steps=steps)
        dtype: DType = "float32" if steps is None else "int8"
        self.tensors.append(Stored(name, made.stored, dtype, None, steps))
        return made

    def _result(self, code: str, given: Sequence[int]) -> Steps | None:
        """What an operator yields in 8 bits, if it does."""
        if code == "QUANTIZE":
            return self._low
        held = [self.tensors[index] for index in given]
        low = [x for x in held if x.dtype == "int8"]
        if code == "DEQUANTIZE" or not low:
            return None
        if code not in LOW or any(x.dtype == "float32" for x in held):
            raise Unfit
        return low[0].steps if code in KEEPING else self._low

    def _held(self, constant: Constant, dtype: DType, steps: Steps | None) -> int:
        key = (constant.key, dtype, steps)
        if key not in self._constants:
            self._constants[key] = len(self.tensors)
            name = f"constant/{len(self._constants)}"
            self.tensors.append(Stored(name, constant.shape, dtype, constant, steps))
        return self._constants[key]

    def _whole(
        self, constant: Constant, dtype: DType, scale: Constant, axis: int = 0
    ) -> int:
        none = Constant.of(np.zeros(scale.shape, np.int64))
        return self._held(constant, dtype, Steps(scale, none, axis))


def _each(steps: Constant, axis: int) -> Constant:
    """The scale of each entry along an axis, of the scale of every number."""
    first = tuple(slice(None) if a == axis else 0 for a in range(len(steps.shape)))
    return steps.then(("each", axis), lambda a: a[first])
