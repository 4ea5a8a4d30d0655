"""A graph that rules rewrite: operators with their numbers, and who reads whom.

A rule gives an operator's value another operator that yields the same. Names of values
stay, so whoever reads one reads the rewritten one, and what nobody reads any more goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from resgen.graph.ir import INPUT, Graph
from resgen.importing.flat import Collector, Flat, Note, outside
from resgen.ops.base import Op
from resgen.ops.types import TensorType
from resgen.weights.evaluate import Array

#: How many operators a rule looks back over.
_REACH: Final = 5
#: By what share a number of a file may be off, by what the file was lowered to: two
#: roundings of halves where it keeps such, and what people round otherwise.
_ROUNDED: Final = {"fp16": 2.0**-10, "bf16": 2.0**-7}
OpType = TypeVar("OpType", bound=Op)
Sources = Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class Part:
    """An operator; ``path`` is its name in the source, None where it has none."""

    value: str
    op: Op
    inputs: tuple[str, ...]
    type: TensorType
    path: str | None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)


class Net:
    """What is being rewritten."""

    def __init__(self, flat: Flat, *, named: bool) -> None:
        self.flat = flat
        self.named = named
        graph = flat.graph
        self.parts: dict[str, Part] = {}
        self.readers: dict[str, list[str]] = {i.name: [] for i in graph.inputs}
        self.inputs = {i.name: i.type for i in graph.inputs}
        self.outputs = list(graph.outputs)
        self.tensors, self.scales = dict(flat.tensors), dict(flat.scales)
        self.notes: list[Note] = list(flat.notes)
        self.changed: list[str] = []  # values to be looked at again
        self._made = 0
        self._rounded = _ROUNDED.get(flat.precision, 1e-4)
        for part in _parts(graph, flat):
            self._put(part)

    # --- looking ----------------------------------------------------------------------

    def typed(self, value: str) -> TensorType:
        return self.parts[value].type if value in self.parts else self.inputs[value]

    def before(self, value: str) -> tuple[Op, tuple[str, ...]] | None:
        """The operator that makes a value, and what it reads."""
        part = self.parts.get(value)
        return None if part is None else (part.op, tuple(part.inputs))

    def made(self, value: str, kind: type[OpType]) -> tuple[Part, OpType] | None:
        """The part that makes a value and its operator, if it is of this kind."""
        part = self.parts.get(value)
        if part is None or not isinstance(part.op, kind):
            return None
        return part, part.op

    def close(self, number: float, wanted: float) -> bool:
        """Equal but for how the source rounds."""
        return abs(number - wanted) <= self._rounded * abs(wanted)

    def alone(self, value: str) -> bool:
        """Whether one operator reads a value, once, and no output gives it out."""
        given_out = any(value == of for _, of in self.outputs)
        return len(self.readers[value]) == 1 and not given_out

    def after(self, part: Part) -> set[str]:
        """The values that depend on that of ``part``, and itself."""
        found, stack = {part.value}, [part.value]
        while stack:
            more = set(self.readers[stack.pop()]) - found
            found |= more
            stack += more
        return found

    def sized(self, part: Part, spatial: tuple[int, ...]) -> str | None:
        """The last value before ``part`` of this spatial size."""
        after, rank = self.after(part), part.type.rank
        for value in [*reversed(self.parts), *self.inputs]:
            kind = self.typed(value)
            if value not in after and kind.spatial == spatial and kind.rank == rank:
                return value
        return None

    # --- rewriting --------------------------------------------------------------------

    def become(
        self,
        part: Part,
        op: Op,
        inputs: Sequence[str],
        *,
        arrays: Mapping[str, Array] | None = None,
        sources: Sources | None = None,
        path: str | None = None,
    ) -> None:
        """The value of ``part`` is made by another operator from now on."""
        types = [self.typed(value) for value in inputs]
        made = op.result(*types)
        if made != part.type:
            raise ValueError(f"{part.value}: {op.name} yields {made}, not {part.type}")
        path = path or _renamed(part, op)
        old = part.inputs
        part.op, part.inputs, part.path = op, tuple(inputs), path
        part.arrays, part.sources = arrays or {}, sources or {}
        for value in inputs:
            self.readers[value].append(part.value)
        for value in old:
            self.readers[value].remove(part.value)
        steps = self._sweep(old)
        if (scale := self.scales.get(part.value)) is not None:
            self.scales[part.value] = replace(scale, within=scale.within + steps)
        self._look_again(part.value)

    def apply(self, of: Part, part: Part, inputs: Sequence[str]) -> None:
        """The value of ``part`` is what ``of`` makes of these inputs from now on.

        With the numbers of ``of``, and its name.
        """
        self.become(
            part, of.op, inputs, arrays=of.arrays, sources=of.sources, path=of.path
        )

    def insert(
        self,
        op: Op,
        inputs: Sequence[str],
        like: Part,
        *,
        arrays: Mapping[str, Array] | None = None,
        sources: Sources | None = None,
    ) -> str:
        """A new operator's value, which lies where ``like`` does."""
        self._made += 1
        value = f" {self._made}"  # no name that a source could have
        made = op.result(*(self.typed(v) for v in inputs))
        path, numbers = _renamed(like, op), (arrays or {}, sources or {})
        self._put(Part(value, op, tuple(inputs), made, path, *numbers))
        self._look_again(value)
        return value

    def bypass(self, part: Part, value: str) -> None:
        """Whoever reads ``part`` reads ``value`` instead, which is the same."""
        if self.typed(value) != part.type:
            raise ValueError(f"{part.value} and {value} are of different types")
        for name in dict.fromkeys(self.readers[part.value]):
            reader = self.parts[name]
            count = reader.inputs.count(part.value)
            reader.inputs = tuple(
                value if v == part.value else v for v in reader.inputs
            )
            self.readers[value] += [name] * count
        self.outputs = [(n, value if v == part.value else v) for n, v in self.outputs]
        self.readers[part.value] = []
        if part.value in self.tensors:
            self.tensors.setdefault(value, self.tensors[part.value])
        self._sweep([part.value])
        self._look_again(value)

    def _look_again(self, value: str) -> None:
        """A rule may begin some operators after what it finds changed."""
        near = [value]
        for _ in range(_REACH):
            self.changed += near
            near = [r for v in near for r in self.readers[v]][:_REACH]

    def _put(self, part: Part) -> None:
        self.parts[part.value] = part
        self.readers[part.value] = []
        for value in part.inputs:
            self.readers[value].append(part.value)

    def _sweep(self, values: Sequence[str]) -> float:
        """Drop what nobody reads any more; by what steps the source stored it."""
        queue, steps = list(values), 0.0
        while queue:
            value = queue.pop()
            given_out = any(value == of for _, of in self.outputs)
            if value not in self.parts or self.readers[value] or given_out:
                continue
            part = self.parts.pop(value)
            self.tensors.pop(value, None)
            if (scale := self.scales.pop(value, None)) is not None:
                steps += scale.scale + scale.within
            for read in part.inputs:
                self.readers[read].remove(value)
                queue.append(read)
        return steps

    # --- and back ---------------------------------------------------------------------

    def done(self) -> Flat:
        """The network as it is now."""
        graph, flat = self.flat.graph, self.flat
        first = graph.inputs[0].type.shape
        source = graph.nodes[0].origin.place.file if graph.nodes else graph.name
        to = Collector(graph.name, source, first)
        to.classes, to.notes = dict(flat.classes), self.notes
        names = {INPUT: INPUT}
        numbered = (part.path for part in self.parts.values() if part.arrays)
        owners = {path for path in numbered if path}
        around = {p[:at] for p in owners for at, sign in enumerate(p) if sign == "."}
        for part in self._ordered():
            path = part.path
            if path and not part.arrays:  # what has numbers keeps its name
                path = outside(path, owners)
            elif path in around:  # unless they are a module's that has parts besides
                path = f"{path}.{part.op.name}"
            names[part.value] = to.add(
                part.op,
                [INPUT] if part.op.read == 0 else [names[v] for v in part.inputs],
                part.arrays,
                name=path,
                sources=part.sources,
            )
        for value, tensor in self.tensors.items():
            if value in names:
                to.tensors[names[value]] = tensor
        done = to.flat([(name, names[value]) for name, value in self.outputs])
        scales = {names[v]: s for v, s in self.scales.items() if v in names}
        return replace(done, precision=flat.precision, scales=scales)

    def _ordered(self) -> Iterator[Part]:
        """Parts in the source's order, what a part reads before it."""
        done: set[str] = set()
        for first in list(self.parts):
            stack = [first]
            while stack:
                value = stack[-1]
                if value in done or value not in self.parts:
                    stack.pop()
                    continue
                lacking = [
                    v
                    for v in self.parts[value].inputs
                    if v not in done and v in self.parts
                ]
                if lacking:
                    stack += reversed(lacking)
                else:
                    done.add(stack.pop())
                    yield self.parts[value]


def _renamed(part: Part, op: Op) -> str | None:
    """The path of a part for another operator in its place."""
    if part.path is None:
        return None
    scope, dot, last = part.path.rpartition(".")
    return f"{scope}{dot}{op.name}" if last == part.op.name else part.path


def _parts(graph: Graph, flat: Flat) -> Iterator[Part]:
    for node in graph.nodes:
        specs = node.op.parameters(graph.types[node.inputs[0]])
        own = {
            s.role: f"{node.owner}.{s.role}" if s.role else node.owner for s in specs
        }
        pointer = node.origin.place.pointer
        numbered = re.fullmatch(rf"{node.op.name}_\d+", pointer)
        yield Part(
            node.name,
            node.op,
            # What reads nothing is beside a value, and no reader of it.
            (INPUT,) if node.op.read == 0 else node.inputs,
            node.type,
            None if numbered else pointer,
            {role: flat.weights[name] for role, name in own.items()},
            {role: flat.sources[name] for role, name in own.items()},
        )
