"""A table of kernels that were timed on one machine, and what it says of a network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, exp, log
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from resgen.document.files import Format
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.graph.parts import parts
from resgen.graph.precision import Name
from resgen.latency.kernels import Kernel, Run, runs
from resgen.latency.regression import Numbers, Regression
from resgen.latency.tilt import Tilt
from resgen.records.profile import Interval
from resgen.words.numbers import count, interval, seconds, share

#: Parts that networks are dealt into: each is predicted from the others.
FOLDS: Final = 10
#: Of the intervals of predictions.
CONFIDENCE: Final = 0.95
#: Networks that are needed before anything is said of how well others are predicted.
LEAST: Final = 10
#: How far what was measured may be off, over how far what is like nothing measured.
DOUBT: Final = 0.1
#: Kernels that are told by less than this are unlike what was measured.
UNLIKE: Final = 0.5
#: By what factor kernels may be off at most of whose kind none was measured, which may
#: also take next to nothing; and how many places are named of what is unlike the rest.
STRANGE: Final = 10.0
NAMED: Final = 3
#: By how much predictions are off of which the share is told.
TOLD: Final = (0.05, 0.1, 0.2)
#: Rounds of the robust fit of whole networks, and what counts as no error in it.
ROUNDS: Final = 10
CLOSE: Final = 0.01
#: By what factor networks may differ in how their kernels add up to them.
DISTURBED: Final = 1.25
#: Rounds of the fit of how fast the machine was, the kernels beside which one more is
#: believed half, and seconds from which on the ticks of a clock are no matter.
POLISHED: Final = 5
AGREEING: Final = 5
TELLING: Final = 3e-5
#: Of a kernel's time at most so much is its profiler's.
COST: Final = 0.9


@dataclass(frozen=True, slots=True)
class Conditions:
    """What times hold for: those of other conditions are never mixed with them."""

    runtime: str
    version: str | None
    device: str
    processor: str
    threads: int
    batch: int
    precision: Name = "fp32"

    def __str__(self) -> str:
        engine = f"{self.runtime} {self.version or ''}".rstrip()
        threads = f", {count(self.threads, 'thread')}" if self.device == "cpu" else ""
        return (
            f"{engine} on {self.processor}{threads}, batch {self.batch}, "
            f"{self.precision}"
        )


@dataclass(frozen=True, slots=True)
class Network:
    """One network that was timed: ``seconds`` as a whole, without a profiler.

    ``kernels`` are pairs of a kernel's place in the table and its seconds under the
    engine's profiler, in the order in which they ran. ``notes`` say what was unsteady.
    """

    name: str
    sha256: str
    seconds: float
    kernels: tuple[tuple[int, float], ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        unsteady = f" ({self.notes[0]})" if self.notes else ""
        return seconds(self.seconds) + unsteady


@dataclass(frozen=True, slots=True)
class Held:
    """A network that was predicted without what was timed of it.

    Logarithms of the predicted time over the one that it took: predicted from networks
    of other ``names``, and from all ``others``, the same at other widths and sizes
    among them. ``known`` is how much other networks tell of its kernels: 1 of those
    that they have as well, the less the less alike theirs are, by the share of time.
    """

    names: float
    others: float
    known: float


@dataclass(frozen=True, slots=True)
class Record:
    """The document of a table; ``format`` grows as older readers would misunderstand.

    ``held_out`` is of each network in order; empty where there are too few.
    """

    conditions: Conditions
    kernels: tuple[Kernel, ...]
    networks: tuple[Network, ...]
    held_out: tuple[Held, ...]
    created: str  # ISO 8601, UTC
    resgen: str
    format: int = 1


TABLE: Final = Format(
    mark="resgen_latency_table",
    version=1,
    kind=Record,
    name="latency table",
    title="A table of latencies of resgen's",
    made_by="resgen measure blocks",
    hint="`resgen measure blocks` makes one",
)


@dataclass(frozen=True, slots=True)
class Charged:
    """What a section or block of a network is predicted to take, in seconds."""

    path: str
    kind: str  # "section" or "block"
    label: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network is predicted to take, in seconds a batch.

    ``interval`` held for 95 % of the networks of the table, each predicted from the
    others; None where these are too few. It is the narrower the more alike what was
    measured is (normalised conformal prediction, Papadopoulos et al. 2011).
    ``measured`` is the share of the time that kernels take which were measured as they
    are, ``unlike`` of those that are like nothing measured; ``places`` are nodes of
    these, the longest first. Of kinds that are ``unknown`` no kernel was measured: the
    interval lets them take nothing, or ten times what is said.
    """

    conditions: Conditions
    seconds: float
    interval: Interval | None
    parts: tuple[Charged, ...]
    measured: float
    unlike: float
    places: tuple[str, ...]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        from resgen.document.files import plain

        found: dict[str, Any] = plain(self)
        return found

    def __str__(self) -> str:
        if self.interval is None:
            return seconds(self.seconds)
        return f"{seconds(self.seconds)} (95 %: {interval(self.interval)})"


