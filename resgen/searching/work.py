"""A search as work that any number of processes share by its journal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from resgen.errors import ResgenError, SpecError
from resgen.expansion.network import examine
from resgen.files.hashed import sha256_of
from resgen.latency.table import load as load_table
from resgen.machine import process
from resgen.searching.journal import Batch, Heading, Journal, Piece, Trial
from resgen.searching.outcome import Fault
from resgen.searching.price import Bounds, Price, Refusal
from resgen.searching.pricing import Pricer
from resgen.searching.reading import load
from resgen.searching.samplers import sampler
from resgen.searching.scores import PRICED, scorer
from resgen.searching.space import Genes, Space
from resgen.spec.source import plain

#: Candidates of a batch that are only counted: what is lost with a process that dies.
BATCH: Final = 50
#: Of those whose score takes longer.
SCORED: Final = 5
#: Searches that a search is made of, so that chance can be told from skill.
ISLANDS: Final = 4
#: The arm of random search beside a search that learns.
CONTROL: Final = "control"
#: What is refused because no network of the space is so.
RULES: Final = "where"
#: What is refused though it may be a network.
BOUNDED: Final = frozenset((RULES, *(field.name for field in fields(Bounds))))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a search looks at, as every process of it is told.

    ``space`` is the file of the space, or its JSON values. ``trials`` are looked at by
    the search, and as many by chance; ``grid`` has no more than the space has.
    """

    space: Any
    journal: Path
    bounds: Bounds
    score: str
    sampler: str
    trials: int
    seed: int
    table: Path | None = None

    def heading(self, space: Space) -> Heading:
        """What its journal begins with."""
        return Heading(
            space.digest,
            {
                "bounds": {
                    field.name: getattr(self.bounds, field.name)
                    for field in fields(Bounds)
                },
                "score": self.score,
                "sampler": self.sampler,
                "seed": self.seed,
                "table": None if self.table is None else sha256_of(self.table),
            },
        )

    @property
    def size(self) -> int:
        """Candidates of a batch, however many trials: journals go on with more."""
        return BATCH if self.score in PRICED else SCORED

    def arms(self) -> dict[str, int]:
        """Candidates by arm: of islands of the search, and as many of chance."""
        if self.sampler == "grid":
            return {"grid": self.trials}
        names = [self.sampler]
        if self.sampler != "random":
            names.append(CONTROL)
        return {
            f"{name} {n + 1}": self.trials // ISLANDS + (n < self.trials % ISLANDS)
            for n in range(ISLANDS)
            for name in names
        }


class Searcher:
    """One process of a search."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.space = load(plan.space)
        table = None if plan.table is None else load_table(plan.table)
        self.pricer = Pricer(plan.bounds, table)
        self.journal = Journal(plan.journal, plan.heading(self.space))

    def run(self, told: Callable[[], None] = lambda: None) -> None:
        """Look at batches until all of them are told; ``told`` is called after each."""
        arms = self.plan.arms()
        while (piece := self.journal.claim(arms, self.plan.size)) is not None:
            self.journal.tell(self._batch(piece))
            told()

    def _batch(self, piece: Piece) -> Batch:
        begin, plan, arm = time.process_time(), self.plan, piece.arm
        refused: Counter[str] = Counter()
        faulty: dict[str, Genes] = {}
        trials: list[Trial] = []
        number = f"{piece.number} from {piece.since}" if piece.since else piece.number
        first = piece.number * plan.size + piece.since
        kind = arm.split()[0]
        known = ((trial.genes, trial.score) for trial in self.journal.trials(arm))
        made = sampler(
            "random" if kind == CONTROL else kind,
            self.space, f"{plan.seed} {arm} {number}", first, known,
        )  # fmt: skip
        for _ in range(piece.left):
            genes = made.ask()
            found = self.trial(genes)
            if isinstance(found, str):
                refused[found] += 1
                if found not in BOUNDED:
                    faulty.setdefault(found, genes)
                made.tell(genes, None)
            else:
                trials.append(found)
                made.tell(genes, found.score)
        took = time.process_time() - begin
        return Batch(
            arm, piece.number, piece.left, dict(refused), tuple(trials), took,
            piece.since, faulty,
        )  # fmt: skip

    def trial(self, genes: Genes) -> Trial | str:
        """What a candidate costs and is worth, or why it is none."""
        if not self.space.holds(genes):
            return RULES
        price = priced(self.space, genes, self.pricer)
        if isinstance(price, Refusal):
            return price.reason
        of_price = PRICED.get(self.plan.score)
        if of_price is not None:
            return Trial(genes, price, of_price(price), {})
        found = examine(plain(self.space.tree(genes)))
        if found.spec is None or found.graph is None:
            return Refusal(problems=found.errors).reason
        try:
            score = scorer(self.plan.score)(found.spec, found.graph, self.plan.seed)
        except ResgenError as error:
            if error.exit_code != 1:
                raise  # something is missing, and not in this network
            return "no score"
        return Trial(genes, price, score.value, score.details)


def priced(space: Space, genes: Genes, pricer: Pricer) -> Price | Refusal:
    """What a candidate costs; values that have no place in it are a refusal, too."""
    try:
        return pricer.price(space.tree(genes))
    except SpecError as error:
        return Refusal(problems=error.problems)


class Worker(process.Worker):
    """What can be asked of a process of a search."""

    def search(self, plan: Plan) -> None:
        """Take part until nothing is left."""
        Searcher(plan).run(lambda: self._answers.give("progress", 0.0))


def refusals(journal: Journal) -> Mapping[str, int]:
    """How many were thrown out, by reason, the most frequent first."""
    found: Counter[str] = Counter()
    for batch in journal.batches.values():
        found.update(batch.refused)
    return dict(found.most_common())


def faults(journal: Journal, space: Space) -> Iterator[Fault]:
    """What is wrong with candidates that are no networks, the most frequent first.

    Of each kind the first that was met tells what it is.
    """
    first: dict[str, Genes] = {}
    for batch in journal.batches.values():
        first = {**batch.faulty, **first}
    pricer = Pricer(Bounds())
    for reason, number in refusals(journal).items():
        if reason in first:
            found = priced(space, first[reason], pricer)
            said = found.problems if isinstance(found, Refusal) else ()
            message = said[0].message if said else ""
            yield Fault(reason, number, message, space.set(first[reason]))


def best(journal: Journal, arms: Mapping[str, int], *kinds: str) -> list[Trial]:
    """The trials of all islands of these kinds, each candidate once, the best first.

    Of those that are as good, what an earlier kind has looked at comes first.
    """
    found: dict[Genes, Trial] = {}
    for kind in kinds:
        for arm in arms:
            if arm.split()[0] == kind:
                found.update((trial.genes, trial) for trial in journal.trials(arm))
    return sorted(found.values(), key=lambda trial: -trial.score)


def nearest(trials: Mapping[Genes, Price], bounds: Bounds) -> Genes | None:
    """The candidate that is least over its bounds."""

    def over(genes: Genes) -> float:
        price = trials[genes]
        return max(
            float(getattr(price, field.name) / most)
            for field in fields(Bounds)
            if (most := getattr(bounds, field.name)) is not None
            and getattr(price, field.name) is not None
        )

    return min(trials, key=over, default=None)
