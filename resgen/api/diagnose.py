"""Whether a network will train, and which block is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.api.asked.common import Reading
from resgen.api.asked.diagnose import Diagnosing
from resgen.api.memory import needed, require, told
from resgen.api.report import report_folder
from resgen.api.sources import MODELS, SOURCE, Source, command, named
from resgen.api.specs import network, opened
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import Subject
from resgen.diagnosis.diagnose import diagnose as look
from resgen.diagnosis.documents import DATA, DIAGNOSIS, PAGE, without_folders
from resgen.diagnosis.plain import without_shortcuts
from resgen.diagnosis.training.options import Options
from resgen.errors import ResgenError, UsageError
from resgen.expansion.network import expand
from resgen.files.whole import make_folder, write_text
from resgen.graph.cost import analyse
from resgen.machine import environment
from resgen.machine.cores import free_cores
from resgen.options.kinds import argument
from resgen.reports.diagnosis.terminal import lines
from resgen.runtime.engines import find
from resgen.spec.canonical import digest
from resgen.words.numbers import count, scaled
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

if TYPE_CHECKING:
    from resgen.diagnosis.data.dataset import Dataset
    from resgen.records.diagnosis import Diagnosis
    from resgen.spec.model import Spec

#: What stands for the network without its shortcuts.
PLAIN: Final = "plain"
#: The batch unless it is said, and what of a pass cuts it down: multiply-adds, about
#: two seconds on two cores; and bytes of all that operators give out, since pages of
#: large tensors are had from the system anew each time. A network of 230 k parameters
#: that widens its maps sixfold took 16 s of arithmetic and 22 s of that, at 4.2 GB.
BATCH: Final = 64
PASS: Final = 100e9
HELD: Final = 2.5e9
#: What batch statistics need at the least.
LEAST: Final = 8


@dataclass(frozen=True, slots=True)
class Diagnosed(Shown):
    """What was seen; ``folder`` holds its report and the kept ``weights``, if any.

    ``interrupted`` tells that the user ended training before it was done.
    """

    diagnosis: Diagnosis
    folder: Path | None
    weights: tuple[Path, ...]
    interrupted: bool

    @property
    def verdict(self) -> str | list[str]:
        """``"ok"``, or the codes of what stands in the way of training."""
        return self.diagnosis.arms[0].verdict

    def to_dict(self) -> dict[str, Any]:
        """The document of ``diagnosis.json``."""
        return DIAGNOSIS.to_json(without_folders(self.diagnosis))

    def lines(self, width: int = TEXT, *, unicode: bool = True) -> Iterator[str]:
        """What the terminal shows, in so many columns; curves need ``unicode``."""
        return lines(self.diagnosis, width, unicode=unicode)

    def _repr_html_(self) -> str:
        from resgen.reports.diagnosis.html import notebook

        return notebook(self.diagnosis)


def diagnose(source: Source, *, progress: Told = None, **options: Any) -> Diagnosed:
    """Tell whether a network will train, block by block.

    ``source`` is a spec or a folder that resgen made; ``options`` are those of
    :class:`~resgen.api.asked.diagnose.Diagnosing`, which are the command's. A report
    is written where ``out`` says; ``progress`` is called with a line of text as a step
    is done (print will do). Raises :class:`~resgen.errors.ResgenError`.
    """
    asked, heard = Diagnosing.of(options), listening(progress)
    return run(argument("source", SOURCE, source), asked, progress=heard)


def run(
    source: Source,
    asked: Diagnosing,
    *,
    progress: Progress = SILENT,
    default_out: str | None = None,
) -> Diagnosed:
    """As :func:`diagnose`; the report goes to ``default_out`` where ``out`` is unsaid.

    In it ``{}`` stands for the name of the network.
    """
    spec, first = _read(source, asked.set)
    subjects = [first]
    subjects += [
        _without_shortcuts(spec, first) if text == PLAIN else _read(text, asked.set)[1]
        for text in asked.against
    ]
    _require_names(subjects)
    folder = report_folder(asked.out, default_out, first.name, (DATA, PAGE))
    dataset = gather(asked.data, first.graph, spec.preprocess, output=asked.output)
    for subject in subjects:
        dataset.require(subject.graph)
    batch = asked.batch or _batch(subjects, dataset)
    machine = environment()
    at_once = asked.seeds if asked.train else 1
    need = needed([subject.graph for subject in subjects], batch, at_once)
    require(need, machine["memory"], batch)
    dataset.batch(0, batch)
    find("torch").require("cpu", "a network cannot be diagnosed")
    progress.say("networks", "\n".join(map(_network_line, subjects)))
    whole = min(BATCH, len(dataset.trained_on)) if asked.batch is None else batch
    progress.say("data", _data_line(dataset, batch, whole))
    progress.say("looking", _how(asked))
    options = Options(
        steps=asked.train or 0,
        seeds=tuple(range(asked.seeds)),
        batch=batch,
        rate=asked.lr,
        threads=_thread_count(asked, folder),
    )
    with told(batch):
        done = look(
            subjects,
            dataset,
            options,
            folder=folder,
            resume=asked.resume,
            keep_weights=asked.keep_weights,
            rate_test=asked.lr_test,
            command=command("diagnose", [source], asked),
            environment=machine,
            progress=progress,
        )
        if folder is not None:
            _write(without_folders(done.diagnosis), folder)
    return Diagnosed(done.diagnosis, folder, done.weights, done.interrupted)


def _read(source: Source, changes: tuple[str, ...]) -> tuple[Spec, Subject]:
    source, asked = opened(source, Reading(set=changes))
    path = Path(named(source))
    if path.suffix in MODELS:
        raise UsageError(
            f"{path} is for inference: it cannot be trained, so there is nothing to "
            "diagnose",
            hint="name the spec that it was made of; resgen.watch looks at any torch "
            "module",
        )
    if isinstance(source, str | Path) and path.is_dir():
        source = path / "spec.json"
        if not source.is_file():
            raise ResgenError(
                f"{path} holds no spec.json, so it is no folder that resgen made"
            )
    spec, graph, _ = network(source, asked)
    return spec, Subject(spec.name, graph.inference, digest(spec), spec=spec)


def _without_shortcuts(spec: Spec, subject: Subject) -> Subject:
    if not any(node.origin.role == "merge" for node in subject.graph.nodes):
        raise ResgenError(f"{spec.name} has no shortcut that could be taken out")
    plain = without_shortcuts(spec)
    return Subject(plain.name, expand(plain).inference, digest(plain), plain=True)


def _thread_count(asked: Diagnosing, folder: Path | None) -> int:
    from resgen.diagnosis.training.state import saved_threads

    before = saved_threads(folder) if asked.resume and folder is not None else None
    return asked.threads or before or free_cores()


def _require_names(subjects: list[Subject]) -> None:
    """Refuse two networks of one name, which no table could tell apart."""
    names = [subject.name for subject in subjects]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f'two of the networks are called "{name}"',
                hint="name each once, or give one of the specs another name",
            )


def _batch(subjects: list[Subject], dataset: Dataset) -> int:
    """As many inputs as keep a pass short, and as the data have."""
    graphs = [subject.graph for subject in subjects]
    cost = max(analyse(graph).macs for graph in graphs) / PASS
    cost = max(cost, needed(graphs, 1, 0) / HELD)
    size = BATCH
    while size > LEAST and size * cost > 1:
        size //= 2
    return min(size, len(dataset.trained_on))


def _network_line(subject: Subject) -> str:
    plain = ", its shortcuts taken out" if subject.plain else ""
    return f"{subject.name}, {scaled(subject.graph.params)} parameters{plain}"


def _data_line(dataset: Dataset, batch: int, whole: int) -> str:
    """What is learned from; of a batch that was cut down also what ``whole`` gives."""
    about = dataset.about
    lines = [f"{about.origin}; {about.count:,} examples of {about.classes} classes"]
    taken = f"a batch of {batch:,}"
    if batch < whole:
        longer = f"takes {whole / batch:.0f} times as long"
        taken += f" (--batch {whole} is steadier, and {longer})"
    return "\n".join([*lines, *about.notes, taken])


def _how(asked: Diagnosing) -> str:
    seeds = count(asked.seeds, "seed")
    training = f", {asked.train} steps of training each" if asked.train else ""
    return f"{seeds}, learning rate {asked.lr:g}{training}"


def _write(diagnosis: Diagnosis, out: Path) -> None:
    from resgen.reports.diagnosis.html import render

    make_folder(out)
    DIAGNOSIS.save(diagnosis, out / DATA)
    write_text(out / PAGE, render([diagnosis]))
