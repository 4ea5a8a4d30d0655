"""A network as it was read: its operators in order, its numbers, and where they were.

Readers collect it with :class:`Collector`, one operator at a time. Each operator infers
its own type, so that a reader holds what it understood against the shapes that the
source tells.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from resgen.errors import Place, ResgenError
from resgen.graph.ir import (
    INPUT,
    Graph,
    Input,
    Node,
    Origin,
    Parameter,
    Scope,
    Section,
)
from resgen.ops.base import Op
from resgen.ops.types import TensorType
from resgen.weights.evaluate import Array


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where the source has a value: the tensor's name and the order of its axes.

    ``axes`` has for each axis of the tensor, the batch left out, the axis of our value;
    () where the tensor's are no permutation of ours, so that the two cannot be compared
    place by place. Axes that the tensor has merged, with each other or with the batch
    before them, count one by one, and those of size 1 that ours lacks do not count;
    ``parts`` are then the sizes of all.
    """

    name: str
    axes: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """How the integers, or small floats, of a ``tensor`` of the source are numbers.

    ``number = scale * (stored - point)``; ``kind`` is the type of what is stored, and
    ``bounds`` are the least and the largest that there is of it. ``within`` are the
    steps of what the source stores between the nodes that are one operator here.
    """

    tensor: Tensor
    scale: float
    point: int
    kind: str
    bounds: tuple[float, float]
    within: float = 0.0


@dataclass(frozen=True, slots=True)
class Note:
    """What was recognised, dropped or read otherwise, and why that changes nothing.

    What was ``assumed`` or ``reordered`` changes no number, and is to be known.
    """

    kind: str  # "recognised", "dropped", "read", "assumed" or "reordered"
    what: str
    why: str
    sources: tuple[str, ...] = ()  # nodes or initialisers of the source


@dataclass(frozen=True)
class Flat:
    """A network as it was read.

    ``weights`` are the numbers of the graph's parameters by name, and ``sources`` what
    each was made of: initialisers of a file, or a key of a module's ``state_dict``.
    ``tensors`` tells where the source has the values of the graph. ``classes`` are
    the classes of a module's parts by path; a file knows none. ``precision`` is what
    the source was lowered to, which is read as float32, and ``scales`` tell how a
    quantised one stores values.
    """

    graph: Graph
    weights: Mapping[str, Array]
    sources: Mapping[str, tuple[str, ...]]
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    precision: str = "fp32"
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def called(self, name: str) -> Flat:
        """The same network under another name."""
        return replace(self, graph=replace(self.graph, name=name))


def around(path: str) -> list[str]:
    """The paths that a path lies under, the outermost first."""
    return [path[:at] for at, character in enumerate(path) if character == "."]


def outside(path: str, owners: Container[str]) -> str:
    """A path beside the owner of numbers that it would lie under.

    >>> outside("stem.bn.act", {"stem.bn"})
    'stem.bn_act'
    """
    owner = next((above for above in around(path) if above in owners), None)
    return path if owner is None else owner + path[len(owner) :].replace(".", "_")


