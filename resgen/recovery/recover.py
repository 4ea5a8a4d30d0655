"""The design of a network that was read: a spec as a person would write it.

Every step is held against the graph: what does not give the same operators, wired
alike, with parameters of the same names, is not taken, and less of the design is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from resgen.expansion.network import examine
from resgen.graph.identity import identity
from resgen.graph.ir import INPUT, OUTPUT, Graph
from resgen.importing.flat import Flat
from resgen.recovery.assembly import Assembly, sought_of
from resgen.recovery.body import elements, flat_spec
from resgen.recovery.called import called
from resgen.recovery.factor import factored, gathered, looped, size
from resgen.recovery.lanes import listed
from resgen.recovery.layers import layered
from resgen.recovery.parts import Parts, parts
from resgen.recovery.presets import (
    Presets,
    of_block,
    recognised,
)
from resgen.recovery.table import (
    AMONG,
    Grouping,
    Unit,
    apart,
    groupings,
    row,
    table,
)
from resgen.recovery.unify import OPTIONAL
from resgen.recovery.write import (
    NO_NORM,
    Defaults,
    Unwritten,
    alike,
    literal,
    shorthand,
)

#: How much of a block's template some of its uses may lack, what is tried.
_LIMITS: Final = (AMONG, OPTIONAL, 0.15, 0.0)
#: How many kinds of blocks may be left out of the stages, and one.
_DROPPED: Final = 3
#: By how much a spec has to be shorter that has fewer stages.
_LESS: Final = 1.05
#: What no rule of this package is to raise. A design is a gain and no need, so that
#: one that cannot be told for such a reason is not told.
_UNFORESEEN: Final = (LookupError, TypeError, ValueError, ArithmeticError)


def design(flat: Flat) -> dict[str, Any]:
    """The spec of a network with as much of its design as is sure.

    It gives :func:`~resgen.graph.identity.identity` and the names of parameters of the
    graph; where no more is understood it is the plain list of operators.
    """
    made = _recovered(flat.graph)
    if made is None:
        return flat_spec(flat)
    told = called(made, flat.classes)
    return told if told is made or met(flat.graph, told) else made


def _recovered(graph: Graph) -> dict[str, Any] | None:
    """The design of a graph, as lists between its parts where that gives stages.

    Otherwise it is that of single values; or of lists within its parts where these
    give stages and are shorter than either.
    """
    made, inside = (_listed(graph, inside=within) for within in (False, True))
    if made is None or not made["stages"]:
        plain = _designed(graph, graph)
        made = plain if plain and plain["stages"] else _shorter(plain, made)
    return _shorter(made, inside) if inside and inside["stages"] else made


def _listed(graph: Graph, *, inside: bool) -> dict[str, Any] | None:
    """The best design of a graph with lists in it; None where there are none."""
    several = listed(graph, inside=inside)
    return None if several is None else _designed(graph, several)


def _shorter(*made: dict[str, Any] | None) -> dict[str, Any] | None:
    return min((each for each in made if each is not None), key=size, default=None)


def _designed(graph: Graph, seen: Graph) -> dict[str, Any] | None:
    """The best design of a graph, as it is ``seen``; None where there is none."""
    for made in _Found(seen).designs():
        if met(graph, made):
            return shortened(made, graph)
    return None


def shortened(spec: dict[str, Any], graph: Graph) -> dict[str, Any]:
    """The spec with what it says more than once said once, where it stays the same."""
    for step in (_without_norm, factored, gathered, looped):
        made = step(spec)
        if size(made) < size(spec) and met(graph, made):
            spec = made
    return spec


def _without_norm(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec if it does not say that blocks have no norms: few are asked."""
    said = {k: v for k, v in spec.get("defaults", {}).items() if k != "norm"}
    if said == spec.get("defaults", {}) or spec["defaults"]["norm"] != NO_NORM["type"]:
        return spec
    rest = {key: value for key, value in spec.items() if key != "defaults"}
    return {**rest, "defaults": said} if said else rest


