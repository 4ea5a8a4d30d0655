"""From what was read to a spec of the same graph, and its numbers by its names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from resgen.errors import ResgenError
from resgen.expansion.builder import Limits
from resgen.expansion.network import expand, load
from resgen.graph.identity import identity
from resgen.graph.ir import Graph
from resgen.importing.flat import Flat, Note
from resgen.recovery.body import flat_spec
from resgen.recovery.extends import extending
from resgen.recovery.factor import size
from resgen.recovery.match import match, parameters
from resgen.recovery.names import by_paths, by_structure
from resgen.recovery.recover import design
from resgen.recovery.widths import in_widths
from resgen.spec.model import Spec
from resgen.spec.source import plain
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
    whole: tuple[Spec, Graph] | None = None,
    stated: Callable[[Spec], Mapping[str, Any]] = lambda spec: {},
) -> Imported:
    """The spec of a network that was read, with its design recovered where it can be.

    Without ``structure`` it is a plain list of operators. What is left of a ``whole``
    network, given with its graph, may be told by that one and a map of widths.
    ``stated`` is given the spec, and gives what is known from elsewhere of pictures and
    labels, as members of it.
    """
    for name, array in flat.weights.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            source = next(iter(flat.sources.get(name, ())), name)
            raise ResgenError(f'"{source}" holds numbers that are not finite')
    nodes = flat.graph.nodes
    called = f"spec of {nodes[0].origin.place.file if nodes else flat.graph.name}"
    told = None if whole is None else in_widths(*whole, flat.graph)
    made, document = _designed(flat) if structure else (flat, flat_spec(flat))
    if whole is None or told is None or _tells(document, told, len(whole[0].stages)):
        flat = made
    else:
        document = told
    spec = load(document, limits=LIMITS, called=called)
    # What a parent says of pictures is no word of the source's, unless it is the whole.
    inherited = None if document is told else spec.members.get("preprocess")
    bare = spec
    if inherited is not None:
        bare = load({**document, "preprocess": None}, limits=LIMITS, called=called)
    if known := dict(stated(bare)):
        if inherited is not None and "preprocess" in known:
            unsaid = dict.fromkeys(plain(inherited))
            known["preprocess"] = {**unsaid, **known["preprocess"]}
        document = {**document, **known}
        spec = load(document, limits=LIMITS, called=called)
    graph = expand(spec, limits=LIMITS)
    if identity(graph) != identity(flat.graph):
        raise RuntimeError(f"{flat.graph.name} was written as another network")
    notes = _assumed(flat.graph, graph, document)
    flat = replace(flat, notes=(*flat.notes, *notes))
    values = match(flat.graph, graph)
    placed = parameters(flat.graph, graph, values)
    weights = {ours: flat.weights[theirs] for ours, theirs in placed.items()}
    return Imported(document, spec, graph, weights, flat, values, placed)


def _assumed(read: Graph, graph: Graph, document: Mapping[str, Any]) -> Iterator[Note]:
    """What a source leaves open and the spec decides, or orders otherwise."""
    (given,) = graph.inputs
    pictures = len(given.type.shape) == 3 and given.type.channels in (1, 3)
    if pictures and "preprocess" not in document:
        parent = document.get("extends")
        way = f"as those of {parent}" if parent else "by ImageNet's mean and deviation"
        why = (
            f"nothing tells how pictures become the input: {way}, unless the spec is "
            "made to say another way"
        )
        yield Note("assumed", "preprocess", why)
    theirs, ours = (tuple(n for n, _ in g.outputs) for g in (read, graph))
    if theirs != ours:
        why = f"a spec gives out by name: {', '.join(ours)}"
        yield Note("reordered", f"outputs {', '.join(theirs)}", why)


def _tells(design: Mapping[str, Any], widths: Mapping[str, Any], stages: int) -> bool:
    """Whether a design says more of a network than a map of widths on the whole's.

    It has as many stages, and is no longer.
    """
    kept = "extends" in design or len(design["stages"]) >= stages
    return kept and size(design) <= size(widths)


class _Way(NamedTuple):
    """A network under some names, with its spec; whether they are the source's own."""

    flat: Flat
    document: dict[str, Any]
    own: bool


def _designed(flat: Flat) -> tuple[Flat, dict[str, Any]]:
    """The spec of the network under its own names, or under names by its structure.

    A module's names are its own, and so are a file's where they tell what is repeated
    about as shortly as others would. Recovering a design is a search among what people
    write, which loses nothing but structure where it fails on what nobody has written.
    """
    made: list[_Way] = []
    notes: list[Note] = []
    renamings = (lambda _: flat,) if flat.classes else (by_paths, by_structure)
    for rename in renamings:
        own = rename is not by_structure
        try:
            found = rename(flat)
            if found is None:
                continue
            if not made and (known := extending(found.graph, own=own)):
                return found, known
            made.append(_Way(found, design(found), own))
        except Exception as error:
            names = "its own names" if own else "names by structure"
            why = f"it failed: {error!r}"
            notes.append(Note("read", f"no design under {names}", why))
    if not made:
        return replace(flat, notes=(*flat.notes, *notes)), flat_spec(flat)
    mine, other = made[0], made[-1]
    dearer = size(mine.document) / size(other.document)
    best = mine if dearer <= (_DEARER if mine.document["stages"] else 1) else other
    for head in (None, best.document["head"]):
        known = extending(best.flat.graph, own=best.own, head=head)
        if known is not None:
            return best.flat, known
    return best.flat, best.document
