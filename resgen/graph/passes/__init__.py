"""Passes: Graph -> Graph functions that need no weights.

What a node consumes of the parameters is an expression that is evaluated when an
artifact is written, so a pass changes expressions, not numbers. A pass is named verb
first, lives in a file of its own, and leaves its name in ``Graph.passes``; applied
again it changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Protocol

from resgen.graph.ir import Graph


class Pass(Protocol):
    """A rewriting of a graph that keeps the function that the network computes."""

    __name__: str

    def __call__(self, graph: Graph, /) -> Graph: ...


def recorded(rewrite: Pass) -> Pass:
    """Decorator: the pass leaves its name in the graphs that it yields.

    They are what inference runs, so what only training has is no part of them.
    """

    @wraps(rewrite)
    def run(graph: Graph, /) -> Graph:
        done = rewrite(graph)
        if rewrite.__name__ in done.passes:
            return done
        passes = (*done.passes, rewrite.__name__)
        return replace(done, passes=passes, training=None)

    return run


def apply(graph: Graph, *passes: Pass) -> Graph:
    """The graph after these passes, in order.

    A pass takes every valid graph, so one that fails is our mistake: ``RuntimeError``
    names it and those that went before.
    """
    for step in passes:
        graph = _run(step, graph)
    return graph


def _run(step: Pass, graph: Graph) -> Graph:
    try:
        return step(graph)
    except Exception as error:
        before = ", ".join(graph.passes) or "none"
        raise RuntimeError(
            f"{step.__name__} failed on {graph.name} (passes before it: {before})"
        ) from error
