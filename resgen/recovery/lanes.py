"""Values that run side by side through a network, brought together as lists.

A part of a network that reads several values and yields several, as a module of a
high-resolution network does, is no sequence of single values. Between two such parts
the values that go on are made one list, and what reads one of them takes an item of it:
then all that lies between two lists is written by itself.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from resgen.graph.ir import Graph, Node
from resgen.ops.base import Op, attribute

#: How many values run side by side at most.
_WIDEST: Final = 8


@dataclass(frozen=True)
class Listed(Op):
    """Several values as one, where a graph is looked at as the language writes it."""

    name: ClassVar[str] = "list"
    arity: ClassVar[int | None] = None


@dataclass(frozen=True)
class Item(Op):
    """One value of a list."""

    name: ClassVar[str] = "item"
    at: int = attribute("integer", "which one")


def listed(graph: Graph, *, inside: bool = False) -> Graph | None:
    """The graph with lists where several values run on; None where there are none.

    They run between parts of the network, or, ``inside``, of its parts at any depth. It
    is of no use but to be written: lists are gone when the language is expanded.
    """
    lanes = _Lanes(graph, inside)
    found = lanes.steps()
    if len(found) < 2:
        return None
    return _rewritten(graph, found, lanes.order.__getitem__ if inside else _by_number)


def _path(node: Node) -> tuple[str, ...]:
    """The names of what a node stands in."""
    return tuple((node.owner or node.name).split(".")[: None if node.owner else -1])


def _under(nodes: Sequence[Node], depth: int) -> tuple[str, ...]:
    """What all of these stand in, as far as ``depth``."""
    path = _path(nodes[0])[:depth]
    while any(_path(node)[: len(path)] != path for node in nodes):
        path = path[:-1]
    return path


@dataclass(frozen=True, slots=True)
class _Step:
    """Nodes between two lists, and what they stand in."""

    nodes: list[Node]
    path: tuple[str, ...]


class _Lanes:
    """Finds the parts of a network that several values run through."""

    def __init__(self, graph: Graph, inside: bool) -> None:
        self.graph = graph
        self.inside = inside
        self.order = {node.name: at for at, node in enumerate(graph.nodes)}
        self.depth: dict[str, int] = {}
        self.readers: defaultdict[str, set[str]] = defaultdict(set)
        for node in graph.nodes:
            above = [self.depth.get(value, 0) for value in node.inputs]
            self.depth[node.name] = 1 + max(above, default=0)
            for value in node.inputs:
                self.readers[value].add(node.name)
        for _, value in graph.outputs:
            self.readers[value].add("")

    def steps(self) -> list[_Step]:
        """The nodes in steps: between any two of them run several values, or one."""
        found = self._steps(list(self.graph.nodes), 0)
        return [_Step(nodes, _under(nodes, depth)) for nodes, depth in found]

    def _steps(self, nodes: list[Node], depth: int) -> Iterator[tuple[list[Node], int]]:
        """Each step with how long the path is at most that it is told by."""
        under: list[Node] = []
        after = False  # whether the last step was of several values
        for part in self._parts(nodes, depth):
            if not self._wide(part):
                if self.inside and after:
                    yield part, depth + 1
                    after = False
                    continue
                more = self._inner(part, depth + 1)
                if len(more) < 2:
                    under += part
                    continue
                if under:
                    yield under, depth + 1
                under = []
                yield from more
                after = False
                continue
            if under:
                yield under, depth + 1
            under, after = [], True
            if len(_under(part, depth + 1)) > depth and self._row(part, depth + 1):
                yield from self._steps(part, depth + 1)
            else:
                yield part, depth + 1
        if under:
            yield under, depth + 1

    def _inner(self, nodes: list[Node], depth: int) -> list[tuple[list[Node], int]]:
        """The steps in a part that one value enters or leaves, where those are seen."""
        if not self.inside or len(_under(nodes, depth)) < depth:
            return []
        return list(self._steps(nodes, depth))

    def _row(self, nodes: list[Node], depth: int) -> bool:
        """Whether what is in a part is told in steps.

        Inside of parts that is where parts with numbers stand in a row: a unit is none.
        """
        if not self.inside:
            return True
        parts = list(self._parts(nodes, depth))
        if len(parts) == 1 and len(_under(nodes, depth + 1)) > depth:
            return self._row(nodes, depth + 1)  # what only holds the row
        wide = [part for part in parts if self._wide(part)]
        paths = [_under(part, depth + 1)[depth:] for part in wide]
        return sum(bool(path) and path[0].isdecimal() for path in paths) > 1

    def _wide(self, nodes: Collection[Node]) -> bool:
        """Whether they read several values of others and yield several.

        Of parts at any depth the first reads one alone.
        """
        own = {node.name for node in nodes}
        read = {value for node in nodes for value in node.inputs if value not in own}
        made = [name for name in own if not own >= self.readers[name]]
        several = self.inside or 1 < len(read & self.depth.keys()) <= _WIDEST
        return several and 1 < len(made) <= _WIDEST

    def _parts(self, nodes: list[Node], depth: int) -> Iterator[list[Node]]:
        """Nodes by the next name of their paths, in the order in which they run.

        What has no such name belongs to what it takes, except in the network itself;
        those that need each other are one.
        """
        import networkx

        of: dict[str, Any] = {}
        for node in nodes:
            path = _path(node)[depth : depth + 1]
            if path:
                of[node.name] = path[0]
                continue
            inputs = [value for value in node.inputs if depth and value in of]
            last = max(inputs, key=self.depth.__getitem__, default=None)
            of[node.name] = (node.name,) if last is None else of[last]
        quotient: Any = networkx.DiGraph()
        for node in nodes:
            quotient.add_node(of[node.name])
            for value in node.inputs:
                if of.get(value, of[node.name]) != of[node.name]:
                    quotient.add_edge(of[value], of[node.name])
        whole = networkx.condensation(quotient)
        member = whole.graph["mapping"]
        parts: defaultdict[int, list[Node]] = defaultdict(list)
        for node in nodes:
            parts[member[of[node.name]]].append(node)
        first = {part: self.order[found[0].name] for part, found in parts.items()}
        for part in networkx.lexicographical_topological_sort(whole, key=first.get):
            yield parts[part]


class _Rewriting:
    """Nodes under way, and the values that are in a list now."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made: list[Node] = []
        self.whole = ""  # the list
        self.lane: list[str] = []  # what is in it
        self.taken: dict[tuple[str, Any], str] = {}  # items that are there already
        self.count = 0

    def add(
        self, op: Op, inputs: Sequence[str], like: str, path: Sequence[str] = ()
    ) -> str:
        """Append a list, or an item of one, and tell its name."""
        self.count += 1
        name = ".".join((*path, f"{op.name}_{self.count}_"))
        node, under = self.graph.node[like], tuple(inputs)
        self.made.append(
            replace(node, name=name, op=op, inputs=under, owner="", operands=())
        )
        return name

    def take(self, value: str, goal: Any, path: Sequence[str] = ()) -> str:
        """By what name a value goes; each ``goal`` has an item of its own."""
        if not self.whole or value not in self.lane:
            return value
        key = value, goal
        if key not in self.taken:
            at = self.lane.index(value)
            self.taken[key] = self.add(Item(at=at), [self.whole], value, path)
        return self.taken[key]

    def bring(self, lane: list[str], path: Sequence[str]) -> None:
        """Make a list of these values; one by itself is none."""
        whole = ""
        if len(lane) > 1:
            items = [self.take(value, frozenset({value})) for value in lane]
            whole = self.add(Listed(), items, lane[0], path)
        self.whole, self.lane, self.taken = whole, lane, {}


