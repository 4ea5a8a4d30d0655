"""A graph written out as a body of the language, which nothing is folded in.

The way is by dominators: a value that everything later depends on through it alone ends
one element and begins the next. Between two such values lie the branches of what merges
them; a value that several branches read is written once, before them or in the first,
and the others start from it. So every graph has a body, and the text is in the order in
which the operators can run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias

from resgen.graph.identity import read
from resgen.graph.ir import INPUT, OUTPUT, Graph, Node
from resgen.importing.flat import Flat
from resgen.ops.base import Op, ShapeError, signature
from resgen.ops.types import TensorType

#: Where merges nest deeper, their operators are written one after the other. A merge
#: takes three levels of JSON, of which a spec may have 64.
NESTED: Final = 16
#: The value above all constants, which depend on nothing.
_NOTHING: Final = ""
#: Names that the bodies of a spec know already.
_KNOWN: Final = ("input", "stages")
#: The key of an element that a name stands under, beside its attributes.
_START: Final = "from"


@dataclass(slots=True, eq=False)
class Element:
    """One element of a body, before it is written as JSON.

    ``kind`` is the operator's name (of a merge too), ``list`` or ``outputs``, or
    nothing where a value is only named or started from. ``attributes`` are those that
    differ from what the language has, names of kept values included. ``branches`` are
    the bodies of a merge, and of ``outputs`` by ``labels``. ``start`` and ``name`` are
    the names of the kept value that it starts from, and of its own.
    """

    kind: str
    node: Node | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    path: str = ""  # `as`: its parameters' path, relative to what encloses it
    share: bool = False
    branches: list[Body] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    start: str = ""
    name: str = ""


Body: TypeAlias = list[Element]


def elements(
    graph: Graph,
    start: str,
    ends: str | Mapping[str, str],
    *,
    path: str = "",
    known: str = "",
) -> Body:
    """The body that makes ``ends`` of the value ``start``: one value, or outputs.

    Only the nodes between them are looked at. Every way to an end leads through
    ``start``, or begins at a learned constant. ``path`` is the scope that ``as`` is
    relative to, ``known`` the name by which the language has the start already. It
    takes time that is linear in the nodes, times how deep merges lie in merges.
    """
    writer, to = _Writer(graph, start, path), _Sequence(start)
    if isinstance(ends, str):
        writer.rank([ends])
        writer.extend(to, ends, start, 0)
        writer.finish(to, ends)
    else:
        below = writer.rank(ends.values())
        writer.extend(to, below, start, 0)
        writer.outputs(to, ends, to.current if below == _NOTHING else below)
    return writer.named(to.body, known)


def written(body: Body) -> list[Any]:
    """The body as JSON: a list of elements, strings where a name says it all."""
    return [_element(element) for element in body]


def attributes(op: Op, x: TensorType) -> dict[str, Any]:
    """What has to be said of an operator on ``x``, as JSON, values and names left out.

    Whatever changes nothing here (the padding that would be computed, a dilation of one
    position) is left to the language's own default. Initialisers are left out: what was
    read has its numbers.
    """
    return dict(_attributes(op, x.shape))


def flat_spec(flat: Flat) -> dict[str, Any]:
    """A spec of the network as it was read: a stem and a head, operator by operator.

    The head begins where the last map becomes a vector, if nothing else is read there.
    """
    graph = flat.graph
    outputs = dict(graph.outputs)
    single = outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs
    body = elements(graph, INPUT, single, known=INPUT)
    at = _head(body, graph)
    return {
        "resgen": 1,
        "name": graph.name,
        "input": list(graph.inputs[0].type.shape),
        "stem": written(body[:at]),
        "stages": [],
        "head": written(body[at:]),
    }


# --- the tree -------------------------------------------------------------------------


class _Sequence:
    """A body under way: the value that an element written now would take."""

    def __init__(self, start: str) -> None:
        self.start = self.current = start
        self.body: Body = []
        self.begins = True  # whether it takes the value that it is given


class _Writer:
    """Finds the elements of one body and of those within it."""

    def __init__(self, graph: Graph, start: str, path: str) -> None:
        self.graph = graph
        self.start = start
        self.inside = f"{path}." if path else ""
        self.done: set[str] = set()  # the values that are written
        self.kept: dict[str, str] = {}  # values that are to have a name
        self.uses: list[tuple[Element, str, str]] = []  # where each name is to stand
        self.owners: set[str] = set()
        self.above = {start: start}  # of each value the nearest that dominates it
        self.depth = {start: 0, _NOTHING: 0}
        self.order: dict[str, int] = {}
        self.constant = {_NOTHING}

    # --- dominators -------------------------------------------------------------------

    def rank(self, ends: Iterable[str]) -> str:
        """Give the nodes an order to run in, and what dominates each; and all ends."""
        ends = list(ends)
        for name in self._ordered(ends):
            self.order[name] = len(self.order)
            inputs = self._inputs(name)
            if self.constant.issuperset(inputs):
                self.constant.add(name)
            self.above[name] = self._common(inputs)
            self.depth[name] = self.depth[self.above[name]] + 1
        return self._common(ends)

    def _ordered(self, ends: Iterable[str]) -> Iterator[str]:
        done = {self.start}
        stack = [(end, False) for end in reversed(list(ends))]
        while stack:
            name, ready = stack.pop()
            if ready:
                yield name
            elif name not in done:
                done.add(name)
                stack.append((name, True))
                stack.extend((value, False) for value in reversed(self._inputs(name)))

    def _inputs(self, name: str) -> tuple[str, ...]:
        return read(self.graph.node[name])

    def _common(self, values: Iterable[str]) -> str:
        """The nearest value that dominates all, constants aside if there are others."""
        values = list(values)
        found = [v for v in values if v not in self.constant] or values or [_NOTHING]
        a = found[0]
        for b in found[1:]:
            while a != b:
                if self.depth[a] < self.depth[b]:
                    a, b = b, a
                a = self.above[a]
        return a

    # --- sequences --------------------------------------------------------------------

    def extend(self, to: _Sequence, end: str, base: str, depth: int) -> None:
        """Write what ``end`` needs beside ``base`` and what is written already."""
        chain: list[str] = []
        while end not in (base, _NOTHING) and end not in self.done:
            chain.append(end)
            end = self.above[end]
        below = base if end == _NOTHING else end
        for value in reversed(chain):
            self._step(to, value, below, depth)
            below = value

    def finish(self, to: _Sequence, end: str) -> None:
        """Let the sequence yield ``end``, which is written."""
        if to.current != end:
            self._add(to, Element(""), end, end)

    def _add(self, to: _Sequence, made: Element, needs: str | None, value: str) -> None:
        """Write an element that takes ``needs`` (any value if None)."""
        if needs is not None and needs != to.current:
            self._use(made, _START, needs)
        if not to.body:
            to.begins = needs == to.start
        to.body.append(made)
        to.current = value
        self.done.add(value)

    def _use(self, made: Element, key: str, value: str) -> None:
        self.uses.append((made, key, value))
        self.kept.setdefault(value, "")

    def _step(self, to: _Sequence, value: str, below: str, depth: int) -> None:
        """Write one node, and the branches that lie between it and ``below``."""
        node = self.graph.node[value]
        x = self.graph.types[node.inputs[0]]
        made = Element(node.op.name, node, attributes(node.op, x))
        if node.owner:
            outside = not f"{node.owner}.".startswith(self.inside)
            made.path = f"/{node.owner}" if outside else node.owner[len(self.inside) :]
            made.share = node.owner in self.owners
            self.owners.add(node.owner)
        needs: str | None
        if node.op.arity is None:
            branches = self.branches(to, node.inputs, below, depth, node)
            made.branches = [branch.body for branch in branches]
            needs = next((b.start for b in branches if b.begins), None)
        elif node.op.read == 0:
            needs = None
        else:
            needs, *others = node.inputs
            if others:
                self._before(to, node.inputs, below, depth, kept=others)
                self.extend(to, needs, below, depth)
            for key, other in zip(_values(node.op), others, strict=True):
                self._use(made, key, other)
        self._add(to, made, needs, value)

    # --- branches ---------------------------------------------------------------------

    def branches(
        self,
        to: _Sequence,
        ends: Sequence[str],
        below: str,
        depth: int,
        merge: Node | None = None,
    ) -> list[_Sequence]:
        """A sequence for each end; what several read is written in ``to`` before.

        They are all given the value under way, or what several of them begin with.
        """
        self._before(to, ends, below, depth, merge=merge)
        begin = Counter(self._beginning(end, below) for end in ends)
        given = max((to.current, *begin), key=lambda value: max(begin[value], 1))
        found = []
        for end in ends:
            branch = _Sequence(given)
            self.extend(branch, end, below, depth + 1)
            self.finish(branch, end)
            found.append(branch)
        return found

    def _beginning(self, end: str, below: str) -> str:
        """The value that the elements which lead to ``end`` begin with."""
        while end not in (below, _NOTHING) and end not in self.done:
            end = self.above[end]
        return end

    def _before(
        self,
        to: _Sequence,
        ends: Sequence[str],
        below: str,
        depth: int,
        kept: Collection[str] = (),
        merge: Node | None = None,
    ) -> None:
        """Write what several branches read, and what is ``kept``.

        A node belongs to the branch that all its readers belong to. If they belong to
        several it is written before, unless the first of them ends in it. What comes
        from another module of a row than the ``merge`` is in is written before, too.
        """
        region = self._between(ends, below)
        of: dict[str, set[int | str]] = {value: set() for value in region}
        for port, end in enumerate(ends):
            if end in of:
                of[end].add(port)
        outside = {v for v in region if merge and _apart(self.graph.node[v], merge)}
        if outside:
            inside = (v for value in of.keys() - outside for v in self._inputs(value))
            kept = {*kept, *outside & {*ends, *inside}}
        before = []
        for value in region:
            labels = of[value]
            ports = {port for port in labels if isinstance(port, int)}
            first = min(ports, default=0)
            label: int | str = value
            if value not in kept and depth < NESTED:
                if len(labels) == 1:
                    label = next(iter(labels))
                elif ports == labels and ends[first] == value and not kept:
                    label = first
            if label == value:
                before.append(value)
            for above in self._inputs(value):
                if above in of:
                    of[above].add(label)
        for value in reversed(before):
            self.extend(to, value, below, depth)

    def _between(self, ends: Iterable[str], below: str) -> list[str]:
        """The nodes that ends need and that are not written, the last first."""
        found: set[str] = set()
        stack = list(ends)
        while stack:
            value = stack.pop()
            if value != below and value not in found and value not in self.done:
                found.add(value)
                stack.extend(self._inputs(value))
        return sorted(found, key=lambda value: -self.order[value])

    # --- outputs ----------------------------------------------------------------------

    def outputs(self, to: _Sequence, ends: Mapping[str, str], below: str) -> None:
        """The element that gives several values out, those of ``NAME.0`` as a list."""
        named = sorted(ends, key=_by_name)
        values = [ends[name] for name in named]
        branches = self.branches(to, values, below, 1)
        made = Element("outputs")
        for name, branch in zip(named, branches, strict=True):
            label, _, item = name.partition(".")
            if not item:
                made.labels += (label,)
                made.branches.append(branch.body)
            elif label in made.labels:
                made.branches[-1][0].branches.append(branch.body)
            else:
                made.labels += (label,)
                made.branches.append([Element("list", branches=[branch.body])])
        needs = next((b.start for b in branches if b.begins), None)
        self._add(to, made, needs, "")

    # --- names ------------------------------------------------------------------------

    def named(self, body: Body, known: str) -> Body:
        """The body with a name for every value that is started from, in its order."""
        taken = set(_KNOWN)
        if known:
            self.kept[self.start] = known
        elif self.start in self.kept:
            body = [Element("", name="x"), *body]
            self.kept[self.start] = "x"
            taken.add("x")
        for element in walk(body):
            if element.node is not None and element.node.name in self.kept:
                last = element.path.rpartition(".")[2] if element.path else element.kind
                stem = re.sub(r"\W", "_", last)
                number = 1
                element.name = stem
                while element.name in taken:
                    number += 1
                    element.name = f"{stem}_{number}"
                taken.add(element.name)
                self.kept[element.node.name] = element.name
        for element, key, value in self.uses:
            if key == _START:
                element.start = self.kept[value]
            else:
                element.attributes[key] = self.kept[value]
        return body


def walk(body: Body) -> Iterator[Element]:
    """Every element of a body, in the order in which they run."""
    for element in body:
        for branch in element.branches:
            yield from walk(branch)
        yield element


def _by_name(output: str) -> list[tuple[bool, int, str]]:
    """Outputs in the order of the language: ``maps.2`` before ``maps.10``."""
    parts = output.split(".")
    return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]


def _values(op: Op) -> list[str]:
    """The attributes that name a kept value, in the order of the inputs.

    One that says nothing is of an input that is not given.
    """
    known = signature(type(op))  # type: ignore[arg-type]  # mypy doubts that types hash
    return [
        name
        for name, param in known.items()
        if param.kind == "value" and getattr(op, name) is not None
    ]


def _apart(one: Node, other: Node) -> bool:
    """Whether two nodes stand in different parts of the whole, or modules of a row."""
    paths = [(node.owner or node.name).split(".")[:-1] for node in (one, other)]
    for depth, (a, b) in enumerate(zip(*paths, strict=False)):
        if a != b:
            return not depth or bool(a.isdecimal() and b.isdecimal())
    return False


# --- JSON -----------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _attributes(op: Op, shape: tuple[int, ...]) -> tuple[tuple[str, Any], ...]:
    """Those that cannot be left out, one after the other, with what they come to."""
    x = TensorType(shape)
    wanted = op.effective(x)
    known = signature(type(op))  # type: ignore[arg-type]  # mypy doubts that types hash
    said: dict[str, Any] = {}
    for name, param in known.items():
        if param.kind in ("init", "value"):
            continue
        value = getattr(op, name)
        if not param.required and value != param.default:
            silent = replace(op, **{name: param.default})
            try:
                if silent.effective(x) == wanted:
                    op = silent
            except ShapeError:  # it is needed for the others to make sense
                pass
        value = getattr(op, name)
        if param.required or value != param.default:
            if param.kind == "axes" and isinstance(value, tuple):
                value = value[0] if len(set(value)) == 1 else value
            said[name] = list(value) if isinstance(value, tuple) else value
    return tuple(said.items())


def _element(element: Element) -> Any:
    """One element as JSON."""
    made: dict[str, Any] = {}
    if element.start:
        made["from"] = element.start
    if element.kind == "outputs":
        bodies = map(_branch, element.branches)
        made["outputs"] = dict(zip(element.labels, bodies, strict=True))
    elif element.branches:
        made[element.kind] = [_branch(branch) for branch in element.branches]
    elif element.kind:
        made["op"] = element.kind
    if element.node is not None and element.node.owner:
        made["as"] = element.path
    made.update(element.attributes)
    if element.share:
        made["share"] = True
    if element.name:
        made["name"] = element.name
    return element.kind if made == {"op": element.kind} else made


def _branch(body: Body) -> Any:
    """A body as JSON, an element by itself if it is the only one."""
    found = written(body)
    return found[0] if len(found) == 1 else found


def _head(body: Body, graph: Graph) -> int:
    """Where the head begins: at what gives out, and the vectors before that.

    It is all of the body if something there starts from a value that is kept before.
    """
    at = len(body)
    while at and _of_head(body[at - 1], graph):
        at -= 1
    kept = {element.name for element in walk(body[:at]) if element.name}
    used: set[Any] = set()
    for element in walk(body[at:]):
        texts = (v for v in element.attributes.values() if isinstance(v, str))
        used.update((element.start, *texts))
    return 0 if kept & used else at


def _of_head(element: Element, graph: Graph) -> bool:
    node = element.node
    return element.kind == "outputs" or (
        node is not None and graph.types[node.name].rank == 1
    )
