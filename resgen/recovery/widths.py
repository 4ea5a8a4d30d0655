"""A network that has lost channels, as the whole with a map of other widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.expansion.widths import path_of, says_channels
from resgen.graph.ir import Graph
from resgen.recovery.recover import met
from resgen.spec import zoo
from resgen.spec.model import Spec
from resgen.spec.source import plain

#: Members that say nothing of what is computed.
_BESIDE: Final = ("name", "doc", "$schema", "preprocess", "labels")


def in_widths(whole: Spec, graph: Graph) -> dict[str, Any] | None:
    """The graph as a spec with a map of widths; None where that does not make it.

    The spec extends the whole where this is a network of the zoo, which is there
    wherever it is read; any other one it repeats.
    """
    for parent in _parents(whole):
        document = {"resgen": 1, "name": graph.name, **parent}
        found = examine(document).graph
        if found is None or found.training is not None:
            return None
        widths = _widths(found, graph)
        if widths:
            document["widths"] = {**document.get("widths", {}), **widths}
        if met(graph, document):
            return document
    return None


def _parents(whole: Spec) -> Iterator[dict[str, Any]]:
    """What to say of a network beside its widths, the shortest first."""
    if whole.name in zoo.names():
        shape = list(whole.input)
        same = examine(whole.name).spec
        own = {} if same is None or same.input == whole.input else {"input": shape}
        yield {"extends": whole.name, **own}
    yield {
        key: plain(at)
        for key, at in whole.members.items()
        if key not in _BESIDE and at.value is not None
    }


def _widths(whole: Graph, graph: Graph) -> dict[str, int]:
    """The channels of operators that have another number of them in the whole."""
    made = {path_of(node): node.type.channels for node in graph.nodes}
    return {
        path: made[path]
        for node in whole.nodes
        if says_channels(node, whole.types[node.inputs[0]])
        if (path := path_of(node)) in made and made[path] != node.type.channels
    }
