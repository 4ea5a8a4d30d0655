"""The output of a network that a cross-entropy is taken of."""

from __future__ import annotations

from dataclasses import dataclass

from resgen.errors import ResgenError, UsageError, did_you_mean
from resgen.graph.ir import Graph


@dataclass(frozen=True, slots=True)
class Scores:
    """An output with one number for each of ``classes`` classes."""

    name: str
    classes: int


def scores(graph: Graph, output: str | None = None) -> Scores:
    """The output called ``output``, or the only one; a loss can be taken of it.

    An unknown name is a :class:`~resgen.errors.UsageError`. Several outputs without a
    name, and one that is no vector of scores, are a
    :class:`~resgen.errors.ResgenError`.
    """
    outputs = dict(graph.outputs)
    names = ", ".join(outputs)
    if output is not None and output not in outputs:
        raise UsageError(
            f'{graph.name} has no output "{output}"{did_you_mean(output, outputs)}',
            hint=f"its outputs: {names}",
        )
    if output is None and len(outputs) > 1:
        raise ResgenError(
            f"{graph.name} has {len(outputs)} outputs, and a loss is taken of one",
            hint=f"--output NAME picks it: {names}",
        )
    name = output or next(iter(outputs))
    kind = graph.types[outputs[name]]
    if kind.rank != 1 or kind.size < 2:
        raise ResgenError(
            f'the output "{name}" of {graph.name} is N x {kind}; cross-entropy needs '
            "N x classes, of two classes or more",
            hint=f"--output NAME picks another: {names}"
            if len(outputs) > 1
            else "give the network a head with classes",
        )
    return Scores(name, kind.size)
