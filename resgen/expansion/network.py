"""Load, check and expand: the steps that every command begins with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resgen.errors import Place, Problem, SpecError
from resgen.expansion.arguments import LIMITS, SOURCE, Source
from resgen.expansion.builder import Limits
from resgen.expansion.expand import expand as expand_graph
from resgen.graph.check import check as check_graph
from resgen.graph.ir import Graph
from resgen.graph.sizes import inferred
from resgen.ops import VOCABULARY
from resgen.ops.base import ShapeError
from resgen.ops.types import TensorType
from resgen.options.kinds import argument, several, text, typed
from resgen.spec.change import CHANGE
from resgen.spec.load import load as load_spec
from resgen.spec.model import Spec
from resgen.spec.places import Enough, Problems
from resgen.words.numbers import shape as sizes


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of a spec: as much as could be made of it, and every problem."""

    spec: Spec | None
    graph: Graph | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems that leave no network."""
        return tuple(p for p in self.problems if p.severity == "error")


def examine(
    source: Source,
    changes: Any = (),
    *,
    limits: Limits | None = None,
    called: str = "<spec>",
) -> Examined:
    """Read, expand and check; nothing is raised for what a spec can have wrong.

    ``source`` is a path, the name of a network of the zoo, or the spec as Python
    values, in which messages tell places as ``called``. ``changes`` are of the form
    ``/POINTER=VALUE``, or values by their pointers.
    """
    source = argument("source", SOURCE, source)
    limits = argument("limits", LIMITS, Limits() if limits is None else limits)
    made = tuple(argument("changes", CHANGE, each) for each in several(changes))
    called = argument("called", text("NAME"), called)
    found = Problems(limits.work)
    spec = graph = None
    whole = Place(
        str(source)[:100] if isinstance(source, str | Path) else called, 1, 1, ""
    )
    with suppress(SpecError, Enough):  # what they tell is collected already
        try:
            spec = load_spec(source, VOCABULARY, found, made, called)
            if spec is not None:
                graph = expand_graph(spec, limits=limits, problems=found)
                for problem in check_graph(graph):
                    found.add(problem)
                _warn_of_other_weights(spec, graph, found)
        except RecursionError:
            message = "parts of the spec use one another too deeply"
            found.error("RG051", message, whole)
    if graph is None and not found.errors:
        message = "it makes no network, and nothing says why: please report it"
        with suppress(Enough):
            found.error("RG012", message, whole)
    problems = sorted(found.items, key=_by_line)
    return Examined(spec, None if found.errors else graph, tuple(problems))


def _warn_of_other_weights(spec: Spec, graph: Graph, found: Problems) -> None:
    """Where a map is flattened, its size decides the shapes of weights.

    A network that changes the input of the one that it extends is then another one,
    whose published weights and counts are not its own.
    """
    own, parent = (spec.members[key].place() for key in ("input", "head"))
    if own.file == parent.file:
        return
    given = graph.inputs[0].type
    doubled = TensorType((given.channels, *(2 * size for size in given.spatial)))
    with suppress(ShapeError):
        for node, others in inferred(graph, doubled):
            x = graph.types[node.inputs[0]]
            whole = node.op.name == "flatten" and node.type.rank == 1
            if whole and x.positions > 1 and x != others[0]:
                message = (
                    f"the network flattens a map of {sizes(x.shape)}, so at this input "
                    f"it has other weights than {parent.file}"
                )
                hint = (
                    'an "adaptive_avg_pool" to the size that it was made for, before '
                    "it, takes every input, and those weights"
                )
                found.warning("RG214", message, own, hint)
                return


def load(
    source: Source,
    changes: Any = (),
    *,
    limits: Limits | None = None,
    called: str = "<spec>",
) -> Spec:
    """A spec, resolved and checked; raises :class:`SpecError` listing all its errors.

    >>> load("resnet50", ["/stages/2/depth=23"]).name
    'resnet50'
    """
    examined = examine(source, changes, limits=limits, called=called)
    if examined.spec is None or examined.errors:
        raise SpecError(examined.problems)
    return examined.spec


def expand(spec: Spec, *, limits: Limits | None = None) -> Graph:
    """The validated graph of a spec; raises :class:`SpecError`."""
    limits = argument("limits", LIMITS, Limits() if limits is None else limits)
    spec = argument("spec", typed("a Spec; resgen.load makes one", Spec), spec)
    graph = expand_graph(spec, limits=limits)
    problems = check_graph(graph)
    if any(p.severity == "error" for p in problems):
        raise SpecError(problems)
    return graph


def _by_line(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.place
    return place.file, place.line, place.column, problem.code
