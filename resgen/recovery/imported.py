"""From what was read to a spec of the same graph, and its numbers by its names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from resgen.errors import ResgenError
from resgen.expansion.builder import Limits
from resgen.expansion.network import expand, load
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.flat import Flat, Note
from resgen.recovery.body import flat_spec
from resgen.recovery.match import match, parameters
from resgen.recovery.names import by_paths, by_structure
from resgen.recovery.recover import design
from resgen.spec.model import Spec
from resgen.weights.evaluate import Weights

#: What is read may be larger than what a person writes.
LIMITS = Limits(operators=100_000)
#: By how much a spec under a file's own names may be longer than under tidy ones.
_DEARER: Final = 1.5


@dataclass(frozen=True)
class Imported:
    """A network from elsewhere, as a spec.

    ``document`` is the spec as it is written, ``graph`` what it expands to and
    ``weights`` its numbers. ``values`` are those of ``flat.graph`` by the values of
    ``graph``, ``parameters`` likewise.
    """

    document: Mapping[str, Any]
    spec: Spec
    graph: Graph
    weights: Weights
    flat: Flat
    values: Mapping[str, str]
    parameters: Mapping[str, str]


def imported(
    flat: Flat,
    *,
    structure: bool = True,
    stated: Callable[[Spec], Mapping[str, Any]] = lambda spec: {},
) -> Imported:
    """The spec of a network that was read, with its design recovered where it can be.

    Without ``structure`` it is a plain list of operators. ``stated`` is given the spec,
    and gives what is known from elsewhere of pictures and labels, as members of it.
    """
    for name, array in flat.weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            source = next(iter(flat.sources.get(name, ())), name)
            raise ResgenError(f'"{source}" holds numbers that are not finite')
    flat, document = _designed(flat) if structure else (flat, flat_spec(flat))
    spec = load(document, limits=LIMITS)
    if known := stated(spec):
        document = {**document, **known}
        spec = load(document, limits=LIMITS)
    graph = expand(spec, limits=LIMITS)
    if identity(graph) != identity(flat.graph):
        raise RuntimeError(f"{flat.graph.name} was written as another network")
    notes = _assumed(flat.graph, graph, pictures="preprocess" not in document)
    flat = replace(flat, notes=(*flat.notes, *notes))
    values = match(flat.graph, graph)
    placed = parameters(flat.graph, graph, values)
    weights = {ours: flat.weights[theirs] for ours, theirs in placed.items()}
    return Imported(document, spec, graph, weights, flat, values, placed)


def _assumed(read: Graph, graph: Graph, *, pictures: bool) -> Iterator[Note]:
    """What a source leaves open and the spec decides, or orders otherwise.

    ``pictures`` tells whether their preparation is one of these.
    """
    (given,) = graph.inputs
    if pictures and len(given.type.shape) == 3 and given.type.channels in (1, 3):
        why = (
            "nothing tells how pictures become the input: by ImageNet's mean and "
            "deviation, unless the spec is made to say another way"
        )
        yield Note("assumed", "preprocess", why)
    theirs, ours = (tuple(n for n, _ in g.outputs) for g in (read, graph))
    if theirs != ours:
        why = f"a spec gives out by name: {', '.join(ours)}"
        yield Note("reordered", f"outputs {', '.join(theirs)}", why)


def _designed(flat: Flat) -> tuple[Flat, dict[str, Any]]:
    """The spec of the network under its own names, or under names by its structure.

    A module's names are its own, and so are a file's where they tell what is repeated
    about as shortly as others would.
    """
    ways = [_way("its own names", flat, lambda: by_paths(flat) or flat)]
    if not flat.classes:
        ways.append(_way("names by structure", flat, lambda: by_structure(flat)))
    made = [way for way in ways if not isinstance(way, Note)]
    if not made:
        notes = [way for way in ways if isinstance(way, Note)]
        return replace(flat, notes=(*flat.notes, *notes)), flat_spec(flat)
    (mine, mine_told), (other, other_told) = made[0], made[-1]
    dearer = len(json.dumps(mine_told)) / len(json.dumps(other_told))
    if dearer <= (_DEARER if mine_told["stages"] else 1):
        return mine, mine_told
    return other, other_told


def _way(
    names: str, flat: Flat, named: Callable[[], Flat]
) -> tuple[Flat, dict[str, Any]] | Note:
    """A design under some names.

    Recovering one is a search among what people write, which loses nothing but
    structure where it fails on what nobody has written before.
    """
    try:
        found = flat if flat.classes else named()
        return found, design(found)
    except Exception as error:
        return Note("read", f"no design under {names}", f"it failed: {error!r}")
