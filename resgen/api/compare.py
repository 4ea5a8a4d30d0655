"""Which of two networks is faster, and which parts make it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.compare import Comparing
from resgen.api.sources import (
    SOURCE,
    Source,
    carried,
    command,
    default_runtime,
    device_of,
    named,
    vouched,
    wanted_of,
)
from resgen.artifact.engines import Building
from resgen.artifact.prepare import Wanted, prepared
from resgen.artifact.prepared import Prepared
from resgen.errors import ResgenError, UsageError
from resgen.files.names import MANIFEST
from resgen.files.whole import require_file
from resgen.leases.lease import leased
from resgen.machine import environment
from resgen.machine.cores import available_cores
from resgen.machine.place import Place
from resgen.machine.process import Process
from resgen.options.kinds import argument
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import BUILDS, Measured, among, measured
from resgen.profiling.comparison.conditions import (
    Condition,
    Metrics,
    metrics_of,
    parse,
    unmet,
)
from resgen.profiling.comparison.versus import of_saved, recorded, saved
from resgen.profiling.comparison.waterfall import (
    Waterfall,
    require_parts,
    waterfall,
)
from resgen.profiling.documents import COMPARISON, REPORT
from resgen.profiling.worker import Worker
from resgen.records.comparison import Comparison
from resgen.records.profile import Breakdown, Record, Run
from resgen.reports.comparison.terminal import lines
from resgen.reports.forms import form_of, write
from resgen.runtime.engines import find, require
from resgen.words.numbers import count
from resgen.words.progress import Progress, Told, listening
from resgen.words.terminal import Shown

#: What an engine that is missing comes to.
CANNOT: Final = "the networks cannot run on it"


@dataclass(frozen=True, slots=True)
class Compared(Shown):
    """What came out: a table in a terminal, a page's head in a notebook."""

    record: Comparison

    @property
    def verdict(self) -> str:
        """``faster``, ``slower``, ``equal`` or ``undecided``: B against A."""
        return self.record.verdict

    @property
    def failed(self) -> tuple[str, ...]:
        """The conditions that hold, in words."""
        return self.record.failed

    def to_dict(self) -> dict[str, Any]:
        """The document of ``resgen compare --json``; times in seconds."""
        return COMPARISON.to_json(self.record)

    def lines(self) -> Iterator[str]:
        """What the terminal shows."""
        return lines(self.record)

    def _repr_html_(self) -> str:
        from resgen.reports.comparison.html import notebook

        return notebook(self.record)


def compare(a: Source, b: Source, *, progress: Told = None, **options: Any) -> Compared:
    """Say whether ``b`` is faster than ``a``, and which parts make it so.

    Both are specs, folders, ONNX files, engines, or saved reports; ``options`` are
    those of :class:`~resgen.api.asked.compare.Comparing`, which are the command's; with
    ``out`` it is written to a file as well; ``progress`` is called with a line of text
    as a step is done (print will do). Raises :class:`~resgen.errors.ResgenError`.
    """
    asked = Comparing.of(options)
    if asked.out is not None:
        form_of(asked.out)
        require_file(asked.out)
    a, b = argument("a", SOURCE, a), argument("b", SOURCE, b)
    found = _found(a, b, asked, listening(progress))
    if asked.out is not None:
        write([found], asked.out)
    return Compared(found)


def _found(a: Source, b: Source, asked: Comparing, progress: Progress) -> Comparison:
    said = command("compare", [a, b], asked)
    conditions = [parse(text) for text in asked.fail_if]
    reports = [Path(named(source)) for source in (a, b) if _is_report(source)]
    if len(reports) == 2:
        ones, others = map(REPORT.load, reports)
        return _reports(ones, others, conditions, said)
    if reports:
        raise UsageError(
            f"{reports[0]} is a saved report and the other is not: only what is "
            "measured side by side can be compared",
            hint="name what the report was made of instead; its command says what",
        )
    (a, of_a), (b, of_b) = vouched(a, asked.runtime), vouched(b, asked.runtime)
    if of_a != of_b:  # a LiteRT file beside something else
        usual = ("onnxruntime",)
        of_a = (*(of_a or usual), *(of_b or usual))
    asked = replace(asked, runtime=of_a)
    device = device_of(asked.device, asked.runtime)
    wanted = [_wanted(each, asked) for each in (a, b)]
    with ExitStack() as stack:
        place = stack.enter_context(leased(asked.on, device, progress))
        for name in asked.runtime:
            place.ask(require, name, device, CANNOT)
        subjects = [stack.enter_context(prepared(each)) for each in wanted]
        require_parts(asked.part, [each.subject for each in subjects])
        first, second = _jobs(asked, subjects, device, place)
        jobs = _distinct((first, second))
        for job in jobs:
            carried(asked, job.prepared, job.runtime)
        progress.say("comparing", _how(*jobs))
        first, second = (job.lean for job in jobs)
        found = place.time(measured, first, second, asked.time, progress=progress)
        fall = Waterfall()
        if _alike(*jobs):
            same = "A and B are the same network: what differs is the measurement's"
            found = replace(found, notes=(*found.notes, same))
        else:
            try:
                fall = place.time(waterfall, first, second, asked.part)
            except UsageError:
                raise
            except ResgenError as error:  # the verdict stands without its parts
                note = f"which parts make the difference is not known: {error.message}"
                found = replace(found, notes=(*found.notes, note))
        metrics = _metrics(jobs[1], found)
        failed = unmet(conditions, found.decision.verdict, metrics)
        return recorded(
            *jobs,
            found,
            fall,
            failed,
            folders=(_folder(a), _folder(b)),
            command=said,
            environment=place.ask(environment),
        )


