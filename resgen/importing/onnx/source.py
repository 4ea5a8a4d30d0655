"""What a node is read from: its inputs as they are seen, and what is written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import Any, Final

import numpy as np

from resgen.importing.calls import Calls
from resgen.importing.flat import Collector, Scale, Tensor, around, outside
from resgen.importing.onnx.trace import FileNode, Traced
from resgen.importing.unspoken import Padded, Spread
from resgen.importing.views import BATCH, Const, Seen, Unread, View, plain
from resgen.onnxfile.paths import path_of_weight
from resgen.ops import OPERATORS
from resgen.ops.base import Op, Read, per_axis
from resgen.ops.max_pool import MaxPool
from resgen.ops.pad import Pad
from resgen.ops.resize import Resize
from resgen.ops.shift import Shift
from resgen.ops.types import TensorType
from resgen.spec.paths import fault
from resgen.weights.evaluate import Array

#: Operators that work on the last axis of what they are given.
_LAST: Final = ("Gemm", "LayerNormalization", "RMSNormalization")
#: Names of weights, such as "pos_embed", and those that exporters count, which may be
#: what torch calls an operator that was computed.
_NAMED: Final = re.compile(r"(?=.*[A-Za-z_])\w+(\.\w+)*")
_NUMBERED: Final = re.compile(
    r"([a-z]*(val|const|constant|tensor)[a-z]*_?\d*|\d+|"
    r"_?(add|cat|clone|div|expand|index|mul|permute|reshape|select|slice|softmax|sub|sum"
    r"|tanh|to_copy|transpose|unsqueeze|view)(_\d+)?)"
)
#: Of how many axes every order is tried.
_FEW: Final = 3
#: A path as torch has it: the names that people give to single numbers, too.
_DOTTED: Final = re.compile(r"\w+(\.\w+)*\.[A-Za-z_]\w*")


class Source:
    """A traced file: ``seen`` are its tensors, ``calls`` writes what they are."""

    traced: Traced
    calls: FileCalls
    seen: dict[str, Seen]
    #: How a quantised file stores values, and what it was lowered to.
    scales: dict[str, Scale]
    precision: str

    def given(self, node: FileNode, position: int) -> Seen | None:
        """What a node's input is seen as; None where it is left out."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.seen:
            self.seen[name] = self._const(name)
        return self.seen[name]

    def value(self, node: FileNode, position: int = 0) -> Seen:
        """The same of an input that has to be there."""
        found = self.given(node, position)
        if found is None:
            raise Unread(f"it has no input {position}")
        return found

    def numbers(self, node: FileNode, position: int) -> Any | None:
        """The array of a constant input; None where there is none."""
        found = self.given(node, position)
        return found.array if isinstance(found, Const) else None

    def shape(self, node: FileNode) -> tuple[int, ...]:
        """The sizes of a node's result, the batch included."""
        return self.traced.shapes[node.outputs[0]]

    def placed(self, tensor: str, seen: View) -> Tensor:
        """Where the file has a value, by the name of a tensor that is seen so."""
        sizes = self.calls.to.types[seen.value].shape
        batch, *axes = [a for own in seen.axes for a in own] or [0]
        ordered = batch == BATCH and sorted(axes) == list(range(len(sizes)))
        merged = any(len(own) != 1 for own in seen.axes)
        return Tensor(
            tensor,
            tuple(axes) if ordered else (),
            tuple(sizes[axis] for axis in axes) if ordered and merged else (),
        )

    def asked(self, node: FileNode, x: TensorType) -> NodeSeen:
        """A node as an operator's reading sees it, its input a value of this type."""
        return NodeSeen(self, node, x)

    def operator(self, op: type[Op], node: FileNode) -> Seen:
        """What an operator of ours reads, over the axes that it works on."""
        x = self.value(node)
        if isinstance(x, Const):
            raise Unread(f"{node.op_type} of what no input changes")
        calls, last = self.calls, node.op_type in _LAST
        if last:
            x = calls.channels_first(x)
        ordered = op.ordered and not last
        kind = TensorType(calls.shape(x)[1:]) if ordered else calls.to.types[x.value]
        found = op.from_onnx(self.asked(node, kind))
        for before in found.before:
            if isinstance(found.op, MaxPool):
                before = _never_wins(before, kind)
            x = calls.spatial(before, x)
        numbers, owner = self._roles(node, found)
        if isinstance(found.op, Resize):
            inputs = [calls.standard(x), self._sized(self.shape(node)[2:])]
            return calls.seen(calls.emit(found.op, inputs))
        if ordered:
            return calls.spatial(found.op, x, numbers, path=owner)
        return calls.unary(found.op, x, numbers, path=owner)

    def _roles(
        self, node: FileNode, found: Read
    ) -> tuple[dict[str, Const], str | None]:
        """The parameters of an operator, and the module that they are of."""
        numbers: dict[str, Const] = {}
        for role, where in found.roles.items():
            at, array = (where, None) if isinstance(where, int) else where
            held = self.given(node, at)
            if held is None and array is not None:
                numbers[role] = Const(array)
            elif isinstance(held, Const):
                numbers[role] = held if array is None else Const(array, held.sources)
            else:
                raise Unread(f"its {role} is computed from the input")
        if empty := [role for role, const in numbers.items() if not const.array.size]:
            raise Unread(f"its {empty[0]} holds no numbers")
        if "running_mean" in numbers:
            numbers["num_batches_tracked"] = Const(np.zeros((), np.int64))
        sources = [s for const in numbers.values() for s in const.sources]
        owner = next(filter(None, map(owner_of, sources)), None)
        return numbers, owner

    def _sized(self, spatial: tuple[int, ...]) -> str:
        """The last value of these sizes, which is what a map is resized to."""
        for value, kind in reversed(self.calls.to.types.items()):
            if kind.spatial == spatial:
                return value
        raise Unread(f"no value before it has the size {spatial} that it takes")

    def _const(self, name: str) -> Const:
        """A constant; one number is a literal unless its name is as torch has it."""
        array = self.traced.constants[name]
        if array.dtype.kind in "fV":
            array = array.astype(np.float32)
        sources = self.traced.sources.get(name, ()) or (name,)
        if array.size == 1 and not any(_DOTTED.fullmatch(s) for s in sources):
            return Const(array)
        if len(sources) > 1 or sources[0] not in self.traced.initializers:
            return Const(array, sources)
        stored = self.traced.values[sources[0]]
        named = _NAMED.fullmatch(sources[0]) and not _NUMBERED.fullmatch(sources[0])
        path = sources[0] if named and fault(sources[0]) is None else None
        if stored.shape == array.shape or stored.size != array.size:
            return Const(array, sources, path)
        stored = stored.astype(array.dtype)
        moves = _moves(stored, array)
        if moves is None:
            return Const(array, sources, path)
        return Const(array, sources, path, stored, moves)