def _rewritten(graph: Graph, steps: list[_Step], key: Callable[[str], Any]) -> Graph:
    """The graph with a list of all values that run on after each step, by their key."""
    at = {node.name: n for n, step in enumerate(steps) for node in step.nodes}
    last: dict[str, int] = {}
    for node in graph.nodes:
        for value in node.inputs:
            last[value] = max(last.get(value, 0), at[node.name])
    last.update((value, len(steps)) for _, value in graph.outputs)
    under = _Rewriting(graph)
    for n, step in enumerate(steps):
        new = [node.name for node in step.nodes if last.get(node.name, n) > n]
        on = [v for v in under.lane if last[v] > n] + sorted(new, key=key)
        goals = _leads(step.nodes, on)
        for node in step.nodes:
            goal = goals[node.name]
            inputs = [under.take(value, goal, step.path) for value in node.inputs]
            under.made.append(replace(node, inputs=tuple(inputs)))
        if n + 1 < len(steps):
            under.bring(on, step.path)
    outputs = tuple((name, under.take(value, name)) for name, value in graph.outputs)
    return replace(graph, nodes=tuple(under.made), outputs=outputs)


def _leads(step: Sequence[Node], ahead: Sequence[str]) -> dict[str, frozenset[str]]:
    """To which of the values that run on each node of a step leads."""
    goes: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    for value in ahead:
        goes[value] |= {value}
    for node in reversed(step):
        for value in node.inputs:
            goes[value] |= goes[node.name]
    return goes


def _by_number(name: str) -> list[Any]:
    """Values by the numbers in their paths."""
    return [
        (n % 2, int(p) if n % 2 else p) for n, p in enumerate(re.split(r"(\d+)", name))
    ]
