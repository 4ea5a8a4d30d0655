"""Trials that climb a bracket's rungs, each rung trained before the next begins.

What was reached is written to a journal at once, so a search that is killed goes on
where it was, and several processes that have one folder share the work: each takes the
trials that no other is at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

from resgen.files.lock import claimed
from resgen.searching.halving import Climbed, Reached, Rung, climbed
from resgen.searching.journal import Journal
from resgen.searching.training import Contender, Lesson, advance, files
from resgen.words.numbers import count, share, share_interval
from resgen.words.progress import SILENT, Progress

#: Seconds until the journal is looked at again for what others train.
WAIT: Final = 0.5


class Trainer(Protocol):
    """Where trials train; ``width`` says how many at a time."""

    @property
    def width(self) -> int: ...

    def train(
        self, trials: Sequence[Contender], lesson: Lesson, until: int, folder: Path
    ) -> Iterator[Reached]:
        """What they reach, in the order in which they do."""
        ...


class Here:
    """Trains one trial after the other in this process."""

    width: Final = 1

    def __init__(self, progress: Progress = SILENT) -> None:
        self._progress = progress

    def train(
        self, trials: Sequence[Contender], lesson: Lesson, until: int, folder: Path
    ) -> Iterator[Reached]:
        """As :class:`Trainer` says."""
        for trial in trials:
            yield advance(trial, lesson, until, folder, progress=self._progress)


def halve(
    trials: Sequence[Contender],
    lesson: Lesson,
    rungs: Sequence[Rung],
    journal: Journal,
    folder: Path,
    *,
    trainer: Trainer | None = None,
    progress: Progress = SILENT,
) -> tuple[Climbed, ...]:
    """Train all trials a little, and the best of them further, rung by rung.

    ``rungs`` are those of :func:`~resgen.searching.halving.bracket` for as many trials.
    ``folder`` holds the states of training; those of trials left behind are removed.
    What is reached does not depend on who trained what, in which order, or on how
    often the search was interrupted.
    """
    standing = list(trials)
    trainer = trainer or Here(progress)
    made: list[Climbed] = []
    for rung, above in zip(rungs, [*rungs[1:], None], strict=True):
        found = _rung(standing, lesson, rung.steps, journal, folder, trainer)
        further = 0 if above is None else above.trials
        made.append(climbed(rung, found, further))
        for line in _lines(made[-1]):
            progress.say("training", line)
        for trial in standing:
            if trial.name not in made[-1].promoted:
                state, _ = files(trial, lesson, folder)
                state.unlink(missing_ok=True)
                _lock(trial, folder).unlink(missing_ok=True)
        standing = [one for one in standing if one.name in made[-1].promoted]
        if not standing:
            break
    return tuple(made)


def _rung(
    trials: Sequence[Contender],
    lesson: Lesson,
    steps: int,
    journal: Journal,
    folder: Path,
    trainer: Trainer,
) -> list[Reached]:
    """What all of them have reached after so many steps, whoever trains them."""
    key = lesson.sha256

    def open_() -> list[Contender]:
        journal.refresh()
        known = journal.reached.get(key, {})
        return [one for one in trials if (one.name, steps) not in known]

    while waiting := open_():
        with ExitStack() as held:
            mine: list[Contender] = []
            for trial in waiting:
                free = len(mine) < trainer.width
                if free and held.enter_context(claimed(_lock(trial, folder))):
                    mine.append(trial)
            # One that another process was at may have been reached meanwhile.
            still = {trial.name for trial in open_()}
            mine = [trial for trial in mine if trial.name in still]
            for reached in trainer.train(mine, lesson, steps, folder):
                journal.reach(key, reached)
        if not mine:
            time.sleep(WAIT)
    known = journal.reached[key]
    return [known[trial.name, steps] for trial in trials]


def _lock(trial: Contender, folder: Path) -> Path:
    """What the process holds that trains it."""
    return folder / f"{trial.name}.lock"


def _lines(made: Climbed) -> Iterator[str]:
    best = made.reached[0]
    rest = f", {len(made.promoted)} go on" if made.promoted else ""
    yield (
        f"{count(made.rung.steps, 'step')}: {count(len(made.reached), 'trial')}{rest}; "
        f"best {best.trial}, {share(best.share, 1)} ({share_interval(*best.interval)})"
    )
    if made.undecided:
        yield (
            f"{len(made.undecided)} of those left behind may be as good as the last "
            "that goes on"
        )
