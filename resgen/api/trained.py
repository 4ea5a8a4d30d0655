"""The best candidates of a search, trained on data by successive halving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from resgen.api.asked.search import Searching
from resgen.api.raced import genes_of
from resgen.diagnosis.data.pictures import NAME
from resgen.errors import ResgenError
from resgen.expansion.network import examine, load
from resgen.files.whole import copy, make_folder, whole
from resgen.runtime.torch import load_torch
from resgen.searching.cluster import OnRay, load_ray
from resgen.searching.halving import bracket
from resgen.searching.journal import Journal
from resgen.searching.outcome import Found, Trained
from resgen.searching.rungs import Here, Trainer, halve
from resgen.searching.space import Space
from resgen.searching.training import Contender, Lesson, files, lesson
from resgen.spec.model import Spec
from resgen.spec.source import plain
from resgen.words.numbers import count
from resgen.words.progress import Progress

#: Candidates among which one is looked for that says what data have to fit.
DRAWN: Final = 100
#: Steps of the first rung at the least: norms need tens of them to settle.
LEAST: Final = 30
#: Threads of a trial wherever it trains: sums of floats come out otherwise on another
#: number, and a number of this machine's would be none of the next one's.
THREADS: Final = 1
#: Letters of a lesson's digest that its folder is called by.
DIGITS: Final = 10


def taught(space: Space, asked: Searching, progress: Progress) -> Lesson | None:
    """What candidates are to learn, where that is asked for: before any is looked at.

    Data that cannot be read, or do not fit the space's networks, are a
    :class:`~resgen.errors.ResgenError`.
    """
    if asked.train is None:
        return None
    load_torch("candidates cannot be trained")
    if asked.cluster is not None:
        load_ray()
    source = asked.data
    if asked.cluster and source not in (None, NAME):
        source = str(Path(source).resolve())  # a task has a folder of its own
    made, data = lesson(
        _some(space),
        source,
        epochs=asked.train,
        seed=asked.seed,
        rate=asked.lr,
        threads=asked.threads or THREADS,
    )
    about = data.about
    progress.say(
        "data",
        f"{about.origin}: {about.count - about.held_back:,} to learn from, "
        f"{about.held_back:,} to choose and to judge by, a half each",
    )
    return made


def trained(
    space: Space,
    found: Sequence[Found],
    lesson: Lesson,
    asked: Searching,
    journal: Journal,
    folder: Path,
    progress: Progress,
) -> Trained:
    """What these candidates learn, the best of them longest.

    What others have trained already, or an earlier call, is in the journal.
    """
    trees = {each.name: space.tree(genes_of(space, each)) for each in found}
    contenders = [Contender.of(load(plain(tree))) for tree in trees.values()]
    place = _place(lesson, folder)
    make_folder(place)
    rungs = bracket(len(contenders), lesson.steps, least=LEAST)
    first = f"{count(len(contenders), 'candidate')} for {rungs[0].steps:,} steps"
    more = (f"{rung.trials} of them for {rung.steps:,}" for rung in rungs[1:])
    progress.say("training", ", ".join([first, *more]))
    with _trainer(lesson, asked, progress) as trainer:
        climbed = halve(
            contenders,
            lesson,
            rungs,
            journal,
            place,
            trainer=trainer,
            progress=progress,
        )
    return Trained(
        asked.data or NAME,
        lesson.steps,
        lesson.batch,
        lesson.rate,
        climbed,
        lesson.threads,
    )


def weights(name: str, lesson: Lesson, folder: Path) -> Path | None:
    """Beside its spec the weights of a network that was trained to the end."""
    _, found = files(Contender(name, ""), lesson, _place(lesson, folder))
    if not found.is_file():
        return None
    beside = folder / f"{name}.safetensors"
    with whole(beside) as aside:
        copy(found, aside)
    return beside


def _place(lesson: Lesson, folder: Path) -> Path:
    """Where the states of trials lie."""
    return folder / f"trained-{lesson.sha256[:DIGITS]}"


@contextmanager
def _trainer(lesson: Lesson, asked: Searching, progress: Progress) -> Iterator[Trainer]:
    if asked.cluster is None:
        yield Here(progress)
        return
    with OnRay(lesson, asked.cluster) as cluster:
        yield cluster


def _some(space: Space) -> Spec:
    """A network of the space, always the same."""
    random = Random(0)
    for _ in range(DRAWN):
        found = examine(plain(space.tree(space.draw(random))))
        if found.spec is not None and not found.errors:
            return found.spec
    raise ResgenError(
        f"of {DRAWN} candidates of {space.name} none is a network as a whole",
        hint="check one of them: `resgen check`",
    )
