"""``resgen.choose``: the best known network that is fast enough on this machine."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from resgen.api.asked.choose import Choosing
from resgen.api.catalogue.counted import Counted, at_size, counted
from resgen.api.catalogue.published import Published, published
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.latency.choosing import Candidate, Search, Timed, settle
from resgen.latency.measure import conditions
from resgen.latency.table import Conditions, load
from resgen.leases.address import Address
from resgen.leases.lease import leased
from resgen.machine.place import Place
from resgen.machine.process import Failure
from resgen.profiling.sampling import Limits
from resgen.reports.tables import Cell, Table, size, time
from resgen.runtime.engines import find
from resgen.words.numbers import seconds
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

#: Where the page goes unless something is said.
OUT: Final = Path("choice.html")
#: How long a candidate is timed, and what is named once more.
FIRST: Final = Limits(seconds=4.0, warm_up=2.0, least=60, least_seconds=0.5)
AGAIN: Final = Limits(seconds=15.0, warm_up=3.0, half_width=0.0, least=200)


@dataclass(frozen=True, slots=True)
class Known:
    """Weights of a network, and its latency here in seconds.

    ``p95`` is None where the latency is predicted, not measured.
    """

    network: str
    weights: str
    size: int
    top1: float
    source: str
    loads: bool
    macs: int
    params: int
    latency: float
    p95: float | None

    @property
    def spec(self) -> str:
        """How a command names it, at its size."""
        from resgen.expansion.network import load as read

        same = read(self.network).input[1:] == (self.size, self.size)
        sized = f" --set /input=[3,{self.size},{self.size}]"
        return self.network if same else f"{self.network}{sized}"


@dataclass(frozen=True, slots=True)
class Chosen(Shown):
    """The best network within a budget, and what lies beside it.

    ``best`` is None where nothing meets the budget; ``binds`` then says what is in the
    way, and ``nearest`` is the fastest of what was asked for. ``doubts`` say why
    nothing is promised: the machine was unsteady, or time was up before it was sure.
    ``on`` is the host that timed, None for this machine.
    """

    budget: float
    conditions: Conditions
    best: Known | None
    nearest: Known
    front: tuple[Known, ...]
    others: tuple[Known, ...]
    binds: str | None
    doubts: tuple[str, ...]
    timed: int
    page: Path
    on: Address | None = None

    @property
    def sure(self) -> bool:
        """Whether a network is named, and the budget is promised to hold."""
        return self.best is not None and not self.doubts

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen choose --json`` prints."""
        from resgen.document.files import plain

        return {
            "budget": self.budget,
            "conditions": plain(self.conditions),
            "sure": self.sure,
            "best": plain(self.best),
            "nearest": plain(self.nearest),
            "binds": self.binds,
            "doubts": list(self.doubts),
            "front": plain(self.front),
            "timed": self.timed,
            "page": str(self.page),
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows."""
        yield from _table("", self.front).only(*HEAD[:2], *HEAD[3:]).lines()
        yield f"{self.conditions}; ~ is predicted, the rest was measured"
        yield from sentences(self)
        for line in self.commands(self.on):
            yield f"  {line}"

    def commands(self, on: Address | None) -> list[str]:
        """What to go on with, and where."""
        found = self.best or self.nearest
        spec = found.spec
        name = f"resgen export {spec} --to onnx"
        weighed = f"{name} --weights FILE" if found.loads else name
        smaller = f"resgen shrink {spec} --weights FILE --macs 0.7x"
        profile = f"resgen profile {spec} --runtime {self.conditions.runtime}"
        if on is not None:
            profile += f" --on {shlex.quote(on.url)}"
        return [profile, *([] if self.best else [smaller]), weighed]


HEAD: Final = (
    "network", "weights", "source", "size", "top-1", "MACs", "median", "p95",
)  # fmt: skip


def _table(caption: str, known: Sequence[Known]) -> Table:
    return Table(caption, HEAD, [_row(each) for each in known], left=3)


def _row(known: Known) -> list[Cell]:
    about = "" if known.p95 is not None else "~"
    return [
        (known.network, None),
        (known.weights or "of its paper", None),
        (known.source, None),
        (str(known.size), known.size),
        (f"{known.top1:.1f}", known.top1),
        size(known.macs),
        (about + seconds(known.latency), known.latency),
        time(known.p95),
    ]


def sentences(found: Chosen) -> Iterator[str]:
    """What came of it, in words."""
    budget = seconds(found.budget)
    each = found.best or found.nearest
    told = (
        f"{each.network} at {each.size} x {each.size}, {each.top1:.1f} % with "
        f"{each.weights or 'its weights'} ({each.source}): median "
        f"{seconds(each.latency)}"
    )
    if each.p95 is not None:
        told += f", 95 % of runs within {seconds(each.p95)}"
    if found.best is None:
        yield f"nothing was found within {budget}: {found.binds}"
        told = f"the nearest is {told}"
    yield told
    for doubt in found.doubts:
        yield f"not promised: {doubt}"


def choose(*, progress: Told = None, **options: Any) -> Chosen:
    """Find the most accurate network of the zoo that answers in time on this machine.

    ``latency`` has to be said: "8ms", or seconds. Accuracies are published ones, each
    with its source; times are measured here, of those networks alone that may be the
    answer, and kept for the next time. ``options`` are those of
    :class:`~resgen.api.asked.choose.Choosing`, which are the command's.

    Raises :class:`~resgen.errors.ResgenError`; a budget that nothing meets is a result.
    """
    heard = listening(progress)
    return run(Choosing.of(options), progress=heard)


def run(asked: Choosing, *, progress: Progress = SILENT) -> Chosen:
    """As :func:`choose`."""
    if asked.latency is None:
        raise asked.refused("{latency} is missing", hint="{latency} 8ms, say")
    find(asked.runtime)  # what is no engine is told before a device is waited for
    with leased(asked.on, asked.device, progress) as place:
        return _chosen(asked.latency, asked, place, progress)


def _chosen(budget: float, asked: Choosing, place: Place, progress: Progress) -> Chosen:
    page, wanted = asked.out or OUT, (asked.threads, asked.batch, asked.device)
    here = place.ask(conditions, asked.runtime, *wanted)
    known = [
        each
        for each in published()
        if each.top1 >= asked.min_top1 and (each.loads or asked.weights == "any")
    ]
    if not known:
        raise ResgenError(
            f"no network of the zoo is known to reach {asked.min_top1:g} %",
            hint=f"the most is {published()[0].top1:g} %",
        )
    first: dict[str, Published] = {}
    for each in known:  # the most accurate one at each size comes first
        first.setdefault(f"{each.network}@{each.size}", each)
    times = None
    if asked.table is not None:
        times = load(asked.table)
        times.require(here, asked.table)
    counts = counted(first, progress)
    candidates = [
        Candidate(key, first[key].top1, each.costs(asked.batch))
        for key, each in counts.items()
    ]
    predicted = margin = None
    if times is not None:
        predicted = {
            key: times.whole(sum(times.seconds_of(each.kernels)))
            for key, each in counts.items()
        }
        margin = times.margin
    cache = Cache(here, place)
    before = {} if asked.fresh else cache.read(counts)
    search = Search(candidates, budget, before, predicted=predicted, margin=margin)
    begin, looks = monotonic(), 0

    def timed(candidate: Candidate, limits: Limits) -> Timed | None:
        nonlocal looks
        looks += 1
        key = candidate.key
        found = cache.time(counts[key], at_size(first[key]), limits)
        if isinstance(found, Failure):
            progress.say("left out", f"{candidate.key}: {found.message}")
            return None
        told = f"{candidate.key}: {candidate.top1:.1f} %, {seconds(found.median)}"
        progress.say("timed", told)
        return found

    best, sure = settle(
        search,
        lambda each: timed(each, FIRST),
        again=lambda each: timed(each, AGAIN),
        enough=lambda: monotonic() - begin > 60 * asked.minutes,
    )

    def of(candidate: Candidate) -> Known:
        about, count = first[candidate.key], counts[candidate.key]
        timing = search.timed.get(candidate.key)
        return Known(
            about.network,
            about.weights,
            about.size,
            about.top1,
            about.source,
            about.loads,
            int(candidate.costs[0] / asked.batch),
            count.params,
            search.latency(candidate),
            None if timing is None else timing.p95,
        )

    named = best or search.nearest()
    doubts = [] if sure else [f"{asked.minutes:g} minutes were up before it was sure"]
    timing = search.timed.get(named.key)
    doubts += [f"while it was timed, {note}" for note in timing.notes] if timing else []
    front = search.front()
    found = Chosen(
        budget,
        here,
        None if best is None else of(best),
        of(named),
        tuple(map(of, front)),
        tuple(of(each) for each in search.candidates if each not in front),
        None if best else _binds(asked, sure, of(named)),
        tuple(doubts),
        looks,
        page,
        asked.on,
    )
    _write(found)
    return found


def _binds(asked: Choosing, sure: bool, nearest: Known) -> str:
    """What is in the way where nothing meets the budget."""
    if not sure:
        return "the time for looking was up"
    if asked.latency is not None and nearest.latency <= asked.latency:
        return "half of the runs are, but not 95 %"
    good = f"of at least {asked.min_top1:g} % " if asked.min_top1 else ""
    return f"no network {good}is as fast"


class Cache:
    """Times of networks under the same conditions, kept from run to run."""

    def __init__(self, here: Conditions, place: Place) -> None:
        from resgen.document.files import digest, plain
        from resgen.files.cache import cache_folder

        self._here = here
        self._place = place
        # Two machines may have the same processor, and memory that is another.
        where = {"place": place.name} if place.name else {}
        name = digest({**plain(here), **where})[:16]
        self._path = cache_folder() / "latency" / f"{name}.json"
        try:
            found = json.loads(self._path.read_text("utf-8"))
            self._known = {
                key: Timed(row[0], row[1], tuple(row[2])) for key, row in found.items()
            }
        except (OSError, ValueError, TypeError, AttributeError, LookupError):
            self._known = {}  # what cannot be read is timed anew

    def read(self, networks: Mapping[str, Counted]) -> dict[str, Timed]:
        """What is known of these networks from a machine that was steady."""
        found = ((key, self._known.get(each.sha256)) for key, each in networks.items())
        return {key: timing for key, timing in found if timing and not timing.notes}

    def time(self, count: Counted, graph: Graph, limits: Limits) -> Timed | Failure:
        """Time a network, in a process of its own, and keep what it took."""
        from resgen.files.whole import make_folder, write_text
        from resgen.latency.measure import timed

        found = self._place.time(timed, graph, self._here, limits)
        if not isinstance(found, Failure):
            self._known[count.sha256] = found
            rows = {
                name: [timing.median, timing.p95, list(timing.notes)]
                for name, timing in self._known.items()
            }
            with suppress(ResgenError):  # of a cache that cannot be written it is told
                make_folder(self._path.parent)
                write_text(self._path, json.dumps(rows))
        return found


def _write(found: Chosen) -> None:
    from resgen.files.whole import write_text
    from resgen.reports.choice import render

    text = render(
        budget=found.budget,
        facts=str(found.conditions),
        sentences=[*sentences(found)],
        commands=found.commands(found.on and Address("HOST")),
        front=_table("The front: none is both faster and as accurate", found.front),
        others=_table("All others", found.others),
        points=[
            {
                "name": f"{each.network}, {each.size}",
                "weights": each.weights,
                "top1": each.top1,
                "latency": each.latency,
                "measured": each.p95 is not None,
                "front": each in found.front,
            }
            for each in (*found.front, *found.others)
        ],
    )
    write_text(found.page, text)
