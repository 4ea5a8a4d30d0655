"""What a search came to, as the document ``search.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from resgen.document.files import Format
from resgen.latency.table import Conditions
from resgen.searching.halving import Climbed, Reached
from resgen.searching.price import Bounds, Price
from resgen.searching.verdict import AgainstChance


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate: what it sets of the base, what it costs and how good it is told.

    ``latency`` are the median and the p95 in seconds as measured, None where it was
    not timed; ``notes`` say what was unsteady meanwhile.
    """

    name: str
    set: Mapping[str, Any]
    price: Price
    score: float
    details: Mapping[str, Any]
    latency: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """The network ``name`` measured beside another one, ``than``.

    In an older file, which does not say, it is the best one. ``verdict`` is faster,
    slower, equal or undecided, ``ratio`` its time over that of the other, in an
    ``interval`` at 99 %.
    """

    than: str
    verdict: str
    ratio: float | None
    interval: tuple[float, float] | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Trained:
    """The best by score, and the best by chance, trained by successive halving.

    ``steps`` are those of the last rung, by batches of ``batch`` examples of ``data``
    and a learning rate that falls from ``rate`` to 0, each on so many ``threads``; None
    in an older file, which does not say.
    """

    data: str
    steps: int
    batch: int
    rate: float
    rungs: tuple[Climbed, ...]
    threads: int | None = None

    @property
    def order(self) -> tuple[str, ...]:
        """All by name, the best first: those that went on come before the others."""
        names = (one.trial for rung in reversed(self.rungs) for one in rung.reached)
        return tuple(dict.fromkeys(names))

    def last(self, name: str) -> Reached:
        """What one had learned when it was left behind, or at the end."""
        return next(
            one
            for rung in reversed(self.rungs)
            for one in rung.reached
            if one.trial == name
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Why so many candidates are no networks, and what the first of them sets.

    ``code`` is that of a problem that `resgen check` finds, ``message`` its words.
    """

    code: str
    number: int
    message: str
    set: Mapping[str, Any]

    def __str__(self) -> str:
        sets = ", ".join(f"{at}={value}" for at, value in self.set.items())
        why = f": {self.message}" if self.message else ""
        return f"{self.code} {self.number:,}{why}, as with {sets}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A search of a space.

    ``size`` and ``holding`` are candidates of the space, and those of which its rules
    hold (``exact``: all were looked at). ``drawn`` were looked at by the search and as
    many by ``chance``, and ``refused`` counts those thrown out, by reason, of both;
    ``faults`` tell of those that are no networks.
    ``rate`` is candidates a second of one core. ``winners`` are the best of all, the
    best first, ``by_chance`` is the best of random search; where they were ``trained``
    they are the best of those that were. ``doubts`` say why nothing is promised.
    """

    resgen: str
    space: str
    space_sha256: str
    size: float
    holding: float
    exact: bool
    bounds: Bounds
    score: str
    sampler: str
    seed: int
    drawn: int
    chance: int
    within: int
    refused: Mapping[str, int]
    rate: float
    winners: tuple[Found, ...]
    by_chance: Found | None
    against_chance: AgainstChance | None
    conditions: Conditions | None
    beside: tuple[Beside, ...]
    doubts: tuple[str, ...]
    spec: str
    trained: Trained | None = None
    faults: tuple[Fault, ...] = ()
    format: int = 1


OUTCOME: Final = Format(
    mark="resgen_search_outcome",
    version=1,
    kind=Outcome,
    name="search's outcome",
    title="What a search of resgen's came to",
    made_by="resgen search",
    hint="`resgen search` makes one",
)