class Collector:
    """Collects a :class:`Flat`; a value goes by the name of its operator.

    Names are dotted paths as the source has them (``layer1.0.conv1``); where it has
    none, or one twice, the operator's kind and a number stand for it.
    """

    def __init__(self, name: str, source: str, shape: Sequence[int]) -> None:
        self.name = name
        self.source = source
        self.notes: list[Note] = []
        self.tensors: dict[str, Tensor] = {}
        self.classes: dict[str, str] = {}
        self.types: dict[str, TensorType] = {INPUT: TensorType(tuple(shape))}
        self._nodes: list[Node] = []
        self._parameters: dict[str, Parameter] = {}
        self._weights: dict[str, Array] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._owners: dict[tuple[str | None, ...], str] = {}  # by path and sources
        self._numbers: dict[str, int] = {}

    def add(
        self,
        op: Op,
        inputs: Sequence[str],
        arrays: Mapping[str, Array] | None = None,
        *,
        name: str | None = None,
        sources: Mapping[str, tuple[str, ...]] | None = None,
    ) -> str:
        """The value that ``op`` yields; ``arrays`` are its numbers by role.

        ``name`` is the operator's path in the source, if it has one, ``sources`` where
        the source has the numbers of each role. An operator whose numbers all come from
        where those of another one of the same path came shares its parameters. Raises
        :class:`~resgen.ops.base.ShapeError` where it cannot take its inputs, and
        :class:`ResgenError` where the numbers are not of the shapes that it asks for.
        """
        types = [self.types[value] for value in inputs]
        made = op.result(*types)
        specs = op.parameters(types[0])
        arrays, sources = arrays or {}, sources or {}
        given = (name, *(f"{r}={s}" for r in sorted(sources) for s in sources[r]))
        owner = ""
        unique = self._unique(name or op.name, numbered=name is None)
        if specs:
            owner = self._owners.setdefault(given, unique) if sources else unique
            if owner != unique and not self._owns(owner, arrays):
                owner = unique
            if owner == unique:
                self._own(owner, op, types[0], arrays, sources)
        names = {s.role: f"{owner}.{s.role}" if s.role else owner for s in specs}
        at = Place(self.source, 1, 1, name or unique)
        node = Node(
            unique,
            op,
            tuple(inputs),
            made,
            0,
            Origin(0, None, "", at),
            tuple(op.operands(names).items()) if specs else (),
            owner,
        )
        self._nodes.append(node)
        self.types[unique] = made
        return unique

    def flat(self, outputs: Sequence[tuple[str, str]]) -> Flat:
        """What was collected; ``outputs`` are values by the outputs' names.

        Operators that no output depends on are left out, and so are their numbers.
        """
        needed = {value for _, value in outputs}
        for node in reversed(self._nodes):
            if node.name in needed:
                needed.update(node.inputs)
        nodes = tuple(node for node in self._nodes if node.name in needed)
        owners = {node.owner for node in nodes if node.owner}
        used = {n for n in self._parameters if {n, n.rpartition(".")[0]} & owners}
        graph = Graph(
            name=self.name,
            inputs=(Input(INPUT, self.types[INPUT]),),
            outputs=tuple(outputs),
            nodes=nodes,
            parameters=tuple(p for n, p in self._parameters.items() if n in used),
            scopes=(Scope("", None, "root", ""),),
            sections=(Section("network", "head", "/head"),),
        )
        return Flat(
            graph,
            {n: a for n, a in self._weights.items() if n in used},
            {n: s for n, s in self._sources.items() if n in used},
            {v: t for v, t in self.tensors.items() if v in needed},
            self.classes,
            tuple(self.notes),
        )

    def _own(
        self,
        owner: str,
        op: Op,
        x: TensorType,
        arrays: Mapping[str, Array],
        sources: Mapping[str, tuple[str, ...]],
    ) -> None:
        for spec in op.parameters(x):
            name = f"{owner}.{spec.role}" if spec.role else owner
            array = arrays.get(spec.role)
            if array is None or array.shape != spec.shape:
                found = "none" if array is None else f"one of {array.shape}"
                raise ResgenError(
                    f"{owner}: {op.name} needs a {spec.role or 'parameter'} of "
                    f"{spec.shape}, and the source has {found}"
                )
            made = Parameter(name, spec.shape, spec.init, spec.trainable, spec.dtype)
            self._parameters[name] = made
            self._weights[name] = np.asarray(array, order="C")
            self._sources[name] = tuple(sources.get(spec.role, ()))

    def _owns(self, owner: str, arrays: Mapping[str, Array]) -> bool:
        """Whether these are an operator's numbers: one source may give others."""
        mine = {role: f"{owner}.{role}" if role else owner for role in arrays}
        return all(
            name in self._weights and np.array_equal(self._weights[name], arrays[role])
            for role, name in mine.items()
        )

    def _unique(self, wanted: str, *, numbered: bool) -> str:
        if not numbered and wanted not in self.types:
            return wanted
        number = self._numbers.get(wanted, 0)
        while f"{wanted}_{number}" in self.types:
            number += 1
        self._numbers[wanted] = number + 1
        return f"{wanted}_{number}"
