"""The parts of a network: its sections, and the blocks of each.

Whatever is told by stage and block (cost, noise, time, precision, the place of a
problem) is told by this tree. A section is the stem, a stage or the head; a block is
one repetition in a stage. Every operator lies in one section, and in one of its blocks
or in none.
"""

from __future__ import annotations

from dataclasses import dataclass

from resgen.graph.ir import Graph, Node, Section


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A section of a network, or a block of one.

    ``path`` is where its modules live (``layer1.0``), and ``definition`` the block of
    the language that it is made by, if one made it. ``nodes`` are its operators in the
    order in which they run, those of its ``blocks`` among them.
    """

    section: Section
    block: int | None
    path: str
    definition: str | None
    nodes: tuple[Node, ...]
    blocks: tuple[Part, ...] = ()

    @property
    def kind(self) -> str:
        """``section`` or ``block``."""
        return "section" if self.block is None else "block"

    @property
    def name(self) -> str:
        """Its section and number: ``layer1``, ``layer1.0``, whatever its path is."""
        name = self.section.name
        return name if self.block is None else f"{name}.{self.block}"

    @property
    def label(self) -> str:
        """What it is made of: ``3 x bottleneck``, ``bottleneck``, ``stem``."""
        if self.block is not None:
            return self.definition or "block"
        if not self.blocks:
            return self.section.kind
        (made_by, *others) = {block.definition for block in self.blocks}
        count = len(self.blocks)
        return f"{count} blocks" if others or not made_by else f"{count} x {made_by}"

    @property
    def spoken(self) -> str:
        """As a sentence names it: ``stage layer1, block 0``."""
        kind, name = self.section.kind, self.section.name
        words = f"stage {name}" if kind == "stage" else name
        return words if self.block is None else f"{words}, block {self.block}"


def sections(graph: Graph) -> tuple[Part, ...]:
    """The sections of a graph in order, as :class:`~resgen.graph.ir.Graph` lists them.

    One that a pass left without operators is there as well.
    """
    within: list[list[Node]] = [[] for _ in graph.sections]
    for node in graph.nodes:
        within[node.origin.section].append(node)
    return tuple(
        Part(section, None, section.name, None, tuple(nodes), _blocks(graph, nodes))
        for section, nodes in zip(graph.sections, within, strict=True)
    )


def parts(graph: Graph) -> tuple[Part, ...]:
    """Every section that holds operators, each followed by its blocks."""
    found = (section for section in sections(graph) if section.nodes)
    return tuple(part for section in found for part in (section, *section.blocks))


def homes(graph: Graph) -> dict[str, Part]:
    """The part that each operator lies in, by its name: a block where there is one."""
    return {node.name: part for part in parts(graph) for node in part.nodes}


def _blocks(graph: Graph, nodes: list[Node]) -> tuple[Part, ...]:
    within: dict[int, list[Node]] = {}
    for node in nodes:
        if node.origin.block is not None:
            within.setdefault(node.origin.block, []).append(node)
    return tuple(
        _block(graph, block, tuple(inside)) for block, inside in sorted(within.items())
    )


def _block(graph: Graph, block: int, nodes: tuple[Node, ...]) -> Part:
    section = graph.sections[nodes[0].origin.section]
    scope = graph.scopes[nodes[0].scope]
    while scope.kind != "block":
        if scope.parent is None:  # its name is empty: it has no scope of its own
            return Part(section, block, section.name, None, nodes)
        scope = graph.scopes[scope.parent]
    return Part(section, block, scope.path or section.name, scope.definition, nodes)
