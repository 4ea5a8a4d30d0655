"""``widths``: channels of single operators, by path, in a network that is there.

The widths of a network that has lost channels follow no rule. It is then its design,
and a map of what is otherwise in it: each operator of the map gets channels of its own,
and what reads it follows, as far as it does not say its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from resgen.errors import did_you_mean
from resgen.expansion.builder import Builder, LimitExceeded, Val
from resgen.graph.ir import Node, Parameter
from resgen.ops.base import Op, ShapeError, is_map
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.pad_channels import PadChannels
from resgen.ops.slice import Slice
from resgen.ops.types import ParameterSpec, TensorType
from resgen.spec.model import Widths
from resgen.spec.places import LIMIT_HINT, Enough, Problems
from resgen.words.numbers import count

#: What one operator costs, in the unit of an examination's allowance.
_COST: Final = 20


def widen(
    builder: Builder,
    inputs: Mapping[str, TensorType],
    widths: Widths,
    problems: Problems,
) -> Mapping[str, TensorType]:
    """Give operators the channels that a map says; the types of all values.

    A path of no operator that says its channels, and what cannot follow (a sum whose
    other side stays as it is, groups that do not divide), are problems of the map.
    """
    run = _Run(builder, widths, problems, dict(inputs))
    run.check()
    if problems.errors:
        return run.types
    for number, node in enumerate(builder.nodes):
        problems.spend(_COST, widths.at.place)
        builder.nodes[number] = run.followed(node)
    try:
        builder.exchange(run.parameters)
    except LimitExceeded as error:
        message = f"the network has {error}"
        problems.error("RG050", message, widths.at.place(), LIMIT_HINT)
        raise Enough from None
    return run.types


@dataclass
class _Run:
    """The values of a network as far as it has been followed.

    ``types`` are those that they have now. ``makers`` tell by which operator a value
    has the channels that it has; one without a type was not told, for a problem.
    """

    builder: Builder
    widths: Widths
    problems: Problems
    types: dict[str, TensorType]

    def __post_init__(self) -> None:
        self.before = dict(self.types)
        self.before.update((node.name, node.type) for node in self.builder.nodes)
        self.makers: dict[str, str] = {}
        self.parameters: dict[str, Parameter] = {}

    def check(self) -> None:
        """Report what of the map no operator can have: all of it in one run."""
        known = {path_of(node): node for node in self.builder.nodes}
        wide = [path for path, node in known.items() if self._says(node)]
        for path, (width, at) in self.widths.values.items():
            node = known.get(path)
            if width < 1:
                message = f"{width} channels are too few: expected at least 1"
                self.problems.error("RG013", message, at.place())
            if node is None:
                near = did_you_mean(path, wide)
                message = f'the network has no operator of the path "{path}"{near}'
            elif not self._says(node):
                message = f'"{path}" ({node.op.name}) has the channels that enter it'
            else:
                continue
            hint = "name a convolution, a linear map or a pad_channels by its path"
            self.problems.error("RG018", message, at.place(key=True), hint)

    def followed(self, node: Node) -> Node:
        """The node with its own channels, and with those that it is given now."""
        if any(value not in self.types for value in node.inputs):
            return node
        given = [Val(value, self.types[value], ()) for value in node.inputs]
        try:
            op = self._op(node, given[0].type)
            made = self.builder.infer(op, given)
            self._own(node, made.parameters)
        except ShapeError as error:
            self._report(node, error)
            return node
        except LimitExceeded as error:
            at = self.widths.at.place()
            self.problems.error("RG050", f"{node.name}: {error}", at)
            return node
        if op is not node.op or made.type != node.type:
            stated = self.widths.values.get(path_of(node))
            origin = node.origin
            if stated is not None:  # what is wrong with it is said of its width
                origin = replace(origin, place=stated[1].place())
            node = replace(node, op=op, type=made.type, origin=origin)
        self.types[node.name] = node.type
        own = self._says(node)
        first = node.inputs[0]
        self.makers[node.name] = path_of(node) if own else self.makers.get(first, first)
        return node

    def _own(self, node: Node, parameters: Sequence[ParameterSpec]) -> None:
        """Keep the parameters of a node; ShapeError where one is shared and differs."""
        for spec in parameters:
            name = f"{node.owner}.{spec.role}" if spec.role else node.owner
            made = Parameter(name, spec.shape, spec.init, spec.trainable, spec.dtype)
            if self.parameters.setdefault(name, made).shape != made.shape:
                message = f"{name} is shared, and would have two shapes"
                raise ShapeError(message, code="RG112")

    def _says(self, node: Node) -> bool:
        return says_channels(node, self.before[node.inputs[0]])

    def _op(self, node: Node, x: TensorType) -> Op:
        """The operator as the map has it, or as it follows what enters it."""
        op, was = node.op, self.before[node.inputs[0]]
        if self._says(node):
            stated = self.widths.values.get(path_of(node))
            if stated is None:
                return op
            key = "to" if isinstance(op, PadChannels) else "out"
            return replace(op, **{key: stated[0]})
        if isinstance(op, Conv | ConvTranspose):  # of each channel by itself
            out = node.type.channels // was.channels * x.channels
            return replace(op, out=out, groups=x.channels)
        if isinstance(op, Slice) and op.axis == 0 and x.channels != was.channels:
            size = None if op.size is None else _share(op.size, x, was)
            return replace(op, start=_share(op.start, x, was), size=size)
        return op

    def _report(self, node: Node, error: ShapeError) -> None:
        """A problem at the width of a value that does not fit."""
        makers = {self.makers.get(v, v): self.types[v].channels for v in node.inputs}
        told = ", ".join(f"{count(n, 'channel')} of {p}" for p, n in makers.items())
        stated = (self.widths.values.get(path) for path in makers)
        places = [each[1].place() for each in stated if each is not None]
        message = f"{node.name}: {error.message} ({told})"
        place = places[0] if places else self.widths.at.place()
        apart = "give what meets there one width" if len(makers) > 1 else error.hint
        self.problems.error(error.code, message, place, apart)


def path_of(node: Node) -> str:
    """What an operator goes by: where its parameters live, else its name."""
    return node.owner or node.name


def says_channels(node: Node, x: TensorType) -> bool:
    """Whether an operator says how many channels it makes of ``x``.

    A convolution of each channel by itself has those that enter it, or a multiple.
    """
    grouped = getattr(node.op, "groups", 1) == x.channels > 1
    return isinstance(node.op, PadChannels) or (is_map(node.op) and not grouped)


def _share(number: int, x: TensorType, was: TensorType) -> int:
    """The same share of the channels of ``x``; ShapeError if there is none."""
    part, rest = divmod(number * x.channels, was.channels)
    if rest:
        message = (
            f"{number} of {was.channels} channels are no whole part of {x.channels}"
        )
        raise ShapeError(message, code="RG112", attribute="start")
    return part
