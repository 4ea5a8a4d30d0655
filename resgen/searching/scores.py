"""What candidates are compared by: a number that is better the larger it is.

A scorer is a function of a checked network, and whoever writes one adds its name to
:data:`SCORERS`. Modules are imported when they are asked for: some need torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, TypeAlias

from resgen.graph.ir import Graph
from resgen.searching.price import Price
from resgen.spec.model import Spec


@dataclass(frozen=True, slots=True)
class Score:
    """How good a candidate is told to be; ``details`` are what JSON can hold."""

    value: float
    details: Mapping[str, Any] = field(default_factory=dict)


#: Of a spec and its graph, the score; the number is a seed for what is drawn. It is the
#: same whenever these are, so that a score in a journal holds. A ResgenError says that
#: a network has none.
Scorer: TypeAlias = Callable[[Spec, Graph, int], Score]

#: Scores that follow from what a candidate costs: nothing has to be expanded for them.
PRICED: Final[Mapping[str, Callable[[Price], float]]] = {
    "params": lambda price: float(price.params),
    "macs": lambda price: float(price.macs),
}
#: Where the other scorers are, by name: MODULE:FUNCTION.
SCORERS: Final[Mapping[str, str]] = {
    "zen": "resgen.searching.zen:zen",
    "health": "resgen.searching.health:health",
}


def names() -> tuple[str, ...]:
    """All scores that there are."""
    return (*PRICED, *SCORERS)


def scorer(name: str) -> Scorer:
    """The scorer of a name in :data:`SCORERS`."""
    module, _, function = SCORERS[name].partition(":")
    found: Scorer = getattr(import_module(module), function)
    return found
