"""Which scopes of a graph become callable modules, and what flows in and out of them.

A scope of the language is a name for a part of the network; a module of torch is a
function besides. A scope can be one when its nodes run in one go and everything that
lives under its path is its own. The nodes of any other scope (one that is entered
twice, say) belong to the nearest scope around it that can, and its path only holds
modules. This file decides that, in time linear in the nodes, without torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from resgen.graph.ir import Graph, Node, Scope


@dataclass(eq=False)
class Scoped:
    """A callable scope: its steps in order, the values that enter and that leave.

    A step is a node or a callable scope within. ``inputs`` are the values from outside
    that its nodes read, in order of first use; ``outputs`` are the values made inside
    that are read outside or leave the network, in the order in which they are made.
    """

    scope: Scope
    steps: list[Node | Scoped] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.scope.path

    def walk(self) -> Iterator[Scoped]:
        """This part and all within, each before what it holds."""
        yield self
        for step in self.steps:
            if isinstance(step, Scoped):
                yield from step.walk()


def home(node: Node) -> str:
    """The path at which a node's module lives; nodes that share parameters share it."""
    return (node.owner or node.name) if node.operands else node.name


def partition(graph: Graph, apart: Collection[str] = ()) -> Scoped:
    """The tree of callable scopes; its root is the whole network.

    No scope but the root holds nodes of ``apart`` beside others.
    """
    lines = _lineages(graph)
    able = _callable(graph, lines, apart)
    parts = {i: Scoped(graph.scopes[i]) for i in able}
    made: dict[str, list[int]] = {i.name: [0] for i in graph.inputs}
    enter: dict[int, dict[str, None]] = {i: {} for i in able}
    leave: dict[int, set[str]] = {i: set() for i in able}
    for node in graph.nodes:
        line = [i for i in lines[node.scope] if i in able]
        for outer, inner in pairwise(line):
            steps = parts[outer].steps
            if not steps or steps[-1] is not parts[inner]:
                steps.append(parts[inner])
        parts[line[-1]].steps.append(node)
        for value in node.inputs:
            shared = _common(made[value], line)
            for i in line[shared:]:
                enter[i][value] = None
            for i in made[value][shared:]:
                leave[i].add(value)
        made[node.name] = line
    for _, value in graph.outputs:
        for i in made[value][1:]:
            leave[i].add(value)
    order = {node.name: n for n, node in enumerate(graph.nodes)}
    for i, part in parts.items():
        part.inputs = list(enter[i])
        part.outputs = sorted(leave[i], key=order.__getitem__)
    return parts[0]


def _common(a: list[int], b: list[int]) -> int:
    """How many scopes from the root two lineages share."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def _lineages(graph: Graph) -> list[list[int]]:
    """For each scope, the indices from the root to it."""
    lines: list[list[int]] = []
    for i, scope in enumerate(graph.scopes):
        lines.append([*lines[scope.parent], i] if scope.parent is not None else [i])
    return lines


def _callable(graph: Graph, lines: list[list[int]], apart: Collection[str]) -> set[int]:
    """Indices of the scopes that can be modules with a forward; the root always is."""
    # A scope that adds nothing to its parent's path has no place of its own.
    named = [
        i
        for i, scope in enumerate(graph.scopes)
        if scope.parent is not None and scope.path != graph.scopes[scope.parent].path
    ]
    entered = Counter(graph.scopes[i].path for i in named)
    by_path = {graph.scopes[i].path: i for i in named}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    count: Counter[int] = Counter()
    count_apart: Counter[int] = Counter()
    barred: set[int] = set()
    for n, node in enumerate(graph.nodes):
        line = lines[node.scope]
        place = home(node)
        # A module reaches only what lives within it, and passes may have made an
        # operator consume parameters of others.
        lives = (place, *node.references())
        for i in line:
            first.setdefault(i, n)
            last[i] = n
            within = graph.scopes[i].path + "."
            if not all(path.startswith(within) for path in lives):
                barred.add(i)
        count.update(line)
        if node.name in apart:
            count_apart.update(line)
        for path in {*_prefixes(place), *_prefixes(node.name)}:
            owner = by_path.get(path)
            if owner is not None and owner not in line:
                barred.add(owner)
    return {0} | {
        i
        for i in named
        if entered[graph.scopes[i].path] == 1
        and i not in barred
        and count[i]
        and last[i] - first[i] + 1 == count[i]
        and count_apart[i] in (0, count[i])
    }


def _prefixes(path: str) -> Iterator[str]:
    """``a.b.c`` gives ``a``, ``a.b`` and ``a.b.c``."""
    end = path.find(".")
    while end >= 0:
        yield path[:end]
        end = path.find(".", end + 1)
    yield path
