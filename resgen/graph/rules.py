"""The rules that a graph is checked by: small functions, each with a code.

A rule takes a :class:`Subject` and yields what it finds as (node, message, hint). The
rules of ``STRUCTURE`` ask whether the graph is a network at all; those of ``LINTS``
whether it is a good one, and are only asked of a graph whose structure holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from resgen.errors import Place, Severity
from resgen.graph.cost import is_map
from resgen.graph.explanations import Explanation
from resgen.graph.ir import Graph, Node, Section
from resgen.ops.types import TensorType

if TYPE_CHECKING:
    import networkx as nx

#: Fewer channels a group than this are slow and yet not depthwise. The cardinality of
#: ResNeXt 32x4d leaves 4.
NARROWEST_GROUP: Final = 4
#: Tensor cores take channels in multiples of 8 (fp16; 16 for int8, which pads alike).
GRID: Final = 8


class Subject:
    """A graph under question, with what several rules ask of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def view(self) -> nx.MultiDiGraph:
        """The graph as networkx sees it."""
        # networkx takes a quarter of a second to import.
        from resgen.graph.views import view

        return view(self.graph)

    @cached_property
    def sound(self) -> bool:
        """Whether one walk shows that there is nothing to search for.

        Nodes that read only what stands before them form no cycle. If each also reads
        something, an input reaches it (by induction from the first node), and if each
        is read or an output, an output needs it (from the last). That is every graph
        in good order, and spares it the import and the view; the search is for the
        others.
        """
        graph = self.graph
        seen = {i.name for i in graph.inputs}
        read = {value for _, value in graph.outputs}
        for node in graph.nodes:
            if not node.inputs or not seen.issuperset(node.inputs):
                return False
            seen.add(node.name)
            read.update(node.inputs)
        return seen >= read and all(node.name in read for node in graph.nodes)

    @cached_property
    def maps(self) -> list[tuple[Node, TensorType]]:
        """The convolutions and linear maps, each with the type of its input."""
        types = self.graph.types
        return [(n, types[n.inputs[0]]) for n in self.graph.nodes if is_map(n.op)]

    def section(self, node: Node) -> Section:
        return self.graph.sections[node.origin.section]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found at a node."""

    node: Node
    message: str
    hint: str | None = None


Question = Callable[[Subject], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A question and the explanation of what it finds."""

    ask: Question
    explanation: Explanation


STRUCTURE: list[Rule] = []
LINTS: list[Rule] = []


def rule(code: str, severity: Severity, title: str) -> Callable[[Question], Question]:
    """Decorator: make a function a rule, explained by its docstring."""

    def register(ask: Question) -> Question:
        explanation = Explanation.of(code, severity, title, ask.__doc__ or "")
        rules = STRUCTURE if severity == "error" else LINTS
        rules.append(Rule(ask, explanation))
        return ask

    return register


def called(section: Section) -> str:
    """A section as a person counts it: ``the stem``, ``stage 3``, ``the head``."""
    if section.kind != "stage":
        return f"the {section.kind}"
    return f"stage {int(section.pointer.rpartition('/')[2]) + 1}"


# --- structure ------------------------------------------------------------------------


@rule("RG107", "error", "One name stands for two things")
def names(subject: Subject) -> Iterator[Finding]:
    """Names in a graph are unique, for state_dict keys and ONNX tensors come of them.

    Two operators have one name, or operators that share parameters need them in
    different shapes. In a spec this comes of an `as` that is used twice or of a
    `"share": true` around elements whose inputs differ in channels:

        {"share": true, "for": "i", "in": 2,
         "body": {"op": "conv", "as": "conv", "out": "8 * (i + 1)", "kernel": 3}}

    Give each its own `as` (`"as": "conv{i}"`), or make all users alike.
    """
    graph = subject.graph
    taken = {i.name for i in graph.inputs}
    for node in graph.nodes:
        if node.name in taken:
            yield Finding(
                node,
                f'two values are called "{node.name}"',
                'give each element its own "as"',
            )
        taken.add(node.name)
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in graph.parameters:
        if shapes.setdefault(parameter.name, parameter.shape) != parameter.shape:
            yield Finding(
                _user(graph, parameter.name),
                f'the parameter "{parameter.name}" has two shapes: '
                f"{_shape(shapes[parameter.name])} and {_shape(parameter.shape)}",
                'give each element its own "as"',
            )
    types = graph.types
    for node in graph.nodes:
        if node.owner in ("", node.name) or node.inputs[0] not in types:
            continue
        for need in node.op.parameters(types[node.inputs[0]]):
            path = f"{node.owner}.{need.role}" if need.role else node.owner
            shape = shapes.get(path, need.shape)
            if shape != need.shape:
                yield Finding(
                    node,
                    f'it shares the parameter "{path}", which is {_shape(shape)}, but '
                    f"needs it as {_shape(need.shape)}",
                    'do not "share", or give all users the same channels',
                )


