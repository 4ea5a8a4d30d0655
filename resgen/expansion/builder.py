"""Nodes, parameters and scopes as they are made, one operator at a time.

The builder knows names and types and nothing of the language. What it is asked often
(the type that an operator makes of an input) it remembers, so cost grows in a straight
line with a small slope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from resgen.errors import Place
from resgen.graph.cost import FURTHEST
from resgen.graph.ir import INPUT, Graph, Input, Node, Origin, Parameter, Scope, Section
from resgen.ops.base import Op
from resgen.ops.types import ParameterSpec, TensorType
from resgen.spec.places import ALLOWANCE

#: What an operator costs at most in a network of usual blocks, in the unit of
#: ``ALLOWANCE``.
WORK_PER_OPERATOR: Final = 60


#: No machine holds a larger value.
MAX_ELEMENTS: Final = 1 << 48


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a network may be before it is refused, memory untouched.

    ``operators`` bounds the nodes of the graph, ``parameters`` the scalars of all its
    tensors (8 GB in float32 by default).
    """

    operators: int = 16_000
    parameters: int = 2_000_000_000

    @property
    def work(self) -> float:
        """What an examination may cost: in proportion where more is allowed."""
        return max(ALLOWANCE, WORK_PER_OPERATOR * self.operators)


class LimitExceeded(Exception):
    """The network is larger than the limits allow."""


@dataclass(slots=True)
class Val:
    """A value under way: its name and type, and the stride that it was taken at.

    A ``spoiled`` value follows a problem: what happens to it is no news.
    """

    name: str
    type: TensorType
    stride: tuple[int, ...]
    spoiled: bool = False

    @property
    def channels(self) -> int:
        """Size of the first axis."""
        return self.type.shape[0]

    def spoil(self) -> Val:
        """What follows a problem with this value."""
        return replace(self, spoiled=True)


@dataclass(frozen=True, slots=True)
class Many:
    """A list of values; with ``names`` it is what the network gives out.

    Those of ``train_only`` it gives out in training alone.
    """

    items: tuple[Value, ...]
    names: tuple[str, ...] = ()
    train_only: frozenset[str] = frozenset()
    #: Of each item. Made once, since every element is asked under it.
    channels: tuple[Any, ...] = field(init=False)
    spoiled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(v.channels for v in self.items))
        if any(v.spoiled for v in self.items):
            object.__setattr__(self, "spoiled", True)

    def spoil(self) -> Many:
        """What follows a problem with this value."""
        made = copy(self)  # its channels are known, and may be many
        object.__setattr__(made, "spoiled", True)
        return made


Value = Val | Many


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a builder had come: numbers of what it held."""

    nodes: int
    parameters: int
    owners: int
    scopes: int


@dataclass(frozen=True, slots=True)
class Added:
    """What was added to a builder in one go; ``owners`` holds parameters by owner."""

    nodes: list[Node]
    parameters: dict[str, Parameter]
    owners: dict[str, tuple[str, ...]]
    scopes: list[Scope]

    def roles(self, node: Node) -> tuple[str, ...]:
        """Names of all parameters of a node's owner, in the order of their roles."""
        return self.owners[node.owner] if node.owner else ()


@dataclass(slots=True)
class Outcome:
    """What an operator makes of input types; kept, so that its id stays its own."""

    op: Op
    type: TensorType
    parameters: tuple[ParameterSpec, ...]
    stride: tuple[int, ...] | None


@dataclass(slots=True, eq=False)
class Made:
    """Operators by what they are told, and what they make by the shapes of inputs.

    Nothing in it depends on a network, so several may have one.
    """

    operators: dict[tuple[Any, ...], Op] = field(default_factory=dict)
    outcomes: dict[tuple[Any, ...], Outcome] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.outcomes)


