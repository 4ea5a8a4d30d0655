"""A network that has lost channels, as the whole with a map of other widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.expansion.widths import path_of, says_channels
from resgen.graph.ir import Graph
from resgen.ops import VOCABULARY
from resgen.recovery.recover import same
from resgen.spec import zoo
from resgen.spec.load import load
from resgen.spec.model import Spec
from resgen.spec.source import Problems, plain, pointer_of

#: Members that say nothing of what is computed.
_BESIDE: Final = ("name", "doc", "$schema", "preprocess", "labels")


def in_widths(whole: Spec, before: Graph, graph: Graph) -> dict[str, Any] | None:
    """The graph as a spec with a map of widths; None where that does not make it.

    ``before`` is the graph of the ``whole``. The spec extends it where it is a network
    of the zoo, which is there wherever it is read; any other one it repeats. Outputs of
    training alone are left out.
    """
    made = {path_of(node): node.type.channels for node in graph.nodes}
    widths = {
        path_of(node): made.get(path_of(node))
        for node in before.nodes
        if says_channels(node, before.types[node.inputs[0]])
        and made.get(path_of(node)) != node.type.channels
    }
    if None in widths.values():  # whole blocks are gone
        return None
    for parent in _parents(whole):
        document = {"resgen": 1, "name": graph.name, **parent}
        if widths:
            document["widths"] = {**document.get("widths", {}), **widths}
        found = examine(document).graph
        if found is not None and found.training is not None:
            more = dict(found.training.outputs).keys() - dict(found.outputs).keys()
            places = (pointer_of("head", "outputs", name) for name in sorted(more))
            document["set"] = dict.fromkeys(places)
            found = examine(document).graph
        if found is not None and found.training is None and same(graph, found):
            return document
    return None


def _parents(whole: Spec) -> Iterator[dict[str, Any]]:
    """What to say of a network beside its widths, the shortest first."""
    file = zoo.names().get(whole.name)
    if file is not None:
        known = load(file, VOCABULARY, Problems())
        same = known is not None and known.input == whole.input
        yield {"extends": whole.name} | ({} if same else {"input": [*whole.input]})
    yield {
        key: plain(at)
        for key, at in whole.members.items()
        if key not in _BESIDE and at.value is not None
    }