def beside(
    sources: Sequence[Source],
    pairs: Sequence[tuple[int, int]],
    asked: Comparing,
    place: Place,
    progress: Progress,
) -> tuple[Measured, ...]:
    """Several networks beside each other in one loop, on a device that is held.

    ``pairs`` are the places of A and B among the ``sources``, of one engine; each is
    given the time that is ``asked`` for.
    """
    device = device_of(asked.device, asked.runtime)
    with ExitStack() as stack:
        found = [stack.enter_context(prepared(_wanted(s, asked))) for s in sources]
        jobs = tuple(job.lean for job in _jobs(asked, found, device, place))
        return place.time(among, jobs, tuple(pairs), asked.time, progress=progress)


def _wanted(source: Source, asked: Comparing) -> Wanted:
    """The form of a network that is measured."""
    takes = {find(name).takes for name in asked.runtime}
    wanted = replace(wanted_of(source, asked), takes=takes)
    if "tensorrt" in asked.runtime and asked.on is None:
        building = Building((asked.batch,), asked.shapes, BUILDS)
        return replace(wanted, building=building)
    return wanted


def _folder(source: Source) -> Path | None:
    path = Path(named(source))
    there = isinstance(source, str | Path) and (path / MANIFEST).is_file()
    return path if there else None


def _is_report(source: Source) -> bool:
    """Whether it is a result of `resgen profile`, and not a spec."""
    path = Path(named(source))
    if path.suffix != ".json" or not path.is_file():
        return False
    from resgen.document.files import read_json

    return REPORT.marks(read_json(path))


def _jobs(
    asked: Comparing, subjects: Sequence[Prepared], device: str, place: Place
) -> list[Job]:
    """One for each; of two runtimes the last runs the last one."""
    runtimes = asked.runtime or (default_runtime(subjects, device, place),)
    if not asked.runtime:
        device = device_of(asked.device, runtimes)
        place.ask(require, runtimes[0], device, CANNOT)
    threads = asked.threads or place.ask(available_cores)
    each = [*[runtimes[0]] * (len(subjects) - 1), runtimes[-1]]
    return [
        Job(
            prepared=subject,
            runtime=runtime,
            device=device,
            threads=threads,
            batch=asked.batch,
            mode=asked.mode,
            shapes=asked.shapes,
        )
        for subject, runtime in zip(subjects, each, strict=True)
    ]


def _distinct(jobs: tuple[Job, Job]) -> tuple[Job, Job]:
    """Two of a name are told apart by precision, by what runs them, or by A and B."""
    names = [job.prepared.subject.name for job in jobs]
    if names[0] != names[1]:
        return jobs
    kinds = (job.prepared.precision for job in jobs), (job.runtime for job in jobs)
    apart = [found for found in map(list, kinds) if found[0] != found[1]]
    ends = [*apart, ["(A)", "(B)"]][0]
    first, second = (
        replace(
            job,
            prepared=replace(
                job.prepared,
                subject=replace(job.prepared.subject, name=f"{name} {end}"),
            ),
        )
        for job, name, end in zip(jobs, names, ends, strict=True)
    )
    return first, second


def _alike(a: Job, b: Job) -> bool:
    """Whether both are one network of one engine, in which no part can be another."""
    ones, others = a.prepared, b.prepared
    same = a.runtime == b.runtime and ones.subject.sha256 == others.subject.sha256
    return same and ones.precision == others.precision


def _metrics(b: Job, found: Measured) -> Any:
    pooled = [s for pair in found.pairs for s in pair.samples[1]]

    def breakdown() -> Breakdown | None:
        with Process(Worker) as process:
            answer = process.ask("charge", b)
        return answer if isinstance(answer, Breakdown) else None

    return metrics_of(b.prepared.subject, pooled, b.prepared.model, breakdown)


def _reports(
    a: Record, b: Record, conditions: Sequence[Condition], said: Sequence[str]
) -> Comparison:
    pairs = saved(a, b)
    found = (
        line
        for _, other in pairs
        for line in unmet(conditions, "undecided", _saved_metrics(b, other))
    )
    return of_saved(a, b, pairs, tuple(dict.fromkeys(found)), said)


def _saved_metrics(record: Record, run: Run) -> Metrics:
    seconds = () if run.samples is None else run.samples.seconds
    return metrics_of(record.subject, seconds, None, lambda: run.breakdown)


def _how(a: Job, b: Job) -> str:
    names = f"{a.prepared.subject.name} and {b.prepared.subject.name}"
    kinds = " and ".join(dict.fromkeys([a.prepared.precision, b.prepared.precision]))
    threads = f" · {count(a.threads, 'thread')}" if a.device == "cpu" else ""
    runtimes = " and ".join(dict.fromkeys([a.runtime, b.runtime]))
    return (
        f"{names}\n{runtimes} {a.device}, {kinds}, batch {a.batch}, {a.mode}{threads}"
    )
