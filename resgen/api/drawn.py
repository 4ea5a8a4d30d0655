"""Networks that are timed so that others can be told: as they are, varied, or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

import numpy as np

from resgen.api.asked.common import Reading
from resgen.api.specs import network
from resgen.errors import ResgenError
from resgen.expansion.arguments import Source
from resgen.expansion.network import examine
from resgen.graph.cost import analyse
from resgen.graph.ir import Graph
from resgen.latency.variants import narrowed, sized
from resgen.searching.mistakes import require_networks
from resgen.searching.price import Bounds, Refusal
from resgen.searching.pricing import Pricer
from resgen.searching.reading import is_space
from resgen.searching.reading import load as load_space
from resgen.searching.space import Genes, Space
from resgen.searching.work import priced
from resgen.spec.source import plain
from resgen.spec.zoo import names

#: Networks that nobody named are within this: more would take the time of many others.
USUAL: Final = Bounds(macs=8e9)
#: Draws from a space without a new network after which it is held to have no more.
DRAWS: Final = 1000


def require(sources: Sequence[Source]) -> None:
    """Raise a ResgenError at the first that is neither a network nor a space."""
    for source in sources:
        if is_space(source):
            require_networks(load_space(source))
        else:
            network(source, Reading())


def graphs(sources: Sequence[Source], bounds: Bounds = USUAL) -> Iterator[Graph]:
    """Networks of specs and spaces in turn, without an end where there are more.

    A spec is as it is first, then narrower and at another size; of a space each is a
    candidate within the bounds. Without sources they are those of the zoo. As many
    different ones as there are come first, since what they alone have, such as an
    operator, no other tells.
    """
    generator = np.random.default_rng(0)
    zoo = list(names())
    named = sources or [zoo[at] for at in generator.permutation(len(zoo))]
    left = [
        _candidates(load_space(source), Pricer(bounds))
        if is_space(source)
        else _varied(source, generator, Bounds() if sources else USUAL)
        for source in named
    ]
    while left:
        for each in [*left]:
            graph = next(each, None)
            if graph is None:
                left.remove(each)
            else:
                yield graph


def _varied(
    source: Source, generator: np.random.Generator, bounds: Bounds
) -> Iterator[Graph]:
    """A network as it is, then fewer of its channels and other sizes, for ever."""
    spec, graph, _ = network(source, Reading())
    if bounds.macs is not None and analyse(graph).macs > bounds.macs:
        return
    yield graph
    while True:
        size = list(sized(spec.input, generator))
        try:
            graph = network(source, Reading(set=(f"/input={size}",)))[1]
        except ResgenError:  # it takes no other size
            graph = network(source, Reading())[1]
        yield narrowed(graph, generator)


def _candidates(space: Space, pricer: Pricer) -> Iterator[Graph]:
    """Networks of a space by chance, each once, until no more are found."""
    random, seen, draws = Random(0), set[Genes](), 0
    while draws < DRAWS:
        genes, draws = space.draw(random), draws + 1
        if genes in seen:
            continue
        seen.add(genes)
        if isinstance(priced(space, genes, pricer), Refusal):
            continue
        graph = examine(plain(space.tree(genes))).graph
        if graph is not None:
            draws = 0
            yield graph
