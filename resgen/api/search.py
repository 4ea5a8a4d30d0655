"""``resgen.search``: the best network of a space within a budget."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from resgen._version import __version__
from resgen.api.asked.search import Searching
from resgen.api.named import Named
from resgen.api.raced import Timing, genes_of, predicting
from resgen.api.trained import taught, weights
from resgen.errors import MissingComponent, ResgenError
from resgen.files.whole import make_folder, write_text
from resgen.machine.cores import available_cores
from resgen.machine.process import Failure, Process
from resgen.options.kinds import argument, typed
from resgen.searching.journal import Journal
from resgen.searching.mistakes import require_networks
from resgen.searching.outcome import OUTCOME, Outcome
from resgen.searching.price import Bounds, Price
from resgen.searching.pricing import Pricer
from resgen.searching.reading import load
from resgen.searching.space import Counted, Genes, Space
from resgen.searching.training import Lesson
from resgen.searching.verdict import AgainstChance, against_chance
from resgen.searching.work import (
    CONTROL,
    ISLANDS,
    RULES,
    Plan,
    Searcher,
    Worker,
    best,
    faults,
    nearest,
    priced,
    refusals,
)
from resgen.spec.source import plain
from resgen.spec.text import text
from resgen.words.numbers import count, scaled, seconds
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown, style

SPACE: Final = typed("a space, which is a file or JSON values", str, Path, Mapping)
JOURNAL: Final = "journal.jsonl"
RECORD: Final = "search.json"
PAGE: Final = "search.html"
#: Candidates among which the nearest is looked for where none is within the budget.
NEAREST: Final = 100
#: Seconds between two looks at how far processes have come.
LOOK: Final = 0.5


@dataclass(frozen=True, slots=True)
class Searched(Shown):
    """The folder of a search, and what it came to.

    ``weights`` are those of the best one, where it was trained to the end.
    """

    folder: Path
    outcome: Outcome
    seconds: float
    weights: Path | None = None

    @property
    def sure(self) -> bool:
        """Whether a network is named, and its budget is promised to hold."""
        return not self.outcome.doubts

    @property
    def spec(self) -> Path:
        """The spec of the best one."""
        return self.folder / self.outcome.spec

    def to_dict(self) -> dict[str, Any]:
        """What ``resgen search --json`` prints: search.json, and where it lies."""
        return {
            "folder": str(self.folder),
            "seconds": self.seconds,
            "weights": None if self.weights is None else str(self.weights),
            **OUTCOME.to_json(self.outcome),
        }

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows."""
        from resgen.reports.search import sentences, table

        yield from table(self.outcome).lines()
        yield from sentences(self.outcome)
        yield f"{style(f'{self.folder}/', bold=True)}  in {self.seconds:.1f} s"
        if self.weights is not None:
            yield f"next: resgen build {self.spec} --weights {self.weights}"
        else:
            yield f"next: resgen inspect {self.spec} · resgen diagnose {self.spec}"


def search(
    space: str | Path | Mapping[str, Any], *, progress: Told = None, **options: Any
) -> Searched:
    """Find the best network of a space within a budget.

    ``space`` is a file, or what it holds: a network, what of it varies, and what has to
    hold. Candidates are counted on their graphs without torch, by all cores.
    ``options`` are those of :class:`~resgen.api.asked.search.Searching`, which are the
    command's; ``budget`` may be a mapping. A folder that is there already is gone on
    with: nothing is looked at twice, and several calls share the work. ``progress`` is
    called with a line of text as a step is done (print will do).

    Raises :class:`~resgen.errors.SpecError` for a space with mistakes, and
    :class:`~resgen.errors.ResgenError` where nothing is within the budget.
    """
    given = argument("space", SPACE, space)
    return run(given, Searching.of(options), progress=listening(progress))