@dataclass(slots=True)
class Builder:
    """Collects a graph."""

    name: str
    limits: Limits
    made: Made = field(default_factory=Made)
    nodes: list[Node] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    scopes: list[Scope] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _owners: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _size: int = 0
    _origins: dict[tuple[Any, ...], Origin] = field(default_factory=dict)

    def origin(
        self, section: int, block: int | None, role: str, place: Place
    ) -> Origin:
        """One object for the nodes that have an origin in common."""
        key = (section, block, role, id(place))
        found = self._origins.get(key)
        if found is None:
            found = self._origins[key] = Origin(section, block, role, place)
        return found

    def scope(self, scope: Scope) -> int:
        """Add a scope and return its index."""
        self.scopes.append(scope)
        return len(self.scopes) - 1

    def infer(self, op: Op, inputs: list[Val]) -> Outcome:
        """Type, parameters and stride of what ``op`` makes; ShapeError if it cannot."""
        key = (id(op), *[v.type.shape for v in inputs])
        made = self.made.outcomes.get(key)
        if made is None:
            types = [v.type for v in inputs]
            of = op.result(*types)
            if of.size > MAX_ELEMENTS:
                raise LimitExceeded(f"a value of more than {MAX_ELEMENTS:,} numbers")
            window = op.window(types[0])
            made = self.made.outcomes[key] = Outcome(
                op,
                of,
                op.parameters(types[0]),
                None if window is None else window.stride,
            )
        return made

    def taken(self, owner: str) -> bool:
        """Whether parameters already live under this path."""
        return owner in self._owners

    def emit(
        self,
        op: Op,
        inputs: list[Val],
        scope: int,
        origin: Origin,
        path: str,
        owner: str | None,
        precision: str = "",
    ) -> Val:
        """Add a node; its name is ``owner``, or made of the scope's path and the op."""
        made = self.infer(op, inputs)
        if len(self.nodes) >= self.limits.operators:
            raise LimitExceeded(f"more than {self.limits.operators:,} operators")
        wanted = owner or (f"{path}.{op.name}" if path else op.name)
        name = self._unique(wanted)
        operands: tuple[tuple[str, Any], ...] = ()
        if made.parameters:
            owner = owner or name
            names = {p.role: self._parameter(owner, p) for p in made.parameters}
            operands = tuple(op.operands(names).items())
            self._owners[owner] = tuple(names.values())
        else:
            owner = ""
        self.nodes.append(
            Node(
                name,
                op,
                tuple([v.name for v in inputs]),
                made.type,
                scope,
                origin,
                operands,
                owner,
                precision=precision,
            )
        )
        return Val(name, made.type, self._stride(inputs[0], made))

    def preview(self, op: Op, inputs: list[Val], name: str) -> Val:
        """What :meth:`emit` yields; nothing is added."""
        made = self.infer(op, inputs)
        return Val(name, made.type, self._stride(inputs[0], made))

    def mark(self) -> Mark:
        """Where :meth:`rollback` can return to."""
        return Mark(
            len(self.nodes), len(self.parameters), len(self._owners), len(self.scopes)
        )

    def since(self, mark: Mark) -> Added:
        """What was added after ``mark``."""
        return Added(
            self.nodes[mark.nodes :],
            dict(islice(self.parameters.items(), mark.parameters, None)),
            dict(islice(self._owners.items(), mark.owners, None)),
            self.scopes[mark.scopes :],
        )

    def adopt(self, added: Added) -> bool:
        """Add all of it; false, and nothing is done, where a name or the limits forbid.

        Values that it refers to are there already.
        """
        names = [node.name for node in added.nodes]
        size = self._size + sum(p.size for p in added.parameters.values())
        if (
            len(self.nodes) + len(names) > self.limits.operators
            or size > self.limits.parameters
            or not self._names.isdisjoint(names)
            or not self.parameters.keys().isdisjoint(added.parameters)
            or not self._owners.keys().isdisjoint(added.owners)
        ):
            return False
        self.nodes += added.nodes
        self.parameters.update(added.parameters)
        self.scopes += added.scopes
        self._names.update(names)
        self._owners.update(added.owners)
        self._size = size
        return True

    def rollback(self, mark: Mark) -> None:
        """Take back everything that was added since ``mark``.

        Numbers that made names unique are not given again; nobody refers to them.
        """
        self._names.difference_update(node.name for node in self.nodes[mark.nodes :])
        del self.nodes[mark.nodes :]
        del self.scopes[mark.scopes :]
        while len(self.parameters) > mark.parameters:
            self._size -= self.parameters.popitem()[1].size
        while len(self._owners) > mark.owners:
            self._owners.popitem()

    def exchange(self, parameters: Mapping[str, Parameter]) -> None:
        """Put parameters in the place of those of the same names."""
        self.parameters.update(parameters)
        self._size = sum(p.size for p in self.parameters.values())
        if self._size > self.limits.parameters:
            raise LimitExceeded(f"more than {self.limits.parameters:,} parameters")

    def _stride(self, x: Val, made: Outcome) -> tuple[int, ...]:
        axes = len(made.type.shape) - 1
        if made.stride is None and len(x.stride) == axes:
            return x.stride
        # Axes come and go at the front (unflatten, stack): the last ones are the map's.
        before = ((1,) * axes + x.stride)[len(x.stride) :]
        if made.stride is None or len(made.stride) != axes:
            return before
        # Maps that attention grows again go on being counted, up to a number that is
        # no stride any more.
        rows = zip(before, made.stride, strict=True)
        return tuple([min(a * b, FURTHEST) for a, b in rows])

    def _parameter(self, owner: str, spec: ParameterSpec) -> str:
        name = f"{owner}.{spec.role}" if spec.role else owner
        if name not in self.parameters:
            made = Parameter(name, spec.shape, spec.init, spec.trainable, spec.dtype)
            self._size += made.size
            if self._size > self.limits.parameters:
                raise LimitExceeded(f"more than {self.limits.parameters:,} parameters")
            self.parameters[name] = made
        return name

    def _unique(self, wanted: str) -> str:
        if wanted not in self._names and wanted != INPUT:
            self._names.add(wanted)
            return wanted
        count = self._counts.get(wanted, 0)
        while True:
            count += 1
            name = f"{wanted}_{count}"
            if name not in self._names:
                break
        self._counts[wanted] = count
        self._names.add(name)
        return name

    def graph(
        self,
        shape: TensorType,
        outputs: tuple[tuple[str, str], ...],
        train_only: frozenset[str] = frozenset(),
    ) -> Graph:
        """The graph of everything that was added.

        What only the outputs of ``train_only`` need is left to its ``training``.
        """
        whole = Graph(
            name=self.name,
            inputs=(Input(INPUT, shape),),
            outputs=outputs,
            nodes=tuple(self.nodes),
            parameters=tuple(self.parameters.values()),
            scopes=tuple(self.scopes),
            sections=tuple(self.sections),
        )
        if not train_only:
            return whole
        given = tuple(each for each in outputs if each[0] not in train_only)
        left = _needed(whole, set(outputs) - set(given)) - _needed(whole, given)
        nodes = [node for node in whole.nodes if node.name not in left]
        used = {name for n in nodes if n.owner for name in self._owners[n.owner]}
        return replace(
            whole,
            outputs=given,
            nodes=tuple(nodes),
            parameters=tuple(p for p in whole.parameters if p.name in used),
            training=whole,
        )


def _needed(graph: Graph, outputs: Iterable[tuple[str, str]]) -> set[str]:
    """The values that these outputs are computed from, themselves included."""
    found = {value for _, value in outputs}
    for node in reversed(graph.nodes):
        if node.name in found:
            found.update(node.inputs)
    return found