def met(graph: Graph, spec: Mapping[str, Any], *, names: bool = True) -> bool:
    """Whether a spec is of this network, under the same names unless others will do."""
    made = examine(spec).graph
    return made is not None and same(graph, made, names=names)


def same(graph: Graph, made: Graph, *, names: bool = True) -> bool:
    """Whether two graphs are of one network, as :func:`met` has it."""
    if names and named(made) != named(graph):
        return False
    return identity(made) == identity(graph)


def named(graph: Graph) -> dict[str, int]:
    """For each output what it is computed by, names of parameters included."""
    found: dict[str, int] = {each.name: hash(each.name) for each in graph.inputs}
    for node in graph.nodes:
        if node.op.training_only:
            found[node.name] = found[node.inputs[0]]
            continue
        read = [found[value] for value in node.inputs[: node.op.read]]
        if node.op.commutative:
            read.sort()
        owned = tuple(node.references())
        found[node.name] = hash((node.op.name, owned, tuple(read)))
    return {name: found[value] for name, value in graph.outputs}


class _Found:
    """What was found in a graph, and what specs can be made of it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        outputs = dict(graph.outputs)
        ends = outputs[OUTPUT] if list(outputs) == [OUTPUT] else outputs
        self.top = parts(elements(graph, INPUT, ends, known=INPUT), graph)
        self.row = row(self.top)
        self.units = [item for item in self.row if isinstance(item, Unit)]
        self.defaults = alike([unit.body for unit in self.units] or [self.top])
        self.presets = Presets(self.defaults)

    def designs(self) -> Iterator[dict[str, Any]]:
        """Specs, those with more structure first, of these the shorter ones.

        Where the language has no form for the stages, what is least of the network is
        left out of them, as long as something is left.
        """
        ways: list[Grouping] = []
        with suppress(*_UNFORESEEN):
            ways = groupings(self.units, _LIMITS, self._known)
        with suppress(Unwritten, *_UNFORESEEN):
            plain = layered(self.row)
            if plain is not None:
                yield Assembly(self.graph, plain, self.defaults, self.presets).spec()
        for dropped in range(_DROPPED):
            for by in (self.presets, None):
                found = [m for way in ways for m in self._assembled(way, dropped, by)]
                yield from (spec for _, spec in sorted(found, key=lambda each: each[0]))
        with suppress(Unwritten, *_UNFORESEEN):
            lone = apart(self.row)
            if lone is not None:
                for unit in self.units:
                    unit.group = -1
                yield Assembly(self.graph, lone, self.defaults, self.presets).spec()
        with suppress(*_UNFORESEEN):
            top = recognised(self.top, self.presets)
            yield without_stages(self.graph, top, self.defaults)

    def _assembled(
        self, way: Grouping, dropped: int, presets: Presets | None
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """Specs with what they cost: their sizes, more where units are left out.

        Stages are loose where they have no names otherwise, or say where they start.
        """
        told = False
        for lone, loose, by in (
            (True, False, 1.0),
            (False, False, _LESS),
            (True, True, _LESS),
        ):
            if not way.told(self.units, dropped) or (told and loose):
                return
            with suppress(Unwritten, *_UNFORESEEN):
                made = table(self.row, lone=lone, loose=loose)
                whole = Assembly(self.graph, made, self.defaults, presets)
                spec = whole.spec()
                told |= whole.starts is None
                yield by * size(spec), spec

    def _known(self, unit: Unit) -> str | None:
        return of_block(sought_of(unit, unit is self.units[0]), self.presets)


def without_stages(graph: Graph, top: Parts, defaults: Defaults) -> dict[str, Any]:
    """The network as a stem and a head, folded by paths."""
    return {
        "resgen": 1,
        "name": graph.name,
        "input": list(graph.inputs[0].type.shape),
        "defaults": shorthand(defaults),
        "stem": literal(top, defaults),
        "stages": [],
        "head": [],
    }