def run(
    source: str | Path | Mapping[str, Any],
    asked: Searching,
    *,
    progress: Progress = SILENT,
) -> Searched:
    """As :func:`search`, of options that were read."""
    begin = time.perf_counter()
    space = load(source)
    counted = space.count()
    progress.say("space", str(counted))
    require_networks(space)
    bounds = asked.bounds
    folder = asked.out or Path("searched", space.name)
    timing = _timing(space, asked, progress)
    lesson = taught(space, asked, progress)
    make_folder(folder)
    sampler = asked.sampler or asked.usual(counted.size)
    plan = Plan(
        source if isinstance(source, Mapping) else str(source),
        folder / JOURNAL,
        bounds if asked.table else replace(bounds, latency=None),
        asked.score,
        sampler,
        min(asked.trials, counted.size) if sampler == "grid" else asked.trials,
        asked.seed,
        asked.table,
    )
    journal = _looked(plan, space, asked.processes or available_cores(), progress)
    try:
        outcome = _outcome(
            space, counted, plan, journal, asked, timing, lesson, progress
        )
    finally:
        journal.close()
    tree = space.tree(genes_of(space, outcome.winners[0]))
    write_text(folder / outcome.spec, text(plain(tree)))
    OUTCOME.save(outcome, folder / RECORD)
    from resgen.reports.search import render

    points = [trial for arm in plan.arms() for trial in journal.trials(arm)]
    write_text(folder / PAGE, render(outcome, points))
    name = outcome.winners[0].name
    kept = None if lesson is None else weights(name, lesson, folder)
    return Searched(folder, outcome, time.perf_counter() - begin, kept)


def _timing(space: Space, asked: Searching, progress: Progress) -> Timing | None:
    """What times candidates, where it is asked for and can be."""
    if asked.measure:
        try:
            return Timing(space, asked, progress)
        except MissingComponent as missing:
            if asked.bounds.latency is not None:
                raise
            progress.say("timing", f"left out: {missing.message}")
    predicting(asked, None)
    return None


