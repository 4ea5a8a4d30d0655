"""What a rule is: a question to a graph, with a code and an explanation.

A rule takes a :class:`Subject` and yields what it finds as :class:`Finding` values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from resgen.errors import Severity
from resgen.graph.explanations import Explanation
from resgen.graph.ir import Graph, Node, Section
from resgen.graph.passes.inference import for_inference
from resgen.ops.base import is_map
from resgen.ops.types import TensorType

if TYPE_CHECKING:
    from resgen.graph.views import View


class Subject:
    """A graph under question, with what several rules ask of it.

    ``precisions`` are those that its operators are to run in, by name: what the spec
    says unless they are given.
    """

    def __init__(
        self, graph: Graph, precisions: Mapping[str, str] | None = None
    ) -> None:
        self.graph = graph
        self.precisions = precisions

    def precision(self, node: Node) -> str:
        """What a node is to run in; empty where nothing says."""
        if self.precisions is None:
            return node.precision
        return self.precisions.get(node.name, "")

    @cached_property
    def asked(self) -> frozenset[str]:
        """Every precision that some operator is to run in."""
        return frozenset(map(self.precision, self.graph.nodes))

    @cached_property
    def folded(self) -> Graph:
        """The graph with every batch norm folded that can be."""
        return for_inference(self.graph)

    @cached_property
    def view(self) -> View:
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


def rule(code: str, severity: Severity, title: str) -> Callable[[Question], Rule]:
    """Decorator: make a function a rule, explained by its docstring."""

    def make(ask: Question) -> Rule:
        return Rule(ask, Explanation.of(code, severity, title, ask.__doc__ or ""))

    return make
