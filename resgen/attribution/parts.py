"""Sections and blocks of a network, with the work that each has to do.

Bytes are counted at a part's borders: its weights, what it reads of others and what
others read of it, in the types of the graph. What stays inside may never leave a cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from resgen.attribution.names import Names
from resgen.attribution.onnx_cost import Costs
from resgen.graph.ir import Graph
from resgen.graph.parts import Part as GraphPart
from resgen.graph.parts import parts
from resgen.ops.base import is_map
from resgen.ops.types import TensorType
from resgen.records.profile import Part
from resgen.weights.evaluate import np_dtype


def parts_of(graph: Graph) -> tuple[Part, ...]:
    """Every section, each followed by its blocks, for one input."""
    return tuple(_part(graph, part) for part in parts(graph))


def parts_of_file(names: Names, costs: Costs) -> tuple[Part, ...]:
    """The same of an ONNX file that another tool wrote, as its names tell them.

    ``names`` and ``costs`` are from
    :func:`~resgen.attribution.foreign.read_onnx`. Where a shape is unknown, so
    are the work and the output of its part.
    """
    found = []
    for part in names.parts:
        section = part.path if part.block is None else part.path.rpartition(".")[0]
        works = [
            work
            for work in names.works.values()
            if work.section == section and part.block in (None, work.block)
        ]
        made = (costs.shape(v) for w in works if not w.helper for v in w.makes)
        (*_, output) = (None, *made)  # nodes stand in the order in which they run
        found.append(
            Part(
                path=part.path,
                kind="section" if part.block is None else "block",
                label=part.label or ("module" if part.block is None else "block"),
                pointer=None,
                macs=total(work.macs for work in works),
                bytes=names.bytes_of(works, 1),
                output=output or (),
            )
        )
    return tuple(found)


def total(counts: Iterable[int | None]) -> int | None:
    """The sum, None where one of them is unknown."""
    known = list(counts)
    return None if None in known else sum(n for n in known if n is not None)


def _part(graph: Graph, part: GraphPart) -> Part:
    nodes = part.nodes
    types = graph.types
    inside = {node.name for node in nodes}
    outputs = {value for _, value in graph.outputs}
    read = {value for node in nodes for value in node.inputs} - inside
    shown = {
        node.name
        for node in nodes
        if node.name in outputs
        or any(user.name not in inside for user in graph.consumers[node.name])
    }
    held = {name for node in nodes for name in node.references()}
    weights = (graph.parameter[name] for name in held)
    moved = sum(_bytes(types[value]) for value in read | shown)
    moved += sum(p.size * np_dtype(p.dtype).itemsize for p in weights)
    macs = sum(
        node.op.macs(*graph.input_types(node), node.type)
        for node in nodes
        if is_map(node.op)
    )
    return Part(
        part.name, part.kind, part.label, part.section.pointer,
        macs, moved, nodes[-1].type.shape,
    )  # fmt: skip


def _bytes(value: TensorType) -> int:
    return prod(value.shape) * np_dtype(value.dtype).itemsize