def _looked(plan: Plan, space: Space, processes: int, progress: Progress) -> Journal:
    """The journal with all that is to be looked at told in it."""
    searcher, arms = Searcher(plan), plan.arms()
    total = sum(arms.values())
    left = searcher.journal.left(arms, plan.size)
    before = _drawn(searcher.journal)
    if before:
        progress.say("journal", f"{count(before, 'candidate')} looked at before")
    processes = min(processes, -(-left // plan.size))
    begin = time.perf_counter()

    def advance() -> None:
        done = total - searcher.journal.left(arms, plan.size)
        progress.advance("candidates", done, total)

    if processes < 2:
        searcher.run(advance)
    else:
        _shared(plan, processes, searcher.journal, advance)
    took = time.perf_counter() - begin
    if left:
        looked = _drawn(searcher.journal)
        rate = f"{(looked - before) / took:,.0f} a second"
        each = "1 process" if processes < 2 else f"{processes} processes"
        progress.say("looked at", f"{count(looked, 'candidate')}, {rate} by {each}")
    thrown = refusals(searcher.journal)
    if thrown:
        told = ", ".join(f"{reason} {number:,}" for reason, number in thrown.items())
        progress.say("refused", told)
    return searcher.journal


def _drawn(journal: Journal) -> int:
    """Candidates that were looked at."""
    return sum(batch.drawn for batch in journal.batches.values())


def _shared(plan: Plan, processes: int, journal: Journal, advance: Any) -> None:
    """Let processes look at batches until none is left."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Process(Worker)) for _ in range(processes)]
        pool = stack.enter_context(ThreadPoolExecutor(processes))
        answers = [pool.submit(each.ask, "search", plan) for each in workers]
        try:
            while not all(answer.done() for answer in answers):
                time.sleep(LOOK)
                journal.refresh()
                advance()
        except BaseException:
            for each in workers:
                each.close()
            raise
        for answer in answers:
            if isinstance(found := answer.result(), Failure):
                raise found.error()
    journal.refresh()


def _outcome(
    space: Space,
    counted: Counted,
    plan: Plan,
    journal: Journal,
    asked: Searching,
    timing: Timing | None,
    lesson: Lesson | None,
    progress: Progress,
) -> Outcome:
    """What is named, and how it was found."""
    arms, bounds = plan.arms(), asked.bounds
    trials = best(journal, arms, plan.sampler, CONTROL)
    if not trials:
        raise _nothing(space, plan, journal)
    named = Named(space, asked, trials, best(journal, arms, CONTROL), progress)
    named.choose(timing, bounds.latency)
    if lesson is not None:
        named.train(lesson, journal)
    if timing is not None:
        named.time(timing, bounds.latency)
    drawn, by_chance = _drawn_by_each(journal)
    return Outcome(
        resgen=__version__,
        space=space.name,
        space_sha256=space.digest,
        size=float(counted.size),
        holding=counted.holding,
        exact=counted.exact,
        bounds=bounds,
        score=plan.score,
        sampler=plan.sampler,
        seed=plan.seed,
        drawn=drawn,
        chance=by_chance,
        within=len(trials),
        refused=refusals(journal),
        rate=_rate(journal),
        winners=tuple(named.winners),
        by_chance=named.by_chance[0] if named.by_chance else None,
        against_chance=_verdict(journal, plan) if named.chance else None,
        conditions=None if timing is None else timing.conditions,
        beside=named.beside,
        doubts=tuple(named.doubts),
        spec=f"{named.winners[0].name}.json",
        trained=named.learned,
        faults=tuple(faults(journal, space)),
    )


def _drawn_by_each(journal: Journal) -> tuple[int, int]:
    """Candidates that the search looked at, and those that chance did."""
    chance = sum(
        batch.drawn
        for batch in journal.batches.values()
        if batch.arm.split()[0] == CONTROL
    )
    return _drawn(journal) - chance, chance


def _rate(journal: Journal) -> float:
    """Candidates a second of one core."""
    took = sum(batch.seconds for batch in journal.batches.values())
    return _drawn(journal) / took if took else 0.0


def _verdict(journal: Journal, plan: Plan) -> AgainstChance:
    """Whether the runs of the search found better than as many of chance."""
    runs = [
        [
            max((t.score for t in journal.trials(f"{kind} {n + 1}")), default=0.0)
            for n in range(ISLANDS)
        ]
        for kind in (plan.sampler, CONTROL)
    ]
    return against_chance(*runs)


def _nothing(space: Space, plan: Plan, journal: Journal) -> ResgenError:
    """Why nothing is within the budget, what binds, and what is nearest to it."""
    refused = refusals(journal)
    bounds = {field.name for field in fields(Bounds)}
    binding = [f"{name} ({n:,})" for name, n in refused.items() if name in bounds]
    others = [f"{RULES} ({refused[RULES]:,})"] if RULES in refused else []
    others += map(str, faults(journal, space))
    pricer, random = Pricer(Bounds(), Searcher(plan).pricer.table), Random(plan.seed)
    prices: dict[Genes, Price] = {}
    for _ in range(NEAREST):
        genes = space.draw(random)
        found = priced(space, genes, pricer)
        if isinstance(found, Price):
            prices[genes] = found
    looked = count(_drawn(journal), "candidate")
    message = f"none of {looked} is within the budget"
    if binding:
        message += f": what binds is {', '.join(binding)}"
    if others:
        message += f"; no networks: {', '.join(others)}"
    near = nearest(prices, plan.bounds)
    if near is None:
        return ResgenError(message)
    told = _cost(prices[near])
    if prices[near].over(plan.bounds) is None:
        message += "; there are some, and more trials find them"
    sets = ", ".join(f"{at}={value}" for at, value in space.set(near).items())
    return ResgenError(message, hint=f"the nearest of {NEAREST} has {told}: {sets}")


def _cost(price: Price) -> str:
    """What a network costs, in words."""
    told = [
        f"{scaled(price.params)} parameters",
        f"{scaled(price.macs)}MACs",
        f"{scaled(price.memory, 'B')} alive",
    ]
    if price.latency is not None:
        told.append(f"about {seconds(price.latency)}")
    return ", ".join(told)