@rule("RG101", "error", "Operators cannot be put in an order")
def order(subject: Subject) -> Iterator[Finding]:
    """Every operator reads what was computed before it; a network has no cycle.

    A graph that was expanded from a spec is always in order, since a kept value is
    visible only after it was set. So this speaks of a graph that was changed by hand
    or by a pass: an operator reads its own result (perhaps by way of others), reads
    what stands after it, or reads a name that nothing yields. Build nodes in the order
    in which they run, and rename the inputs of whoever read a node that you replaced.
    """
    if subject.sound:
        return
    graph = subject.graph
    everything = graph.types
    seen = {i.name for i in graph.inputs}
    late: list[tuple[Node, str]] = []
    for node in graph.nodes:
        for value in node.inputs:
            if value not in everything:
                yield Finding(
                    node, f'"{node.name}" reads "{value}", which nothing yields'
                )
            elif value not in seen:
                late.append((node, value))
        seen.add(node.name)
    for name, value in graph.outputs:
        if value not in everything and graph.nodes:
            message = f'the output "{name}" is "{value}", which nothing yields'
            yield Finding(graph.nodes[-1], message)
    if not late:
        return
    from resgen.graph.views import cycle

    circle = cycle(subject.view)
    if circle:
        first = next(n for n in graph.nodes if n.name == circle[0])
        around = " -> ".join([*circle, circle[0]])
        yield Finding(first, f"operators depend on their own results: {around}")
        return
    for node, value in late:
        yield Finding(node, f'"{node.name}" reads "{value}", which comes after it')


@rule("RG102", "error", "No input reaches an operator")
def reachable(subject: Subject) -> Iterator[Finding]:
    """An operator whose result does not depend on the network's input.

    It computes the same thing for every picture, which nobody means. It can come of a
    pass that cut an operator from what it read. Connect it, or remove it.
    """
    if subject.sound:
        return
    from resgen.graph.views import reached

    found = reached(subject.view)
    for node in subject.graph.nodes:
        if node.name not in found:
            yield Finding(node, f'no input of the network reaches "{node.name}"')


@rule("RG103", "error", "No output needs an operator")
def used(subject: Subject) -> Iterator[Finding]:
    """An operator whose result goes nowhere: it costs time and never learns.

    It comes of a value that is dropped, when an element starts from an earlier one:

        [{"name": "x", "op": "relu"}, {"op": "conv", "out": 64, "kernel": 3},
         {"from": "x", "op": "conv", "out": 64, "kernel": 1}]

    Here nothing reads the 3x3 convolution. Keep it by `name` and use it in an `add` or
    a `concat`, or remove it.
    """
    if subject.sound:
        return
    from resgen.graph.views import needed

    found = needed(subject.view)
    read = {value for node in subject.graph.nodes for value in node.inputs}
    for node in subject.graph.nodes:
        # Of a chain that goes nowhere, its end is enough.
        if node.name not in found and node.name not in read:
            yield Finding(
                node,
                f'nothing uses the result of "{node.name}" ({node.op.name})',
                "use it, or remove it and what only it needs",
            )


# --- lints ----------------------------------------------------------------------------


@rule("RG210", "warning", "Channels off the tensor-core grid")
def grid(subject: Subject) -> Iterator[Finding]:
    """A width inside the network is not a multiple of 8.

    Tensor cores multiply tiles of 8 channels (fp16) or 16 (int8), and kernels pad
    what is left: `"width": 2047` costs as much as 2048, often more, since the padding
    is copied. Take the next multiple of 8; `"divisible(w, 8)"` rounds an expression.
    Not meant are widths up to 8, depthwise convolutions, the gates of attention (one
    position, so nothing to gain) and the classes of the last layer.
    """
    graph = subject.graph
    last = _classifiers(graph)
    found: dict[Place, dict[int, Node]] = {}  # one warning a line, for all its widths
    for node, x in subject.maps:
        out = node.type.channels
        if out <= GRID or out % GRID == 0 or node.name in last:
            continue
        depthwise = _groups(node) == x.channels
        gate = node.type.positions == 1 and subject.section(node).kind != "head"
        if not depthwise and not gate:
            found.setdefault(node.origin.place, {}).setdefault(out, node)
    for widths in found.values():
        many = len(widths) > 1
        yield Finding(
            next(iter(widths.values())),
            f"width{'s'[:many]} {' and '.join(map(str, sorted(widths)))} "
            f"{'are' if many else 'is'} off the tensor-core grid of {GRID}; int8 and "
            "fp16 kernels will pad it",
            f"use {' and '.join(str(-(-w // GRID) * GRID) for w in sorted(widths))}",
        )


