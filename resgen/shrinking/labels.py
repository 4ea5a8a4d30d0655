"""Which channels of a network live and die together, found by running it on labels.

A value is an array of labels of the value's shape, the batch left out. A map that mixes
channels makes new labels; a sum makes those equal that it adds; what only moves numbers
moves labels, as numpy does, so that flattening, slicing, concatenating and shuffling
need no rule of their own. Labels that are equal in the end are one class, which lies in
many tensors: the groups of Fang et al. 2023, DepGraph, without tracing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from resgen.graph.ir import Graph, Node
from resgen.ops.act import Act
from resgen.ops.adaptive_avg_pool import AdaptiveAvgPool
from resgen.ops.adaptive_max_pool import AdaptiveMaxPool
from resgen.ops.add import Add
from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op
from resgen.ops.blur_pool import BlurPool
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.clip import Clip
from resgen.ops.concat import Concat
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.drop_block import DropBlock
from resgen.ops.drop_path import DropPath
from resgen.ops.dropout import Dropout
from resgen.ops.flatten import Flatten
from resgen.ops.gem import GeM
from resgen.ops.global_pool import GlobalPool
from resgen.ops.global_response_norm import GlobalResponseNorm
from resgen.ops.linear import Linear
from resgen.ops.local_response_norm import LocalResponseNorm
from resgen.ops.max_pool import MaxPool
from resgen.ops.maximum import Maximum
from resgen.ops.minimum import Minimum
from resgen.ops.multiply import Multiply
from resgen.ops.norm import Norm
from resgen.ops.offset import Offset
from resgen.ops.pad import Pad
from resgen.ops.pad_channels import PadChannels
from resgen.ops.pad_same import PadSame
from resgen.ops.parameter import Parameter
from resgen.ops.pixel_shuffle import PixelShuffle
from resgen.ops.pixel_unshuffle import PixelUnshuffle
from resgen.ops.power import Power
from resgen.ops.reducing import Reduce
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize
from resgen.ops.scalar_scale import ScalarScale
from resgen.ops.scale import Scale
from resgen.ops.shift import Shift
from resgen.ops.slice import Slice
from resgen.ops.softmax import Softmax
from resgen.ops.stack import Stack
from resgen.ops.transpose import Transpose
from resgen.ops.types import references
from resgen.ops.unflatten import Unflatten
from resgen.ops.unit_norm import UnitNorm
from resgen.ops.unwindows import Unwindows
from resgen.ops.upsample import Upsample
from resgen.ops.windows import Windows

Labels = NDArray[np.int64]

#: The label of what cannot be taken away: inputs, outputs, what is not understood.
FIXED: Final = 0


class Classes:
    """Labels, and which of them are equal: a union-find on whole arrays."""

    def __init__(self) -> None:
        self._parents = np.zeros(1, np.int64)
        #: How many there are.
        self.made = 1

    def new(self, count: int) -> Labels:
        """So many labels that are equal to none."""
        first, self.made = self.made, self.made + count
        if self.made > self._parents.size:
            more = np.arange(self._parents.size, 2 * self.made, dtype=np.int64)
            self._parents = np.concatenate([self._parents, more])
        return np.arange(first, self.made, dtype=np.int64)

    def find(self, labels: Labels) -> Labels:
        """The least label that each is equal to."""
        parents = self._parents
        found = parents[labels]
        while True:
            further = parents[found]
            if np.array_equal(further, found):
                return found
            parents[labels] = found = further

    def unite(self, a: Labels, b: Labels | int) -> None:
        """Make the labels of two arrays equal, place by place, broadcast as numpy."""
        left, right = map(np.ravel, np.broadcast_arrays(*_essential(a, b)))
        while True:
            left, right = self.find(left), self.find(right)
            differ = left != right
            if not differ.any():
                return
            left, right = left[differ], right[differ]
            np.minimum.at(
                self._parents, np.maximum(left, right), np.minimum(left, right)
            )


def _essential(a: Labels, b: Labels | int) -> tuple[Labels, Labels]:
    """Both arrays without the repetitions that broadcasting has made along an axis."""
    other = np.asarray(b, np.int64)
    if other.ndim != a.ndim:
        return a, other
    ranges = tuple(
        slice(0, 1) if one in (0, None) and two in (0, None) else slice(None)
        for one, two in zip(_steps(a), _steps(other), strict=True)
    )
    return a[ranges], other[ranges]


def _steps(array: Labels) -> Iterator[int | None]:
    """The stride of each axis; None where there is but one place."""
    for size, step in zip(array.shape, array.strides, strict=True):
        yield None if size == 1 else step


def along(channels: Labels, shape: Sequence[int]) -> Labels:
    """The labels of channels at every place of a value of this shape."""
    return np.broadcast_to(channels.reshape(-1, *(1 for _ in shape[1:])), tuple(shape))


@dataclass(frozen=True)
class Labelled:
    """A graph whose channels are labelled.

    ``values`` are the labels of each value, ``axes`` those along an axis of a
    parameter, by its name and the axis; all are below ``labels``. ``reads`` are the
    axes of these along which a map sums up what it is given. ``mixing`` names the
    operators that compute with statistics over channels: what they yield for the
    channels that stay depends on those that go.
    """

    graph: Graph
    values: dict[str, Labels]
    axes: dict[tuple[str, int], Labels]
    labels: int
    reads: frozenset[tuple[str, int]]
    mixing: tuple[str, ...]


def labelled(graph: Graph) -> Labelled:
    """Run a graph on labels; each is then the least of its class."""
    walk = _Walk(graph)
    for given in graph.inputs:
        walk.values[given.name] = along(
            np.zeros(given.type.shape[0], np.int64), given.type.shape
        )
    for node in graph.nodes:
        walk.run(node)
    for _, value in graph.outputs:
        walk.classes.unite(walk.values[value], FIXED)
    for node, made in walk.learned:
        walk.settle(node, made)
    return Labelled(
        graph,
        {name: _found(walk.classes, each) for name, each in walk.values.items()},
        {at: walk.classes.find(each) for at, each in walk.axes.items()},
        walk.classes.made,
        frozenset(walk.reads),
        tuple(walk.mixing),
    )


def _found(classes: Classes, labels: Labels) -> Labels:
    """The classes of a value's labels, repeated in memory no more than these are."""
    few, _ = _essential(labels, labels)
    return np.broadcast_to(classes.find(few), labels.shape)


