"""What LiteRT and Keras make of the nodes in which operators state themselves.

A walk is what operators see as :class:`resgen.ops.base.OnnxWriter`: it makes something
of each node that they emit, keeps it under a name, and knows numbers beforehand where
nothing that flows takes part (:class:`Constant`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from operator import itemgetter
from typing import Any, Final

import numpy as np

from resgen.graph.ir import Graph
from resgen.lower.channels_last import Array, Laid, Places, reshaped
from resgen.ops.types import DType
from resgen.weights.evaluate import Weights, np_dtype

#: What operators are asked for: GELU and group norm are one node each in this set, and
#: attention, which is composed, is not yet.
OPSET: Final = 21


class Unwritable(Exception):
    """What a form has nothing for, as the end of "NODE: ..."."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Numbers that are known when the file is written, in PyTorch's order.

    ``key`` tells one from another without making it: ``make`` computes it of the
    weights. ``codes`` are the whole numbers that it has in a quantised network, and the
    scale of each. ``given`` says that its numbers are a parameter's.
    """

    key: Any
    shape: tuple[int, ...]
    make: Callable[[Weights], Array] = field(compare=False)
    codes: tuple[Constant, Constant] | None = field(default=None, compare=False)
    given: bool = False

    @classmethod
    def of(cls, array: Array) -> Constant:
        """Numbers that no weight takes part in."""
        key = (array.dtype.str, array.shape, array.tobytes())
        return cls(key, array.shape, lambda weights: array)

    @property
    def numbers(self) -> Array:
        """Them, where no weight takes part."""
        try:
            return self.make({})
        except KeyError:
            raise Unwritable("a parameter is where numbers are asked for") from None

    @property
    def root(self) -> Any:
        """The operand that its numbers are, moved about."""
        key = self.key
        while isinstance(key, tuple):
            key = key[0]
        return key

    def then(self, what: Any, function: Callable[[Array], Array]) -> Constant:
        """What a function makes of it that only moves numbers, named ``what``."""
        shape = function(np.broadcast_to(np.float32(0), self.shape)).shape
        codes = None
        if self.codes is not None:
            numbers, scales = self.codes
            codes = numbers.then(what, function), scales.then(what, function)
        return Constant(
            (self.key, what), shape, lambda w: function(self.make(w)), codes, self.given
        )

    def transposed(self, order: Sequence[int]) -> Constant:
        """With other axes first."""
        if tuple(order) == tuple(range(len(self.shape))):
            return self
        return self.then(("transpose", tuple(order)), lambda a: a.transpose(order))

    def reshaped(self, shape: Sequence[int]) -> Constant:
        """In another shape."""
        if tuple(shape) == self.shape:
            return self
        return self.then(("reshape", tuple(shape)), lambda a: a.reshape(shape))

    def taken(self, places: Places | None, axis: int) -> Constant:
        """Elements along an axis as ``places`` has them, where it has any."""
        if places is None:
            return self
        return self.then(("take", places, axis), lambda a: a.take(places, axis))

    @classmethod
    def joined(cls, parts: Sequence[Constant], axis: int) -> Constant:
        """Several, one after the other along an axis."""
        empty = [np.broadcast_to(np.float32(0), part.shape) for part in parts]
        return cls(
            ("concatenate", axis, *(part.key for part in parts)),
            np.concatenate(empty, axis).shape,
            lambda w: np.concatenate([part.make(w) for part in parts], axis),
        )

    def with_(self, other: Constant, function: Callable[..., Array]) -> Constant:
        """What a NumPy function makes of both."""
        name = function.__name__
        shape = np.broadcast_shapes(self.shape, other.shape)
        return Constant(
            (name, self.key, other.key),
            shape,
            lambda w: function(self.make(w), other.make(w)),
        )


class Walk:
    """What operators call of a walk over a graph.

    ``nodes`` makes each of what operators emit, by the name of its ONNX operator; it
    takes the walk, the node's inputs (None is one left out) and its attributes, as ONNX
    defines them. ``missing`` is what cannot be made, by the operator.
    """

    opset: Final = OPSET
    dynamic: Final = False
    #: What is made, as messages call it.
    form: str

    def __init__(self, graph: Graph, nodes: Mapping[str, Callable[..., Any]]) -> None:
        self.graph = graph
        self.missing: dict[str, str] = {}
        self._nodes = nodes
        self._known: dict[str, Any] = {}

    def emit(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        make = self._nodes.get(op_type)
        if make is None:
            raise Unwritable(f"{self.form} has no {op_type}")
        given = [self._taken(name) if name else None for name in inputs]
        return self._keep(make(self, *given, **attributes))

    def further(self, dtype: DType) -> str:
        raise Unwritable("its nodes have several outputs")

    def floats(
        self, values: Sequence[float], shape: Sequence[int] | None = None
    ) -> str:
        return self._numbers(np.asarray(values, np.float32), shape)

    def integers(
        self, values: Sequence[int], shape: Sequence[int] | None = None
    ) -> str:
        ends = np.iinfo(np.int32)
        return self._numbers(
            np.clip(values, ends.min, ends.max).astype(np.int32), shape
        )

    def zero(self, dtype: DType) -> str:
        return self._numbers(np.zeros((), np_dtype(dtype)), ())

    def shaped(self, x: Any, shape: Sequence[int]) -> Any:
        """``x`` in another shape."""
        if isinstance(x, Constant):
            return x.reshaped(shape)
        to: Any = self  # each walk has what arranging takes
        return reshaped(to, x, tuple(shape))

    def _taken(self, name: str) -> Any:
        return self._known[name]

    def _keep(self, value: Any) -> str:
        name = f"/{len(self._known)}"
        self._known[name] = value
        return name

    def _numbers(self, array: Array, shape: Sequence[int] | None) -> str:
        held = array if shape is None else array.reshape(tuple(shape))
        return self._keep(Constant.of(held))


# --- parts of nodes -------------------------------------------------------------------


def constant(value: Any, what: str) -> Constant:
    """A value that has to be known beforehand."""
    if not isinstance(value, Constant):
        raise Unwritable(f"its {what} is computed from the input")
    return value


def integers(value: Any) -> list[int]:
    """Whole numbers that have to be known beforehand, as sizes and axes are."""
    return [int(n) for n in constant(value, "shape").numbers.reshape(-1)]


def number(value: float) -> Constant:
    """One number."""
    return Constant.of(np.asarray(value, np.float32))


def left(
    x: Laid, axes: Sequence[int], *, keep: bool
) -> tuple[tuple[int, ...], tuple[int, ...], dict[int, Places]]:
    """Shape, order and places of what is left of ``x`` without these axes."""
    axes = [axis % len(x.shape) for axis in axes]
    new = {
        axis: at
        for at, axis in enumerate(
            a for a in range(len(x.shape)) if keep or a not in axes
        )
    }
    return (
        tuple(1 if axis in axes else x.shape[axis] for axis in new),
        tuple(new[axis] for axis in x.order if axis in new),
        {new[a]: told for a, told in x.places.items() if a not in axes},
    )


# --- nodes ----------------------------------------------------------------------------


def transposed(to: Walk, x: Any, *, perm: Sequence[int]) -> Any:
    """The same tensor, whose axes are called otherwise."""
    if isinstance(x, Constant):
        return x.transposed(perm)
    new = {axis: at for at, axis in enumerate(perm)}
    return replace(
        x,
        shape=tuple(x.shape[axis] for axis in perm),
        order=tuple(new[axis] for axis in x.order),
        places={new[axis]: told for axis, told in x.places.items()},
    )


def sliced(chosen: Callable[[Any, Any, int, range], Any]) -> Callable[..., Any]:
    """Elements along axes, of which ``chosen`` takes those of one."""

    def make(
        to: Walk, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None
    ) -> Any:
        lows, highs = integers(starts), integers(ends)
        at = range(len(lows)) if axes is None else integers(axes)
        by = [1] * len(lows) if steps is None else integers(steps)
        for axis, low, high, step in zip(at, lows, highs, by, strict=True):
            cut = slice(low, high, step)
            if isinstance(x, Constant):
                index = (*(slice(None),) * (axis % len(x.shape)), cut)
                x = x.then(("slice", axis, low, high, step), itemgetter(index))
            elif (found := range(x.shape[axis])[cut]) != range(x.shape[axis]):
                x = chosen(to, x, axis % len(x.shape), found)
        return x

    return make


def _reshape(to: Walk, x: Any, shape: Any) -> Any:
    wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(integers(shape))]
    if -1 in wanted:
        wanted[wanted.index(-1)] = prod(x.shape) // -prod(wanted)
    return to.shaped(x, wanted)


def _flatten(to: Walk, x: Any, *, axis: int = 1) -> Any:
    return to.shaped(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def _unsqueeze(to: Walk, x: Any, axes: Any) -> Any:
    added = integers(axes)
    rank = len(x.shape) + len(added)
    at = {axis % rank for axis in added}
    rest = iter(x.shape)
    return to.shaped(x, [1 if axis in at else next(rest) for axis in range(rank)])


def _shape(to: Walk, x: Any, *, start: int = 0, end: int | None = None) -> Constant:
    return Constant.of(np.asarray(x.shape[start:end], np.int32))


def _identity(to: Walk, x: Any) -> Any:
    return x


#: The ONNX operators of which every form has the same.
NODES: Final[Mapping[str, Callable[..., Any]]] = {
    "Reshape": _reshape, "Flatten": _flatten, "Unsqueeze": _unsqueeze, "Shape": _shape,
    "Identity": _identity,
}  # fmt: skip
