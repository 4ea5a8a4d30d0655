"""Candidates of a search looked at as a whole, and timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from math import inf, log
from typing import Final

from resgen.api.asked.compare import Comparing
from resgen.api.asked.search import CONDITIONS, Searching
from resgen.api.catalogue.counted import Counted
from resgen.api.choose import AGAIN, FIRST, Cache
from resgen.api.compare import beside
from resgen.errors import ResgenError
from resgen.graph.ir import Graph
from resgen.latency.choosing import Candidate, Search, Timed, settle
from resgen.latency.measure import conditions
from resgen.latency.table import Conditions, Table
from resgen.latency.table import load as load_table
from resgen.leases.lease import leased
from resgen.machine.place import Place
from resgen.machine.process import Failure
from resgen.profiling.sampling import Limits
from resgen.reports.search import shown
from resgen.searching.journal import Trial
from resgen.searching.outcome import Beside, Found
from resgen.searching.space import Genes, Space
from resgen.spec.source import plain
from resgen.words.numbers import count, seconds
from resgen.words.progress import Progress

#: Candidates that may be timed, of the best at each size.
TIMED: Final = 48
#: Seconds for which two networks are measured beside each other.
BESIDE: Final = 20.0


def told(space: Space, trial: Trial) -> Found:
    """A candidate as the outcome tells of it."""
    return Found(
        space.called(trial.genes),
        space.set(trial.genes),
        trial.price,
        trial.score,
        trial.details,
    )


def genes_of(space: Space, found: Found) -> Genes:
    """The genes of what was found, by what it sets."""
    genes = []
    for choice in space.choices:
        wanted = [found.set[pointer] for pointer in choice.pointers]
        values = ([plain(value) for value in each] for each in choice.values)
        genes.append(next(at for at, each in enumerate(values) if each == wanted))
    return tuple(genes)


def _graph(space: Space, trial: Trial) -> Graph | None:
    """A candidate as a whole, with every check; None where it fails one."""
    from resgen.expansion.network import examine

    return examine(plain(space.tree(trial.genes))).graph


def whole(space: Space, trials: Sequence[Trial], number: int) -> Iterator[Trial]:
    """The first so many that are networks."""
    for trial in trials:
        if number and _graph(space, trial) is not None:
            number -= 1
            yield trial
        if not number:
            return


def predicting(asked: Searching, here: Conditions | None) -> Table | None:
    """The table that is asked for, which has to be of the conditions ``here``.

    Where nothing is timed (None), it has to be of those that are said.
    """
    if asked.table is None:
        return None
    table = load_table(asked.table)
    if here is None:
        said = {name: value for name, _, value in asked.given() if name in CONDITIONS}
        here = replace(table.conditions, **said)
    table.require(here, asked.table)
    return table


class Timing:
    """Times candidates on this machine, as ``choose`` does."""

    def __init__(self, space: Space, asked: Searching, progress: Progress) -> None:
        self.space, self.asked, self.progress = space, asked, progress
        with leased(asked.on, asked.device, progress) as place:
            self.conditions = self._conditions(place)
        self.table = predicting(asked, self.conditions)
        self._left = 60 * asked.minutes
        self._until = 0.0
        self.fastest: tuple[float, str, tuple[str, ...]] | None = None
        self._known: dict[Genes, Counted | None] = {}

    def best(
        self, *arms: tuple[Sequence[Trial], int], latency: float | None
    ) -> list[tuple[list[Found], bool]]:
        """Of each of several lists of trials so many that are the best, in one lease.

        The best first, and whether it is sure that these are the best that answer in
        time; without a bound of latency they are the best ones, timed.
        """
        with self._held() as place:
            self._cache = Cache(self._conditions(place), place)
            return [self._best(trials, latency, number) for trials, number in arms]

    @contextmanager
    def _held(self) -> Iterator[Place]:
        """The device, for the minutes that are left: what is waited for it is none."""
        with leased(self.asked.on, self.asked.device, self.progress) as place:
            begin = time.monotonic()
            self._until = begin + self._left
            try:
                yield place
            finally:
                self._left -= time.monotonic() - begin

    def _conditions(self, place: Place) -> Conditions:
        asked = self.asked
        how = asked.threads, asked.batch, asked.device
        return place.ask(conditions, asked.runtime, *how)

    def _best(
        self, trials: Sequence[Trial], latency: float | None, number: int
    ) -> tuple[list[Found], bool]:
        if latency is None:
            first = whole(self.space, trials, number)
            return [self._told(each, self._time(each, AGAIN)) for each in first], True
        pool = _pool(trials)
        search = self._settled(pool, latency, {})
        best = None if search is None else search.best()
        if search is not None and best is not None and self.table is None:
            # What is best at each size tells what sizes are fast enough; among those of
            # nearly that size there may be better ones.
            slow = [e for e in search.candidates if not search.meets(e)]
            most = min((e.costs[0] for e in slow if e.costs > best.costs), default=inf)
            near = [t for t in trials if self.asked.batch * t.price.macs < most]
            pool = {**pool, **{str(t.genes): t for t in near[: TIMED // 2]}}
            search = self._settled(pool, latency, search.timed)
        if search is None:
            return [], True
        if self.fastest is None:
            self._time(pool[search.nearest().key], FIRST)
        sure = time.monotonic() < self._until
        self._fill(search, pool, number)
        within = [each for each in search.candidates if search.meets(each)][:number]
        found = [self._told(pool[each.key], search.timed[each.key]) for each in within]
        return found, sure

    def _fill(self, search: Search, pool: Mapping[str, Trial], number: int) -> None:
        """Time the next best ones behind the best until so many answer in time."""
        for each in search.candidates:
            enough = sum(map(search.meets, search.candidates)) >= number
            if enough or time.monotonic() > self._until:
                return
            likely = search.predicted[each.key] <= search.budget
            if each.key not in search.timed and likely:
                timed = self._time(pool[each.key], AGAIN)
                search.note(each.key, timed or Timed(inf, inf))

    def _settled(
        self, pool: Mapping[str, Trial], latency: float, known: Mapping[str, Timed]
    ) -> Search | None:
        """Candidates timed until the best of them is known, as ``choose`` does it."""
        counts = {key: self._counted(each) for key, each in pool.items()}
        candidates = [
            Candidate(key, pool[key].score, count.costs(self.asked.batch))
            for key, count in counts.items()
            if count is not None
        ]
        if not candidates:
            return None
        predicted = margin = None
        if self.table is not None:
            predicted = {key: each.price.latency or 0.0 for key, each in pool.items()}
            margin = self.table.margin
        search = Search(candidates, latency, known, predicted=predicted, margin=margin)

        def timed(candidate: Candidate, limits: Limits) -> Timed | None:
            return self._time(pool[candidate.key], limits)

        settle(
            search,
            lambda each: timed(each, FIRST),
            again=lambda each: timed(each, AGAIN),
            enough=lambda: time.monotonic() > self._until,
        )
        return search

    def _told(self, trial: Trial, timed: Timed | None) -> Found:
        found = told(self.space, trial)
        if timed is None:
            return found
        return replace(found, latency=(timed.median, timed.p95), notes=timed.notes)

    def _counted(self, trial: Trial) -> Counted | None:
        """What a candidate runs; None where it is no network as a whole."""
        if trial.genes not in self._known:
            graph = _graph(self.space, trial)
            self._known[trial.genes] = None if graph is None else Counted.of(graph)
        return self._known[trial.genes]

    def _time(self, trial: Trial, limits: Limits) -> Timed | None:
        """What a candidate takes; None where it is no network, or cannot run."""
        name, ran = self.space.called(trial.genes), self._counted(trial)
        if ran is None:
            return None
        found: Timed | Failure | None = None
        if limits == FIRST:  # what is named is timed once more, whatever is known
            found = self._cache.read({name: ran}).get(name)
        if found is None:
            graph = _graph(self.space, trial)
            if graph is None:
                return None
            found = self._cache.time(ran, graph, limits)
        if isinstance(found, Failure):
            self.progress.say("left out", f"{name}: {found.message}")
            return None
        score = shown(trial.score, self.asked.score)
        said = f"{name}: {score}, {seconds(found.median)}"
        self.progress.say("timed", said)
        here = found.p95, name, found.notes
        self.fastest = here if self.fastest is None else min(self.fastest, here)
        return found

    def beside(self, found: Sequence[Found]) -> Iterator[Beside]:
        """Each measured beside each other, the best first, as many as the minutes let.

        All in one loop and one lease.
        """
        trees = [plain(self.space.tree(genes_of(self.space, each))) for each in found]
        asked = Comparing.of({
            "runtime": self.asked.runtime,
            "device": self.asked.device,
            "threads": self.asked.threads,
            "batch": self.asked.batch,
            "time": BESIDE,
        })  # fmt: skip
        with self._held() as place:
            most = int((self._until - time.monotonic()) // BESIDE)
            pairs = [*combinations(range(len(found)), 2)]
            if len(pairs) > most:
                left = f"{len(pairs) - max(most, 0)} of {count(len(pairs), 'pair')}"
                self.progress.say("beside", f"left out, the minutes are up: {left}")
            if most < 1 or not pairs:
                return
            turned = [(than, one) for one, than in pairs[:most]]
            measured = beside(trees, turned, asked, place, self.progress)
        for (than, one), each in zip(turned, measured, strict=True):
            mine, other, decision = found[one].name, found[than].name, each.decision
            verdict, ratio = decision.verdict, decision.ratio
            self.progress.say("beside", f"{mine} is {verdict} beside {other}")
            yield Beside(other, verdict, ratio, decision.interval, mine)

    def nothing(self, latency: float) -> ResgenError:
        """Why nothing answers in time, and what is nearest."""
        near = "nothing could be timed"
        if self.fastest is not None:
            p95, name, notes = self.fastest
            near = f"of {name}, the nearest, 95 % of runs are within {seconds(p95)}"
            near += "".join(f"; while it was timed, {note}" for note in notes)
        return ResgenError(
            f"no candidate that was timed answers within {seconds(latency)}: {near}",
            hint="smaller values in the space, or a table that throws out by latency",
        )


def _pool(trials: Sequence[Trial]) -> dict[str, Trial]:
    """Of trials, the best first, the first ones, and the best at each size.

    So there are some that are fast, whatever the first ones are.
    """
    found = {str(trial.genes): trial for trial in trials[: TIMED // 2]}
    sizes = [log(trial.price.macs + 1) for trial in trials]
    least = min(sizes, default=0.0)
    apart = max(max(sizes, default=0.0) - least, 1e-9) / (TIMED // 2)
    best: dict[int, Trial] = {}
    for trial, size in zip(trials, sizes, strict=True):
        best.setdefault(int((size - least) / apart), trial)
    return {**found, **{str(trial.genes): trial for trial in best.values()}}
