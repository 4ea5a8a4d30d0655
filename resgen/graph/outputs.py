"""Which output of a network tells what: its shape says it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from resgen.errors import ResgenError, UsageError, did_you_mean, listed
from resgen.graph.choices import after_choices
from resgen.graph.ir import Graph
from resgen.ops.unit_norm import UnitNorm
from resgen.words.numbers import shape as said


@dataclass(frozen=True, slots=True)
class Scores:
    """An output with one number for each of ``classes`` classes."""

    name: str
    classes: int


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Each output's, without the batch."""
    return {name: graph.types[value].shape for name, value in graph.outputs}


def spoken(outputs: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """Each by its name and its shape.

    >>> list(spoken({"maps.0": (64, 8, 8), "scores": (10,)}))
    ['maps.0 (64 x 8 x 8)', 'scores (10)']
    """
    return (f"{name} ({said(sizes)})" for name, sizes in outputs.items())


def vectors(graph: Graph) -> dict[str, int]:
    """How many classes each vector tells; a lone number is the score of none.

    Neither does a vector of length 1, which is compared with others (an embedding), nor
    one that is of what was chosen, in its order.
    """
    unit = {node.name for node in graph.nodes if isinstance(node.op, UnitNorm)}
    other = unit | after_choices(graph)
    found = ((n, graph.types[v].shape) for n, v in graph.outputs if v not in other)
    return {n: sizes[0] for n, sizes in found if len(sizes) == 1 and sizes[0] > 1}


def scores(graph: Graph, asked: str | None = None) -> Scores:
    """The output that tells classes; errors as those of :func:`chosen`."""
    found = vectors(graph)
    name = chosen(graph, asked, found, "scores of classes")
    return Scores(name, found[name])


def chosen(
    graph: Graph,
    asked: str | None,
    fitting: Collection[str],
    what: str,
    hint: str | None = None,
) -> str:
    """The output ``asked`` for, or the only one that fits, which has ``what``.

    An unknown name is a :class:`~resgen.errors.UsageError`; that none fits, the one
    asked for does not, or several do, is a :class:`~resgen.errors.ResgenError`, with
    ``hint`` where none fits.
    """
    outputs = shapes(graph)
    if asked is not None and asked not in outputs:
        near = did_you_mean(asked, outputs)
        raise UsageError(
            f'{graph.name} has no output "{asked}"{near}',
            hint=f"its outputs: {listed(outputs)}",
        )
    if asked in fitting:
        return str(asked)
    if asked is None and len(fitting) == 1:
        return next(iter(fitting))
    if not fitting:
        raise ResgenError(
            f"{graph.name} gives {listed(spoken(outputs))}, and no {what}", hint=hint
        )
    wrong = "" if asked is None else f', and "{asked}" is none'
    names = listed(f'"{name}"' for name in fitting)
    raise ResgenError(
        f"{graph.name} has {what} in {names}{wrong}",
        hint="name one of them as the output",
    )