class FileCalls(Calls):
    """Calls that name operators by the module that a node says it is.

    ``leaf`` is that module where no other lies in it: then the operator is the module.
    What is repeated to a shape is left so until it is known what for.
    """

    leaf: str | None = None

    def __init__(self, to: Collector, batch: int) -> None:
        super().__init__(to, batch)
        #: Modules with numbers, whose paths are those of the operators that have them,
        #: and those that they lie in.
        self.modules: set[str] = set()
        self.holding: set[str] = set()
        self.owners: set[str] = set()
        self.around: set[str] = set()  # the paths that they lie under
        #: The operator of each value, and what it reads.
        self.made: dict[str, tuple[Op, tuple[str, ...]]] = {}

    def emit(
        self,
        op: Op,
        inputs: Sequence[str],
        numbers: Mapping[str, Const] | None = None,
        *,
        path: str | None = None,
    ) -> str:
        if numbers or self.leaf not in self.modules:
            path = path or self.leaf
        if path and numbers:
            path = self._apart(self._own(path), op)
        elif numbers and f"{self.scope}.{op.name}" in self.holding:
            path = f"{self.scope}.{op.name}_0"  # what is called so holds others
        made = super().emit(op, inputs, numbers, path=path)
        self.made.setdefault(made, (op, tuple(inputs)))
        return made

    def _own(self, path: str) -> str:
        """The path where the node is, if the numbers are stored under another's.

        Exporters store equal numbers once.
        """
        within = f"{path}.".startswith(f"{self.scope}.")
        if path not in self.owners or not self.scope or within:
            return path
        return self.leaf or f"{self.scope}.{path.rpartition('.')[2]}"

    def _apart(self, path: str, op: Op) -> str:
        """The path, which lies under no other operator's and has none under it."""
        path = outside(path, self.owners)
        if path in self.around:
            path = f"{path}.{op.name}"
        self.owners.add(path)
        self.around.update(around(path))
        return path

    def _with_const(self, kind: str, x: View, by: Const) -> Seen | None:
        if kind != "add" or by.array.size != 1 or not by.sources:
            return super()._with_const(kind, x, by)
        # A number that is learned is one for each channel here, all the same.
        channels = self.to.types[x.value].channels
        shifts = Const(by.array.reshape(-1).repeat(channels), by.sources)
        return replace(
            x, value=self.emit(Shift(), [x.value], {"": shifts}, path=by.path)
        )

    def _repeated(self, value: str, whole: tuple[int, ...], like: View | None) -> str:
        return self.emit(Spread(to=whole), [value])


