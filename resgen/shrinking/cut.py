"""A network without some of its channels: the graph, and its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod

import numpy as np
from numpy.typing import NDArray

from resgen.graph.cost import alive_bytes
from resgen.graph.ir import Graph, Node
from resgen.importing.flat import Collector, Flat
from resgen.ops.base import Op
from resgen.ops.conv import Conv
from resgen.ops.conv_transpose import ConvTranspose
from resgen.ops.linear import Linear
from resgen.ops.pad_channels import PadChannels
from resgen.ops.parameter import Parameter
from resgen.ops.reshape import Reshape
from resgen.ops.slice import Slice
from resgen.ops.types import TensorType
from resgen.ops.unflatten import Unflatten
from resgen.shrinking.labels import Labelled, Labels
from resgen.weights.evaluate import Array
from resgen.words.numbers import scaled

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Size:
    """What a network costs: multiply-adds for one input, parameters, and memory.

    ``memory`` are the bytes of activations that are alive at once, at most.
    """

    macs: int
    params: int
    memory: int

    def __str__(self) -> str:
        return (
            f"{scaled(self.macs, 'MACs')}, {scaled(self.params)} parameters, "
            f"{scaled(self.memory, 'B')} of activations"
        )


def size_without(found: Labelled, gone: Labels) -> Size:
    """What a network costs without some classes, as :func:`cut` leaves it."""
    graph, lost = found.graph, _lost(found, gone)
    kept, types = left_of(found, gone)
    macs = sum(
        edited(node, kept).macs(*(types[v] for v in node.inputs), types[node.name])
        for node in graph.nodes
    )
    params = 0
    for parameter in graph.parameters:
        shape = list(parameter.shape)
        for axis in range(len(shape)):
            labels = found.axes.get((parameter.name, axis))
            if labels is not None:
                shape[axis] = int((~lost[labels]).sum())
        params += prod(shape) if parameter.trainable else 0
    return Size(macs, params, max(alive_bytes(graph, types), default=0))


def cut(found: Labelled, weights: Mapping[str, Array], gone: Labels) -> Flat:
    """The network without the channels of some classes, and the weights that stay.

    ``gone`` are labels of :func:`~resgen.shrinking.labels.labelled`. Where they are
    numbers that no consumer reads, what is left computes the same.
    """
    graph = found.graph
    kept, types = left_of(found, gone)
    collector = Collector(graph.name, graph.name, graph.inputs[0].type.shape)
    names = {graph.inputs[0].name: graph.inputs[0].name}
    for node in graph.nodes:
        owned = _parameters(graph, node)
        arrays = {
            role: left(found, name, weights[name], gone) for role, name in owned.items()
        }
        names[node.name] = collector.add(
            edited(node, kept),
            [names[value] for value in node.inputs],
            arrays,
            name=node.owner or node.name,
            sources={role: (name,) for role, name in owned.items()},
        )
        made = collector.types[names[node.name]].shape
        if made != types[node.name].shape:
            raise RuntimeError(f"{node.name} was cut to {made}")
    return collector.flat([(name, names[value]) for name, value in graph.outputs])


def left_of(
    found: Labelled, gone: Labels
) -> tuple[dict[str, tuple[Mask, ...]], dict[str, TensorType]]:
    """What stays of each value without some classes, and the type of that.

    The former is whether a place stays, along each axis.
    """
    lost = _lost(found, gone)
    kept = {name: _kept(labels, lost) for name, labels in found.values.items()}
    return kept, {name: TensorType(_sizes(masks)) for name, masks in kept.items()}


def _lost(found: Labelled, gone: Labels) -> Mask:
    """Whether the channels of a label go, by the label."""
    lost = np.zeros(found.labels, np.bool_)
    lost[gone] = True
    return lost


def _kept(labels: Labels, lost: Mask) -> tuple[Mask, ...]:
    """What stays of a value, along each axis."""
    few = labels[tuple(slice(0, None if s else 1) for s in labels.strides)]
    stays = ~lost[few]
    axes = range(few.ndim)
    along = [stays.any(tuple(a for a in axes if a != axis)) for axis in axes]
    if not np.array_equal(stays, reduce(np.logical_and.outer, along)):
        raise RuntimeError("what is left of a value has no right angles")
    return tuple(
        np.broadcast_to(mask, size)
        for mask, size in zip(along, labels.shape, strict=True)
    )


def _sizes(kept: Sequence[Mask]) -> tuple[int, ...]:
    return tuple(int(mask.sum()) for mask in kept)


def _parameters(graph: Graph, node: Node) -> dict[str, str]:
    """A node's parameters by role."""
    if not node.owner:
        return {}
    return {
        spec.role: f"{node.owner}.{spec.role}" if spec.role else node.owner
        for spec in node.op.parameters(graph.input_types(node)[0])
    }


def left(found: Labelled, name: str, array: Array, gone: Labels) -> Array:
    """What stays of a parameter's numbers without some classes."""
    for axis, stays in enumerate(stayed(found, name, gone)):
        if stays is not None:
            array = array.take(stays, axis)
    return array


def stayed(
    found: Labelled, name: str, gone: Labels
) -> tuple[NDArray[np.intp] | None, ...]:
    """The positions that stay along each axis of a parameter; None where all do."""
    lost, made = _lost(found, gone), []
    for axis in range(len(found.graph.parameter[name].shape)):
        labels = found.axes.get((name, axis))
        goes = None if labels is None else lost[labels]
        made.append(None if goes is None or not goes.any() else np.flatnonzero(~goes))
    return tuple(made)


def edited(node: Node, kept: Mapping[str, Sequence[Mask]]) -> Op:
    """The operator that does what a node did with what is left."""
    op, shape = node.op, _sizes(kept[node.name])
    given = kept[node.inputs[0]]
    if isinstance(op, Conv | ConvTranspose):
        if 1 < op.groups == given[0].size:  # each by itself
            return replace(op, out=shape[0], groups=int(given[0].sum()))
        return replace(op, out=shape[0])
    if isinstance(op, Linear):
        return replace(op, out=shape[0])
    if isinstance(op, PadChannels):
        first, _ = op.sides(TensorType((given[0].size,)))
        before, channels = int(kept[node.name][0][:first].sum()), int(given[0].sum())
        return op.around(channels, before, shape[0] - channels - before)
    if isinstance(op, Parameter):
        return replace(op, shape=shape)
    if isinstance(op, Reshape):
        return replace(op, to=shape)
    if isinstance(op, Unflatten):
        return replace(op, sizes=shape[op.axis : op.axis + len(op.sizes)])
    if isinstance(op, Slice):
        before = int(given[op.axis][: op.start].sum())
        size = None if op.size is None else shape[op.axis]
        return replace(op, start=before, size=size)
    return op
