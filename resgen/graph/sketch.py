"""What a picture or a table of a network shows of it: sections made of a few units.

A unit is a block of a stage, or outside blocks a single operator that computes or
changes the size of the map (a convolution, a linear map, a pooling).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from resgen.graph.ir import Graph, Node
from resgen.graph.parts import Part, sections
from resgen.ops.base import is_map
from resgen.ops.types import TensorType


@dataclass(frozen=True, slots=True)
class Unit:
    """One box of the picture.

    ``kind`` is ``block``, ``map`` or ``pool``; ``shortcut`` is how a block's input
    comes to be merged with its result: ``identity``, ``resized`` (without parameters,
    such as zero-pad), ``projection``, ``concat`` or None.
    """

    kind: str
    label: str
    name: str
    type: TensorType
    shortcut: str | None = None


def sketch(graph: Graph) -> list[tuple[Unit, ...]]:
    """The units of every section in order, from stem to head."""
    return [tuple(_units(graph, section)) for section in sections(graph)]


def _units(graph: Graph, section: Part) -> Iterator[Unit]:
    at = {node.name: block for block in section.blocks for node in block.nodes}
    for block, members in groupby(section.nodes, key=lambda node: at.get(node.name)):
        if block is None:
            for node in members:
                unit = _single(graph, node)
                if unit is not None:
                    yield unit
        else:
            nodes = list(members)
            yield Unit(
                "block", block.label, block.path, nodes[-1].type, _shortcut(nodes)
            )


def _single(graph: Graph, node: Node) -> Unit | None:
    x = graph.types[node.inputs[0]]
    if is_map(node.op):
        window = node.op.window(x)
        extent = "" if window is None else "×".join(map(str, window.extent)) + " "
        return Unit("map", extent + node.op.name, node.name, node.type)
    if x.spatial != node.type.spatial and node.type.spatial:
        label = node.op.name.replace("_", " ")
        return Unit("pool", label, node.name, node.type)
    return None


def _shortcut(nodes: list[Node]) -> str | None:
    merges = [node for node in nodes if node.origin.role == "merge"]
    if not merges:
        # A block may be written without `residual`: its input is merged all the same.
        inside = {node.name for node in nodes}
        merges = [
            node
            for node in nodes
            if node.op.name in ("add", "concat") and not inside.issuperset(node.inputs)
        ]
    if not merges:
        return None
    if any(node.op.name == "concat" for node in merges):
        return "concat"
    beside = [node.op for node in nodes if node.origin.role == "shortcut"]
    if any(is_map(op) for op in beside):
        return "projection"
    return "resized" if beside else "identity"


def caption(units: tuple[Unit, ...]) -> str:
    """What a section is made of: ``3 × bottleneck``, ``7×7 conv, max pool``."""
    blocks = [unit.label for unit in units if unit.kind == "block"]
    if blocks:
        names = " and ".join(dict.fromkeys(blocks))
        return f"{len(blocks)} × {names}"
    runs = [(label, len(list(run))) for label, run in groupby(u.label for u in units)]
    parts = [label if n == 1 else f"{n} × {label}" for label, n in runs]
    return ", ".join(parts) if len(parts) <= 2 else f"{len(units)} layers"