class _Walk:
    """The values of a graph, as far as it has run."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.classes = Classes()
        self.values: dict[str, Labels] = {}
        self.axes: dict[tuple[str, int], Labels] = {}
        self.reads: set[tuple[str, int]] = set()
        self.mixing: list[str] = []
        self.learned: list[tuple[Node, Labels]] = []

    def run(self, node: Node) -> None:
        given = [self.values[name] for name in node.inputs[: node.op.read]]
        rule = _RULES.get(type(node.op), _other)
        self.values[node.name] = rule(self, node, *given)

    def note(self, name: str, axis: int, labels: Labels) -> None:
        """These are the labels along an axis of a parameter."""
        if (name, axis) in self.axes:  # shared by another node
            self.classes.unite(self.axes[name, axis], labels)
        self.axes[name, axis] = labels

    def channels(self, x: Labels) -> Labels:
        """The labels of the first axis, each made equal along all others."""
        first = x[(slice(None), *(slice(0, 1) for _ in x.shape[1:]))]
        self.classes.unite(x, first)
        return first.reshape(-1)

    def box(self, x: Labels, first: int = 0) -> Labels:
        """The labels, made such that what is left of the value has right angles.

        Labels that vary along more than one axis are made equal along the first of
        those, so that no place is left alone of its row; ``first`` goes before others.
        """
        vary = self.vary(x)
        for axis in sorted(vary, key=lambda each: each != first)[:-1]:
            self.classes.unite(x, x.take([0], axis))
        return x

    def vary(self, x: Labels) -> list[int]:
        """The axes along which labels differ."""
        found = self.classes.find(_essential(x, x)[0])
        axes = range(found.ndim)
        return [axis for axis in axes if (found != found.take([0], axis)).any()]

    def settle(self, node: Node, made: Labels) -> None:
        """Note the axes of a parameter that is a value, when all that it meets is met.

        Its channels lie along the one axis on which its labels differ in the end.
        """
        batch = isinstance(node.op, Parameter) and node.op.batch
        for axis in self.vary(self.box(made)):
            line = np.moveaxis(made, axis, 0).reshape(made.shape[axis], -1)
            for name in node.references():
                self.note(name, axis + batch, line[:, 0])

    def fixed(self, shape: Sequence[int], *given: Labels) -> Labels:
        """The labels of a value that stays as it is, and so does what it is made of."""
        for x in given:
            self.classes.unite(x, FIXED)
        return along(np.zeros(shape[0], np.int64), shape)


def _other(walk: _Walk, node: Node, *given: Labels) -> Labels:
    """What is not understood stays as it is."""
    return walk.fixed(node.type.shape, *given)


def _by_channel(walk: _Walk, node: Node, x: Labels) -> Labels:
    """Each channel by itself, and the parameters that have a number for each."""
    channels = walk.channels(x)
    for name in node.references():
        if walk.graph.parameter[name].shape[:1] == channels.shape:
            walk.note(name, 0, channels)
    return along(channels, node.type.shape)


def _over_channels(walk: _Walk, node: Node, x: Labels) -> Labels:
    """As by channel, with a statistic over all of them."""
    walk.mixing.append(node.name)
    return _by_channel(walk, node, x)


def _norm(walk: _Walk, node: Node, x: Labels) -> Labels:
    kind = node.op.type if isinstance(node.op, Norm) else ""
    if kind == "group" and isinstance(node.op, Norm):
        rows = walk.channels(x).reshape(node.op.groups, -1)
        walk.classes.unite(rows, rows[:1])
    if kind in ("group", "layer", "rms"):
        return _over_channels(walk, node, x)
    return _by_channel(walk, node, x)


def _unit_norm(walk: _Walk, node: Node, x: Labels) -> Labels:
    over = isinstance(node.op, UnitNorm) and node.op.axis == 0
    return (_over_channels if over else _by_channel)(walk, node, x)


def _softmax(walk: _Walk, node: Node, x: Labels) -> Labels:
    """What is shared out along an axis is not taken from it."""
    if isinstance(node.op, Softmax) and node.op.axis in walk.vary(x):
        return walk.fixed(node.type.shape, x)
    return x


def _map(walk: _Walk, node: Node, x: Labels) -> Labels:
    """A convolution or a linear map: each group of inputs makes one of outputs."""
    channels, out = walk.channels(x), node.type.shape[0]
    groups = node.op.groups if isinstance(node.op, Conv | ConvTranspose) else 1
    flipped = isinstance(node.op, ConvTranspose)
    rows = channels.reshape(groups, -1)
    (weight, *_) = references(dict(node.operands)["weight"])
    if rows.shape[1] == 1 and groups > 1:  # each channel by itself
        made = np.repeat(channels, out // groups)
        walk.note(weight, 0, channels if flipped else made)
    else:
        # A group loses as many channels as the others do: the same ones of each.
        walk.classes.unite(rows, rows[:1])
        made = np.tile(walk.classes.new(out // groups), groups)
        walk.note(weight, 0, channels if flipped else made)
        each = made[: out // groups] if flipped else rows[0]
        walk.note(weight, 1, each)
        walk.reads.add((weight, 0 if flipped else 1))
    for name in node.references():
        if name != weight:
            walk.note(name, 0, made)
    if isinstance(node.op, Conv) and node.op.standardize:
        walk.mixing.append(node.name)
    return along(made, node.type.shape)


def _together(walk: _Walk, node: Node, *given: Labels) -> Labels:
    """A sum or a product: what meets at a place is of one class.

    What is repeated along an axis on which the others' channels differ is of none of
    theirs, and stays.
    """
    made = given[0]
    for x in given[1:]:
        one, other = _met(walk, made, x), _met(walk, x, made)
        walk.classes.unite(one, other)
        made = one if made.shape == node.type.shape else other
    return np.broadcast_to(made, node.type.shape)


def _met(walk: _Walk, x: Labels, other: Labels) -> Labels:
    """The labels of one factor at the places of the product with another."""
    for axis, (size, wanted) in enumerate(zip(x.shape, other.shape, strict=True)):
        if size == 1 < wanted and axis in walk.vary(other):
            walk.classes.unite(x, FIXED)
            return other
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, other.shape))


def _concat(walk: _Walk, node: Node, *given: Labels) -> Labels:
    axis = node.op.axis if isinstance(node.op, Concat) else 0
    few = tuple(
        slice(0, 1) if at != axis and not any(steps) else slice(None)
        for at, steps in enumerate(
            zip(*([step or 0 for step in _steps(x)] for x in given), strict=True)
        )
    )
    made = np.concatenate([x[few] for x in given], axis)
    whole = np.broadcast_to(made, node.type.shape)
    return walk.box(whole, axis) if axis else whole


def _stack(walk: _Walk, node: Node, *given: Labels) -> Labels:
    return walk.box(np.stack(given))


def _flatten(walk: _Walk, node: Node, x: Labels) -> Labels:
    return walk.box(x).reshape(node.type.shape)


def _split(walk: _Walk, node: Node, x: Labels) -> Labels:
    return walk.box(x.reshape(node.type.shape))


def _transpose(walk: _Walk, node: Node, x: Labels) -> Labels:
    axes = node.op.axes if isinstance(node.op, Transpose) else ()
    return x.transpose(*axes, *range(len(axes), x.ndim))


def _slice(walk: _Walk, node: Node, x: Labels) -> Labels:
    op = node.op
    if not isinstance(op, Slice):
        return x
    size = node.type.shape[op.axis]
    ranges = [slice(None)] * x.ndim
    ranges[op.axis] = slice(op.start, op.start + size)
    return x[tuple(ranges)]


def _reduce(walk: _Walk, node: Node, x: Labels) -> Labels:
    if not isinstance(node.op, Reduce):
        return x
    if 0 in node.op.axes:
        walk.mixing.append(node.name)
        return walk.fixed(node.type.shape)
    for axis in node.op.axes:
        walk.classes.unite(x, x.take([0], axis))
        x = x.take([0], axis)
    return x.reshape(node.type.shape)


def _shuffle(walk: _Walk, node: Node, x: Labels) -> Labels:
    groups = node.op.groups if isinstance(node.op, ChannelShuffle) else 1
    rows = walk.channels(x).reshape(groups, -1)
    walk.box(rows)
    return along(rows.T.reshape(-1), node.type.shape)


def _pixel_shuffle(walk: _Walk, node: Node, x: Labels) -> Labels:
    rows = walk.channels(x).reshape(node.type.shape[0], -1)
    walk.classes.unite(rows, rows[:, :1])
    return along(rows[:, 0], node.type.shape)


def _pixel_unshuffle(walk: _Walk, node: Node, x: Labels) -> Labels:
    times = node.type.shape[0] // x.shape[0]
    return along(np.repeat(walk.channels(x), times), node.type.shape)


def _pad_channels(walk: _Walk, node: Node, x: Labels) -> Labels:
    if not isinstance(node.op, PadChannels):
        return x
    sides = node.op.sides(walk.graph.types[node.inputs[0]])
    before, after = map(walk.classes.new, sides)
    channels = np.concatenate([before, walk.channels(x), after])
    return along(channels, node.type.shape)


def _parameter(walk: _Walk, node: Node) -> Labels:
    """Every number by itself: what it meets tells which axis is the channels'."""
    made = walk.classes.new(prod(node.type.shape)).reshape(node.type.shape)
    walk.learned.append((node, made))
    return made