@rule("RG211", "warning", "A stage without shortcuts")
def shortcuts(subject: Subject) -> Iterator[Finding]:
    """A residual network has a stage in which no block has a shortcut.

    Gradients pass such a stage only through all of its convolutions, so depth that
    trains well elsewhere does not here (He et al. 2015 measured it: plain networks get
    worse with depth). Usually a stage says `"shortcut": "none"`, or `if-same` never
    finds equal shapes. A network without any shortcut is plain by choice, and a stage
    of one block that changes the shape needs none: neither is reported.
    """
    graph = subject.graph
    merged: set[int] = set()
    blocks: dict[int, set[int]] = {}
    first: dict[int, Node] = {}
    for node in graph.nodes:
        section, block = node.origin.section, node.origin.block
        if node.origin.role == "merge":
            merged.add(section)
        if block is not None:
            blocks.setdefault(section, set()).add(block)
            first.setdefault(section, node)
    if not merged:
        return
    for section, indices in blocks.items():
        if section not in merged and len(indices) > 1:
            where = called(graph.sections[section])
            yield Finding(
                first[section],
                f"none of the {len(indices)} blocks of {where} has a shortcut, though "
                "the network is residual elsewhere",
                'give the stage a "shortcut", such as "projection"',
            )


@rule("RG212", "warning", "Groups too narrow")
def groups(subject: Subject) -> Iterator[Finding]:
    """A grouped convolution has 2 or 3 channels a group.

    That is too narrow for the kernels of dense convolutions and too wide for those of
    depthwise ones, so most libraries run it one group at a time or fill matrices with
    zeros. ResNeXt leaves at least 4 (`"groups": 32` of 128 channels); either use fewer
    groups, or as many groups as channels.
    """
    for node, x in subject.maps:
        count, channels = _groups(node), x.channels
        if count > 1 and 1 < channels // count < NARROWEST_GROUP:
            yield Finding(
                node,
                f"{count} groups of {channels} channels leave {channels // count} a "
                "group, slower than both wider groups and a depthwise convolution",
                f"use {channels // NARROWEST_GROUP} groups or fewer, or {channels}",
            )


@rule("RG213", "warning", "A stride that skips inputs")
def strides(subject: Subject) -> Iterator[Finding]:
    """A window moves further than it is wide, so that some inputs are never read.

    A 1x1 convolution of stride 2 reads one position in four and drops what was
    computed for the others. In a shortcut that is the usual projection and is not
    reported (`avg-projection` mends it, He et al. 2018); in a branch it loses
    information and accuracy: put the stride on the 3x3 instead, or pool first.
    """
    graph = subject.graph
    for node in graph.nodes:
        x = graph.types[node.inputs[0]]
        if x.shape[1:] == node.type.shape[1:] or node.origin.role == "shortcut":
            continue
        window = node.op.window(x)
        if window is None:
            continue
        pairs = zip(window.extent, window.stride, x.spatial, strict=True)
        skips = [(e, s) for e, s, n in pairs if e < s and n > e]
        if skips:
            extent, stride = skips[0]
            yield Finding(
                node,
                f"a window of {extent} with stride {stride} never reads some of its "
                "inputs",
                "give the stride to a wider kernel, or pool before it",
            )


# --- what several rules ask -----------------------------------------------------------


def _groups(node: Node) -> int:
    return int(getattr(node.op, "groups", 1))


def _classifiers(graph: Graph) -> set[str]:
    """The maps after which no other stands before an output."""
    makers = {node.name: node for node in graph.nodes}
    found, seen = set(), set()
    waiting = [value for _, value in graph.outputs]
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if is_map(node.op):
            found.add(node.name)
        else:
            waiting.extend(node.inputs)
    return found


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a scalar"


def _user(graph: Graph, parameter: str) -> Node:
    """The last node that reads a parameter, or the last of all."""
    users = (n for n in reversed(graph.nodes) if parameter in n.references())
    return next(users, graph.nodes[-1])
