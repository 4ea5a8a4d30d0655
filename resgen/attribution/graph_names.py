"""The names of a network that was built from a spec, as its files carry them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from resgen.attribution.names import Named, Names, Work
from resgen.graph.ir import Graph, Node
from resgen.graph.parts import parts
from resgen.ops.base import counts
from resgen.ops.cast import Cast
from resgen.ops.dequantize import Dequantize
from resgen.ops.quantize import Quantize
from resgen.ops.types import Apply, Operand, Ref
from resgen.weights.evaluate import dtype_of, np_dtype, shape_of


def names_of_graph(graph: Graph) -> Names:
    """The names of a network that was built from a spec.

    ``graph`` is the one that was lowered: with its norms folded and its quantisers, if
    the file has them.
    """
    return _Reading(graph).names()


@dataclass
class _Reading:
    graph: Graph

    def names(self) -> Names:
        graph = self.graph
        source = {i.name: i.name for i in graph.inputs}
        works: dict[str, Work] = {}
        aliases: dict[str, str] = {}
        users: dict[str, set[str]] = {}
        for node in graph.nodes:
            reads = tuple(source[value] for value in node.inputs)
            if node.op.training_only:
                source[node.name] = reads[0]
                continue
            source[node.name] = node.name
            works[node.name] = self.work(node, reads)
            aliases.update(dict.fromkeys(node.absorbed, node.name))
            for name in node.references():
                users.setdefault(name, set()).add(node.name)
        for name, value in graph.outputs:
            if name not in works:
                aliases[name] = source[value]
        hints = {name: used.pop() for name, used in users.items() if len(used) == 1}
        return Names(
            works=works,
            sizes={
                name: type_.size * np_dtype(type_.dtype).itemsize
                for name, type_ in graph.types.items()
            },
            outputs=frozenset(source[value] for _, value in graph.outputs),
            parts=tuple(
                Named(part.name, part.block, part.label, part.section.pointer)
                for part in parts(graph)
            ),
            aliases=aliases,
            hints=hints,
        )

    def work(self, node: Node, reads: tuple[str, ...]) -> Work:
        graph, origin = self.graph, node.origin
        return Work(
            name=node.name,
            section=graph.sections[origin.section].name,
            block=origin.block,
            role=origin.role,
            reads=reads,
            makes=(node.name,),
            weights=tuple(
                (f"{node.owner or node.name}.{role}", self.size(operand))
                for role, operand in node.operands
            ),
            macs=node.op.macs(*self.graph.input_types(node), node.type)
            if counts(node.op)
            else 0,
            helper=isinstance(node.op, Quantize | Dequantize | Cast),
        )

    def size(self, operand: Operand) -> int:
        """Bytes of what a file holds of an operand."""
        if isinstance(operand, Apply) and operand.function == "dequantize":
            parts = (arg for arg in operand.args if isinstance(arg, Ref | Apply))
            return sum(self.size(part) for part in parts)
        itemsize = np_dtype(dtype_of(operand, self.graph)).itemsize
        return prod(shape_of(operand, self.graph)) * itemsize