#: The operators that treat each channel by itself.
_CHANNELWISE: Final = (
    Act,
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    BlurPool,
    ChannelScale,
    Clip,
    DropBlock,
    DropPath,
    Dropout,
    GeM,
    GlobalPool,
    MaxPool,
    Offset,
    Pad,
    PadSame,
    Power,
    Resize,
    ScalarScale,
    Scale,
    Shift,
    Unwindows,
    Upsample,
    Windows,
)
_RULES: Final[dict[type[Op], Callable[..., Labels]]] = {
    **dict.fromkeys(_CHANNELWISE, _by_channel),
    Add: _together,
    ChannelShuffle: _shuffle,
    Concat: _concat,
    Conv: _map,
    ConvTranspose: _map,
    Flatten: _flatten,
    GlobalResponseNorm: _over_channels,
    Linear: _map,
    LocalResponseNorm: _over_channels,
    Maximum: _together,
    Minimum: _together,
    Multiply: _together,
    Norm: _norm,
    PadChannels: _pad_channels,
    Parameter: _parameter,
    PixelShuffle: _pixel_shuffle,
    PixelUnshuffle: _pixel_unshuffle,
    Reshape: _split,
    Slice: _slice,
    Softmax: _softmax,
    Stack: _stack,
    Transpose: _transpose,
    Unflatten: _split,
    UnitNorm: _unit_norm,
}
