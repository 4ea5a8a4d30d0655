"""Whether a graph is a network at all: rules whose findings are errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resgen.graph.ir import Graph, Node
from resgen.graph.rules.base import Finding, Subject, rule
from resgen.words.numbers import shape as said


@rule("RG107", "error", "One name stands for two things")
def names(subject: Subject) -> Iterator[Finding]:
    """Names in a graph are unique, for state_dict keys and ONNX tensors come of them.

    Two operators have one name, or operators that share parameters need them in
    different shapes, or one has a path beneath another's. In a spec this comes of an
    `as` that is used twice or of a `"share": true` around elements whose inputs differ
    in channels:

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
    owners = {node.owner for node in graph.nodes if node.owner}
    for node in graph.nodes:
        around = _above(node.owner or node.name, owners)
        if around is not None:
            yield Finding(
                node,
                f'"{node.owner or node.name}" lies beneath "{around}", an operator, '
                "whose own parts have such paths",
                'give one of the two another "as"',
            )
    shapes: dict[str, tuple[int, ...]] = {}
    for parameter in graph.parameters:
        if shapes.setdefault(parameter.name, parameter.shape) != parameter.shape:
            yield Finding(
                _user(graph, parameter.name),
                f'the parameter "{parameter.name}" has two shapes: '
                f"{said(shapes[parameter.name])} and {said(parameter.shape)}",
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
                    f'it shares the parameter "{path}", which is {said(shape)}, but '
                    f"needs it as {said(need.shape)}",
                    'do not "share", or give all users the same channels',
                )


def _above(path: str, owners: set[str]) -> str | None:
    """The operator with parameters that a path lies beneath."""
    while path:
        path = path.rpartition(".")[0]
        if path in owners:
            return path
    return None


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

        [{"name": "x", "op": "act"}, {"op": "conv", "out": 64, "kernel": 3},
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


def _user(graph: Graph, parameter: str) -> Node:
    """The last node that reads a parameter, or the last of all."""
    users = (n for n in reversed(graph.nodes) if parameter in n.references())
    return next(users, graph.nodes[-1])


STRUCTURE: Final = (names, order, reachable, used)