class NodeSeen:
    """A node as an operator's reading sees it (``ops.base.OnnxNode``)."""

    def __init__(self, reader: Source, node: FileNode, x: TensorType) -> None:
        self._reader, self._node = reader, node
        self.op_type, self.opset, self.x = node.op_type, reader.traced.opset, x
        self.y = reader.shape(node)

    def given(self, name: str, default: Any = None) -> Any:
        return self._node.attributes.get(name, default)

    def numbers(self, position: int) -> Any | None:
        return self._reader.numbers(self._node, position)

    def number(self, position: int) -> float | None:
        held = self.numbers(position)
        return None if held is None else plain(held)

    def stored_rank(self, position: int) -> int:
        held = self._reader.given(self._node, position)
        if not isinstance(held, Const):
            return 0
        return int((held.array if held.stored is None else held.stored).ndim)

    def named(self, position: int) -> bool:
        held = self._reader.given(self._node, position)
        return isinstance(held, Const) and any(map(owner_of, held.sources))


def owner_of(weight: str) -> str | None:
    """The module that a weight's name says it is of, if a module can be called so."""
    path = path_of_weight(weight)
    if path is None or ("." not in weight and _NUMBERED.fullmatch(path)):
        return None
    return path if fault(path) is None else None


def _moves(
    stored: Array, array: Array
) -> tuple[tuple[str, tuple[int, ...]], ...] | None:
    """How a constant is its weight in another shape, or order of axes."""
    whole = ("reshape", array.shape)
    if np.array_equal(stored.reshape(-1), array.reshape(-1)):
        return (whole,)
    plain, wanted = stored.squeeze(), array.squeeze()
    for order in permutations(range(min(plain.ndim, _FEW))):
        if plain.ndim == len(order) and np.array_equal(plain.transpose(order), wanted):
            return ("reshape", plain.shape), ("permute", order), whole
    return None


def _never_wins(pad: Op, x: TensorType) -> Op:
    """What lies around a map that a maximum is taken of, for a pool that pads not."""
    if not isinstance(pad, Pad):
        return pad
    begin, end = per_axis(pad.begin, x, "begin"), per_axis(pad.end, x, "end")
    return Padded((0, *begin), (0, *end), "constant", float("-inf"))


@cache
def readers() -> dict[str, type[Op]]:
    """The operators of ours by those of ONNX that they read."""
    return {name: op for op in OPERATORS.values() for name in op.onnx_types}
