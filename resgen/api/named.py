"""What a search names: the best by score, by what they learn, and by their times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from resgen.api.asked.search import Searching
from resgen.api.raced import Timing, told, whole
from resgen.api.trained import trained
from resgen.errors import ResgenError
from resgen.searching.journal import Journal, Trial
from resgen.searching.outcome import Beside, Found, Trained
from resgen.searching.space import Space
from resgen.searching.training import Lesson
from resgen.words.progress import Progress


@dataclass(slots=True)
class Named:
    """The best of the trials of a search, and of those of ``chance``, best first.

    :meth:`choose` comes first, then :meth:`train` and :meth:`time` where these are
    asked for. ``doubts`` say why nothing is promised.
    """

    space: Space
    asked: Searching
    trials: Sequence[Trial]
    chance: Sequence[Trial]
    progress: Progress
    winners: list[Found] = field(default_factory=list)
    by_chance: list[Found] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    learned: Trained | None = None
    beside: tuple[Beside, ...] = ()

    @property
    def all(self) -> list[Found]:
        """Each candidate once: the best of all may be what chance has found."""
        return [
            *{each.name: each for each in (*self.winners, *self.by_chance)}.values()
        ]

    def choose(self, timing: Timing | None, latency: float | None) -> None:
        """The best by score that are networks as a whole.

        Under a bound of latency they answer in time, by measurement. Raises
        :class:`~resgen.errors.ResgenError` where there is none.
        """
        asked = self.asked
        number = asked.winners if asked.train is None else asked.contenders
        if timing is None or latency is None:
            self.winners = self._told(whole(self.space, self.trials, number))
            self.by_chance = self._told(whole(self.space, self.chance, 1))
        else:
            (self.winners, sure), (self.by_chance, _) = timing.best(
                (self.trials, number), (self.chance, 1), latency=latency
            )
            if not sure:
                up = f"{asked.minutes:g} minutes were up before it was sure"
                self.doubts.append(up)
            best = sorted(self.all, key=lambda each: -each.score)
            self.winners = best[:number]
            if not self.winners:
                raise timing.nothing(latency)
        if not self.winners:
            raise ResgenError(
                "none of the candidates within the budget is a network as a whole",
                hint="other trials find others: another seed, or more of them",
            )

    def train(self, lesson: Lesson, journal: Journal) -> None:
        """The best by what they learn of a lesson."""
        self.learned = trained(
            self.space, self.all, lesson, self.asked, journal, journal.path.parent,
            self.progress,
        )  # fmt: skip
        order = self.learned.order
        best = sorted(self.all, key=lambda each: order.index(each.name))
        self.winners = best[: self.asked.winners]

    def time(self, timing: Timing, latency: float | None) -> None:
        """What they take, unless they were chosen by that, and each beside each other.

        Under a bound an unsteady machine promises nothing.
        """
        if latency is None:
            of = {self.space.called(t.genes): t for t in (*self.trials, *self.chance)}
            named = [of[each.name] for each in self.all]
            ((timed, _),) = timing.best((named, len(named)), latency=None)
            of_name = {each.name: each for each in timed}
            self.winners = [of_name[each.name] for each in self.winners]
            self.by_chance = [of_name[each.name] for each in self.by_chance]
        else:
            notes = self.winners[0].notes
            self.doubts += [f"while it was timed, {note}" for note in notes]
        best, *others = self.all
        # Whether the search was worth its while is asked first.
        others.sort(key=lambda each: each not in self.by_chance)
        self.beside = tuple(timing.beside([best, *others]))

    def _told(self, trials: Iterable[Trial]) -> list[Found]:
        return [told(self.space, each) for each in trials]
