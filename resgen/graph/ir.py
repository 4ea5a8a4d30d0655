"""The graph: an ordered tuple of frozen nodes and a tree of scopes.

This is the truth that every artifact is written from. Nodes stand in an order in which
they can run; a node's one output goes by the node's name. Parameters are values of the
graph: nodes refer to them, several nodes may use one. networkx views of it are made by
:mod:`resgen.graph.views`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Final

from resgen.errors import Place
from resgen.ops.base import Op
from resgen.ops.types import DType, Initializer, Operand, TensorType, references
from resgen.options.kinds import typed
from resgen.words.numbers import count
from resgen.words.terminal import printable

#: The name of the one input of a spec's network.
INPUT: Final = "input"
#: The name of the output of a network that does not name its outputs.
OUTPUT: Final = "output"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A trainable tensor or a statistic, by its path (``layer1.0.conv1.weight``)."""

    name: str
    shape: tuple[int, ...]
    init: Initializer
    trainable: bool = True
    dtype: DType = "float32"

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Input:
    """A network input; the batch axis is not part of its type."""

    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Section:
    """The stem, a stage or the head: what time and cost are charged to."""

    name: str
    kind: str  # "stem", "stage" or "head"
    pointer: str  # of the resolved spec, e.g. "/stages/2"
    blocks: int = 0  # how many blocks a stage repeats


@dataclass(frozen=True, slots=True)
class Origin:
    """What of the spec made a node.

    ``section`` indexes ``Graph.sections``; ``block`` is the block's index in its stage
    (None outside blocks); ``role`` is ``branch``, ``shortcut``, ``merge``, ``pre``,
    ``post``, ``entry``, ``exit`` or ``""``, the innermost that applies. ``place`` is
    the line that a problem of the node is reported at.
    """

    section: int
    block: int | None
    role: str
    place: Place


@dataclass(frozen=True, slots=True)
class Scope:
    """A named part of the network, which becomes a torch module.

    ``parent`` indexes ``Graph.scopes`` (None for the root, whose path is "").
    ``kind`` is root, stem, head, stage, block, entry, exit or part; ``definition`` is
    the name of the block that it came from, with the resolved ``arguments`` and the
    loop ``indices`` in force.
    """

    path: str
    parent: int | None
    kind: str
    pointer: str
    definition: str | None = None
    arguments: tuple[tuple[str, Any], ...] = ()
    indices: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One operator applied to values.

    ``name`` is a dotted path, unique in the graph, and the name of the output.
    ``operands`` are what it consumes of the parameters, by role. ``owner`` is the path
    under which its parameters live: the name, unless the parameters are shared.
    ``absorbed`` are the nodes that passes have merged into this one, in order: its
    value is what the last of them yielded. ``precision`` is what the spec asks for, or
    nothing.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    type: TensorType
    scope: int
    origin: Origin
    operands: tuple[tuple[str, Operand], ...] = ()
    owner: str = ""
    absorbed: tuple[str, ...] = ()
    precision: str = ""

    def references(self) -> Iterator[str]:
        """Names of the parameters that it uses."""
        for _, operand in self.operands:
            yield from references(operand)


@dataclass(frozen=True)
class Graph:
    """A whole network, as it infers.

    ``training`` is the same network as it trains, where it then gives out more: with
    all outputs, and with the nodes and parameters that only those need.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[tuple[str, str], ...]  # (name of the output, value)
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...]
    scopes: tuple[Scope, ...]
    sections: tuple[Section, ...]
    passes: tuple[str, ...] = field(default=())  # names of the passes applied
    training: Graph | None = None

    @cached_property
    def types(self) -> dict[str, TensorType]:
        """The type of every value by name."""
        found = {i.name: i.type for i in self.inputs}
        found.update((n.name, n.type) for n in self.nodes)
        return found

    @cached_property
    def node(self) -> dict[str, Node]:
        """Nodes by name, which is that of the value that each makes."""
        return {n.name: n for n in self.nodes}

    @cached_property
    def parameter(self) -> dict[str, Parameter]:
        """Parameters by name."""
        return {p.name: p for p in self.parameters}

    @cached_property
    def consumers(self) -> dict[str, tuple[Node, ...]]:
        """The nodes that read each value, in order; a node twice if it reads twice."""
        found: dict[str, list[Node]] = {name: [] for name in self.types}
        for node in self.nodes:
            for value in node.inputs:
                found[value].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @property
    def params(self) -> int:
        """How many numbers training changes, but for those that inference lacks."""
        return sum(p.size for p in self.parameters if p.trainable)

    @property
    def inference(self) -> Graph:
        """The network without what only training has."""
        return replace(self, training=None)

    @cached_property
    def train_only(self) -> tuple[Parameter, ...]:
        """The parameters that only training has."""
        every = () if self.training is None else self.training.parameters
        return tuple(p for p in every if p.name not in self.parameter)

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """Types of what a node reads, in order."""
        return tuple(self.types[value] for value in node.inputs)

    def __str__(self) -> str:
        return shown["text"](self)

    def __repr__(self) -> str:
        return (
            f"<Graph of {printable(self.name)}: {count(len(self.nodes), 'operator')}>"
        )

    def _repr_svg_(self) -> str:
        """How a notebook shows it."""
        return shown["svg"](self)


#: What functions take that work on a graph.
GRAPH: Final = typed("a Graph; resgen.expand makes one", Graph)
#: What a terminal and a notebook show of a graph. The package puts it here, since what
#: draws and counts is made of graphs.
shown: Final[dict[str, Callable[[Graph], str]]] = {}