class Table:
    """Predicts networks under the conditions of a record."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.conditions = record.conditions

    @cached_property
    def _times(self) -> dict[Kernel, float]:
        return _times(self.record.kernels, self.record.networks)

    @cached_property
    def _regression(self) -> Regression:
        return Regression(self._times)

    @cached_property
    def _told(self) -> dict[Kernel, float]:
        """What each kernel takes that was asked for."""
        return dict(self._times)

    @cached_property
    def within(self) -> Interval | None:
        """By what the time of a network may be off, as factors of the prediction."""
        return self._around(1.0, 0.0)

    @property
    def margin(self) -> float | None:
        """The factor by which a prediction may be off; None where it is not known."""
        return None if self.within is None else self.within[1]

    def require(self, conditions: Conditions, called: Path) -> None:
        """Raise a ResgenError where it is of others; ``called`` is its file."""
        if self.conditions != conditions:
            raise ResgenError(f"{called} is of {self.conditions}, not of {conditions}")

    def _around(
        self, total: float, known: float, strange: float = 0.0
    ) -> Interval | None:
        """The interval of a prediction of which so much is known.

        ``strange`` is the share of kinds of which none was measured.
        """
        held = self.record.held_out
        if len(held) < LEAST:
            return None
        left = self._tilt.left([each.names for each in held]).tolist()
        doubts = [
            abs(off) / (DOUBT + 1 - each.known)
            for off, each in zip(left, held, strict=True)
        ]
        # One more network is as likely at any place among these: few promise less.
        place = min(ceil(CONFIDENCE * (len(doubts) + 1)), len(doubts)) - 1
        widest = sorted(doubts)[place] * (DOUBT + 1 - known)
        low, high = 1 - strange, 1 + (STRANGE - 1) * strange
        return low * total * exp(-widest), high * total * exp(widest)

    def close(self, off: float = 0.1, *, variants: bool = False) -> float | None:
        """The share of networks that others predict within so much.

        Networks as they are, by those of other names; ``variants``, which are narrower
        or of another size, by all others. None where these are too few to tell.
        """
        held, first = self.record.held_out, self._first
        left = self._tilt.left([h.others if variants else h.names for h in held])
        told = [o for at, o in enumerate(left.tolist()) if (at in first) != variants]
        if len(told) < LEAST:
            return None
        return float(np.mean(np.abs(np.exp(told) - 1) <= off))

    @cached_property
    def _tilt(self) -> Tilt:
        """How predictions go with the time that a network takes."""
        held = self.record.held_out
        took = [network.seconds for network in self.record.networks]
        enough = len(held) if len(held) >= LEAST else 0
        return Tilt(took[:enough], [each.names for each in held[:enough]])

    @cached_property
    def _first(self) -> frozenset[int]:
        """Where networks stand as they are: what follows of a name varies it.

        Of few names each network counts for itself.
        """
        names = [network.name for network in self.record.networks]
        first = {name: at for at, name in reversed([*enumerate(names)])}
        return frozenset(first.values() if len(first) >= LEAST else range(len(names)))

    def seconds_of(self, kernels: Sequence[Kernel]) -> list[float]:
        """What each takes within a network of usual size; see :meth:`whole`."""
        told = self._told
        new = dict.fromkeys(kernel for kernel in kernels if kernel not in told)
        if new:
            told.update(self._regression.seconds(new))
        return [told[kernel] for kernel in kernels]

    def whole(self, kernels: float) -> float:
        """What a network takes whose kernels are told to take so much."""
        return self._tilt.seconds(kernels)

    def seconds(self, graph: Graph) -> float:
        """What a network takes."""
        return self.whole(sum(self.seconds_of([run.kernel for run in runs(graph)])))

    def predict(self, graph: Graph) -> Prediction:
        """What a network takes and where, with an interval."""
        ran = runs(graph)
        kernels = [run.kernel for run in ran]
        told = self.seconds_of(kernels)
        total, alike = self.whole(sum(told)), self._regression.alike(kernels)
        spent = [total * took / sum(told) for took in told]
        kinds = dict.fromkeys(kernel.kind for kernel in kernels)
        unknown = tuple(kind for kind in kinds if not self._regression.knows(kind))

        def part(chosen: Callable[[Kernel], bool]) -> float:
            met = (s for s, k in zip(spent, kernels, strict=True) if chosen(k))
            return sum(met) / total if total else 0.0

        far = [at for at, kernel in enumerate(kernels) if alike[kernel] < UNLIKE]
        far.sort(key=lambda at: -spent[at])
        return Prediction(
            self.conditions,
            total,
            self._around(
                total, self._known(kernels, told), part(lambda k: k.kind in unknown)
            ),
            tuple(_charged(graph, ran, spent)),
            part(lambda kernel: kernel in self._times),
            part(lambda kernel: alike[kernel] < UNLIKE),
            tuple(ran[at].nodes[0].name for at in far[:NAMED]),
            unknown,
        )

    def told(self, kernels: Sequence[Kernel]) -> tuple[float, float]:
        """What a network of these takes, and how much of it is known."""
        spent = self.seconds_of(kernels)
        return self.whole(sum(spent)), self._known(kernels, spent)

    def _known(self, kernels: Sequence[Kernel], spent: Sequence[float]) -> float:
        alike, total = self._regression.alike(kernels), sum(spent)
        met = sum(s * alike[k] for s, k in zip(spent, kernels, strict=True))
        return met / total if total else 0.0

    def _held_out(self) -> Iterator[str]:
        """How well networks are predicted from others."""
        if self.within is None:
            yield f"fewer than {LEAST} networks tell nothing of how well others fit"
            return
        yield "predicted from others, without what was timed of it"
        for what, variants in (("a network", False), ("a variant of one", True)):
            shares = ", ".join(
                f"{share(close, 1, 0)} within {share(off, 1, 0)}"
                for off in TOLD
                if (close := self.close(off, variants=variants)) is not None
            )
            if shares:
                yield f"  {what:18}{shares}"

    def lines(self) -> Iterator[str]:
        """What the table holds, and how well it predicts."""
        record = self.record
        yield str(self.conditions)
        yield (f"{len(record.kernels)} kernels of {len(record.networks)} networks")
        yield from self._held_out()
        busy = sum(bool(network.notes) for network in record.networks)
        if busy:
            yield f"the machine was unsteady while {busy} of them were timed"


def load(path: str | Path) -> Table:
    """The table in a file; a ResgenError says what is wrong with it."""
    return Table(TABLE.load(Path(path)))


def held_out(
    kernels: Sequence[Kernel], networks: Sequence[Network]
) -> tuple[Held, ...]:
    """How each network is predicted from others; nothing where these are too few.

    Kernels that the others have as well (as ResNet-34 has those of ResNet-18) are as
    they were timed there.
    """
    if len(networks) < LEAST:
        return ()
    alone = [str(at) for at in range(len(networks))]
    names = [network.name for network in networks]
    if len(set(names)) < LEAST:
        names = alone
    return tuple(
        Held(by_name, by_others, known)
        for (by_name, known), (by_others, _) in zip(
            _told(kernels, networks, names),
            _told(kernels, networks, alone),
            strict=True,
        )
    )


def _told(
    kernels: Sequence[Kernel], networks: Sequence[Network], groups: Sequence[str]
) -> list[tuple[float, float]]:
    """How far each is off as those of other groups predict it, and what these knew."""
    names = [*dict.fromkeys(groups)]
    order = np.random.default_rng(0).permutation(len(names))
    found = [(0.0, 0.0)] * len(networks)
    for fold in range(FOLDS):
        left = {names[at] for at in order[fold::FOLDS]}
        others = [n for n, g in zip(networks, groups, strict=True) if g not in left]
        table = Table(Record(_NOWHERE, tuple(kernels), tuple(others), (), "", ""))
        for at, network in enumerate(networks):
            if groups[at] in left:
                asked = [kernels[place] for place, _ in network.kernels]
                told, known = table.told(asked)
                found[at] = float(np.log(told / network.seconds)), known
    return found


_NOWHERE: Final = Conditions("", None, "", "", 1, 1)


def _times(
    kernels: Sequence[Kernel], networks: Sequence[Network]
) -> dict[Kernel, float]:
    """Of each kernel the median over all places where it ran.

    What a profiler adds to each is taken off, and what is left is scaled so that the
    kernels of a network take what it took as a whole, without a profiler. Where that is
    far from how it is with others, something else ran in one of the two, and kernels
    are not blamed for it. Then it is taken off by how much the machine was slower while
    the network was timed than while others were.
    """
    cost = _cost(networks)
    owns = [
        [max(took - cost, (1 - COST) * took) for _, took in network.kernels]
        for network in networks
    ]
    scales = [
        network.seconds / whole if (whole := sum(own)) else 1.0
        for network, own in zip(networks, owns, strict=True)
    ]
    usual = median(scales) if scales else 1.0
    ran: list[list[tuple[int, float]]] = []
    for network, own, scale in zip(networks, owns, scales, strict=True):
        trusted = min(max(scale, usual / DISTURBED), usual * DISTURBED)
        places = (place for place, _ in network.kernels)
        ran.append([(at, took * trusted) for at, took in zip(places, own, strict=True)])
    found: defaultdict[int, list[float]] = defaultdict(list)
    for each, pace in zip(ran, _paces(ran), strict=True):
        for place, took in each:
            found[place].append(took / pace)
    return {kernels[place]: median(each) for place, each in found.items()}


def _paces(ran: Sequence[Sequence[tuple[int, float]]]) -> list[float]:
    """By what factor the machine was slower than usual while each network was timed.

    ``ran`` has the place and the seconds of each of a network's kernels.

    A shared processor is faster in one minute than in another, and all of a network's
    kernels are so together. Those that several networks have tell it: the logarithm of
    a time is that of its kernel and that of the pace (medians of both in turn, as in
    Tukey's median polish), and a few kernels tell less than many.
    """
    logs = [
        [(place, log(took)) for place, took in each if took >= TELLING] for each in ran
    ]
    met = Counter(place for each in logs for place in {place for place, _ in each})
    logs = [[(place, at) for place, at in each if met[place] > 1] for each in logs]
    paces = [0.0] * len(ran)
    for _ in range(POLISHED):
        seen: defaultdict[int, list[float]] = defaultdict(list)
        for each, pace in zip(logs, paces, strict=True):
            for place, at in each:
                seen[place].append(at - pace)
        usual = {place: median(each) for place, each in seen.items()}
        paces = [
            median(at - usual[place] for place, at in each)
            * len(each)
            / (len(each) + AGREEING)
            if each
            else 0.0
            for each in logs
        ]
    middle = median(paces) if paces else 0.0
    return [exp(pace - middle) for pace in paces]


def _cost(networks: Sequence[Network]) -> float:
    """Seconds that a profiler adds to each kernel.

    A whole network takes so many times its kernels, less so much for each: least
    absolute relative deviations, by reweighted least squares.
    """
    if len(networks) < LEAST:
        return 0.0
    counted = [
        (sum(took for _, took in n.kernels), sum(took > 0 for _, took in n.kernels))
        for n in networks
    ]
    sums = np.array(counted) / np.array([[n.seconds] for n in networks])
    weights: Numbers = np.ones(len(sums))
    factor = each = 0.0
    for _ in range(ROUNDS):
        scaled = sums * weights[:, None]
        (factor, each), *_ = np.linalg.lstsq(scaled, weights, rcond=None)
        off = np.abs(sums @ np.array([factor, each]) - 1)
        weights = 1 / np.sqrt(np.maximum(off, CLOSE))
    return max(0.0, -float(each / factor)) if factor > 0 else 0.0


def _charged(
    graph: Graph, ran: Sequence[Run], spent: Sequence[float]
) -> Iterator[Charged]:
    sums: defaultdict[tuple[str, int | None], float] = defaultdict(float)
    for run, took in zip(ran, spent, strict=True):
        origin = run.nodes[0].origin
        section = graph.sections[origin.section].name
        sums[section, None] += took
        if origin.block is not None:
            sums[section, origin.block] += took
    for part in parts(graph):
        took = sums[part.section.name, part.block]
        yield Charged(part.name, part.kind, part.label, took)
