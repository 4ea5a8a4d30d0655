"""The graph of a network: its nodes and scopes, rules, passes, costs and pictures."""

from __future__ import annotations

from resgen.graph.ir import Graph, shown


def _text(graph: Graph) -> str:
    from resgen.graph.cost import analyse
    from resgen.graph.paths import paths

    return f"{analyse(graph)}\n{paths(graph)}"


def _svg(graph: Graph) -> str:
    from resgen.graph.draw import svg

    return svg(graph)


shown.update(text=_text, svg=_svg)
