"""What a network costs, counted exactly on the graph: for one input, in fp32.

Parameters are trainable scalars, each counted once, where it is first used. MACs are
the multiply-adds of convolutions, linear maps (without bias) and products of matrices,
at every use; this is torchvision's convention (ResNet-50: 25,557,032 and
4,089,184,256).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from resgen.graph.analysis import BYTES, Analysis, NodeCost, SectionCost
from resgen.graph.ir import GRAPH, Graph
from resgen.graph.sketch import caption, sketch
from resgen.ops.base import counts
from resgen.ops.types import TensorType, Window
from resgen.options.kinds import argument

#: No picture is strided further, or seen further: what grows by itself along a chain
#: of strides is left there, before it is too long to be shown.
FURTHEST: Final = 1 << 31

#: One number for each axis of the input.
Sizes = tuple[int, ...]


def analyse(graph: Graph) -> Analysis:
    """Count everything, in time proportional to the number of operators."""
    graph = argument("graph", GRAPH, graph)
    params, macs, alive = _params(graph), _macs(graph), alive_bytes(graph, graph.types)
    types = graph.types
    return Analysis(
        name=graph.name,
        params=graph.params,
        macs=sum(macs),
        input=graph.inputs[0].type.shape,
        outputs=tuple((name, types[value].shape) for name, value in graph.outputs),
        sections=tuple(_sections(graph, params, macs, alive)),
        weight_bytes=sum(p.size * BYTES[p.dtype] for p in graph.parameters),
        peak_activation_bytes=max(alive, default=0),
        nodes=len(graph.nodes),
        training=None if graph.training is None else analyse(graph.training),
    )


def node_costs(graph: Graph) -> list[NodeCost]:
    """The cost of every operator, in order."""
    found = zip(graph.nodes, _params(graph), _macs(graph), strict=True)
    return [
        NodeCost(node.name, node.op.name, node.type.shape, params, macs)
        for node, params, macs in found
    ]


def _params(graph: Graph) -> list[int]:
    """Trainable scalars that each node is the first to use."""
    sizes = {p.name: p.size if p.trainable else 0 for p in graph.parameters}
    # Taken out when counted, so that a shared one is counted once.
    return [
        sum([sizes.pop(name, 0) for name in node.references()]) if node.operands else 0
        for node in graph.nodes
    ]


def _macs(graph: Graph) -> list[int]:
    return [
        node.op.macs(*graph.input_types(node), node.type) if counts(node.op) else 0
        for node in graph.nodes
    ]


def alive_bytes(graph: Graph, types: Mapping[str, TensorType]) -> list[int]:
    """Bytes alive while each node runs: what is still needed, and what it makes.

    ``types`` are those of its values, in float32.
    """
    last: dict[str, int] = {}
    for at, node in enumerate(graph.nodes):
        for value in (*node.inputs, node.name):
            last[value] = at
    for _, value in graph.outputs:
        last[value] = len(graph.nodes)
    sizes = {name: t.size * BYTES["float32"] for name, t in types.items()}
    now = sum(sizes[i.name] for i in graph.inputs)
    found = []
    for at, node in enumerate(graph.nodes):
        now += sizes[node.name]
        found.append(now)
        now -= sum(sizes[v] for v in {*node.inputs, node.name} if last[v] == at)
    return found


def _sections(
    graph: Graph, params: Sequence[int], macs: Sequence[int], alive: Sequence[int]
) -> Iterator[SectionCost]:
    fields = receptive_fields(graph)
    sums = [_Sum() for _ in graph.sections]
    for node, p, m, a in zip(graph.nodes, params, macs, alive, strict=True):
        total = sums[node.origin.section]
        total.params += p
        total.macs += m
        total.peak = max(total.peak, a)
        total.end = node.name
    end = graph.inputs[0].name
    parts = zip(graph.sections, sketch(graph), sums, strict=True)
    for section, units, total in parts:
        end = total.end or end  # a section without operators passes on what it gets
        yield SectionCost(
            name=section.name,
            kind=section.kind,
            pointer=section.pointer,
            blocks=section.blocks,
            content=caption(units),
            params=total.params,
            macs=total.macs,
            output=graph.types[end].shape,
            receptive_field=fields[end],
            activation_bytes=total.peak,
        )


@dataclass(slots=True)
class _Sum:
    params: int = 0
    macs: int = 0
    peak: int = 0
    end: str | None = None


def receptive_fields(graph: Graph) -> dict[str, tuple[int, ...]]:
    """What one position of each value sees of the input, per axis of the input."""
    return _reached(graph)[0]


def strides(graph: Graph) -> dict[str, tuple[int, ...]]:
    """How many positions of the input lie between neighbours of each value, by axis."""
    return _reached(graph)[1]


def _reached(graph: Graph) -> tuple[dict[str, Sizes], dict[str, Sizes]]:
    """The receptive field of each value, and its stride.

    A window of extent k at a place where neighbours lie j input positions apart (the
    jump) adds ``(k - 1) j``; a stride multiplies the jump. Where values meet, the
    widest counts. Araujo et al., "Computing Receptive Fields of Convolutional Neural
    Networks", Distill 2019. Neither is counted beyond ``FURTHEST``.
    """
    axes = len(graph.inputs[0].type.spatial)
    fields = {i.name: (1,) * axes for i in graph.inputs}
    jumps = dict(fields)
    maps = set(fields)  # values whose positions are still those of a map
    types = graph.types
    windows: dict[tuple[int, tuple[int, ...]], Window | None] = {}
    for node in graph.nodes:
        first = node.inputs[0]
        field, jump = fields[first], jumps[first]
        for value in node.inputs[1:]:
            field = tuple(map(max, field, fields[value]))
            if types[value].spatial == node.type.spatial != types[first].spatial:
                jump = jumps[value]  # the first is broadcast
        x = types[first]
        asked = id(node.op), x.shape  # blocks of a stage are alike
        if asked not in windows:
            windows[asked] = node.op.window(x)
        window = windows[asked]
        if first in maps and (
            len(node.type.spatial) == len(x.spatial) == axes
            or node.type.shape[-axes:] == x.shape[-axes:]  # stacked, split, or summed
        ):
            maps.add(node.name)
        if first not in maps:
            extents, steps = (1,) * axes, jump
        elif window is not None and len(window.extent) == axes:
            extents = window.extent
            by = zip(jump, window.stride, strict=True)
            steps = tuple(min(j * s, FURTHEST) for j, s in by)
        elif len(node.type.spatial) < len(x.spatial) == axes:
            extents, steps = x.spatial, jump  # flattened: every output sees all of it
        else:
            fields[node.name], jumps[node.name] = field, jump
            continue
        fields[node.name] = tuple(
            min(f + (k - 1) * j, FURTHEST)
            for f, k, j in zip(field, extents, jump, strict=True)
        )
        jumps[node.name] = steps
    return fields, jumps
