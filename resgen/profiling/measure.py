"""A whole profile: every runtime at every batch size, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from resgen._version import __version__
from resgen.artifact.measured import Prepared
from resgen.machine.process import Failure, Process
from resgen.profiling.bench import Job
from resgen.profiling.knee import knees
from resgen.profiling.sampling import Limits
from resgen.profiling.worker import Worker
from resgen.records.latency import Mode, Record, Run
from resgen.runtime.engines import find

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured; the rest as in :class:`~resgen.profiling.bench.Job`.

    ``threads`` None is every core that the process really has.
    """

    runtimes: tuple[str, ...]
    device: str = "cpu"
    batches: tuple[int, ...] = (1,)
    mode: Mode = "latency"
    limits: Limits = field(default_factory=Limits)
    threads: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lanes: int = 2
    cold: bool = False
    graph: bool = True
    breakdown: bool = True


class Interrupted(KeyboardInterrupt):
    """The user wants no more; ``record`` is what was measured until then."""

    def __init__(self, record: Record) -> None:
        super().__init__("interrupted")
        self.record = record


def profile(
    subject: Prepared,
    options: Options,
    *,
    command: Sequence[str] = (),
    say: Callable[[Run], None] = lambda run: None,
    progress: Progress = lambda step, done, total: None,
) -> Record:
    """Measure it. A run that fails is a row with an error, and the others go on.

    Where nothing could be measured at all, the first error is raised. An interrupt
    raises :class:`Interrupted` with what there is.
    """
    from resgen import machine
    from resgen.machine.cores import available_cores

    for name in options.runtimes:
        find(name).require(options.device, f"{subject.subject.name} cannot run on it")
    threads = options.threads or available_cores()
    runs: list[Run] = []
    failures: list[Failure] = []

    def record() -> Record:
        return Record(
            subject=subject.subject,
            runs=tuple(_with_knees(runs)),
            environment=machine.environment(),
            command=tuple(command),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            resgen=__version__,
        )

    for name in options.runtimes:
        for batch in options.batches:
            job = _job(subject, options, name, batch, threads)
            label = f"{name} at batch {batch}"
            try:
                answer = _measured(job, label, progress)
            except KeyboardInterrupt as stop:
                part = stop.args[0] if stop.args else None
                if isinstance(part, Run):
                    runs.append(part)
                    say(part)
                if not runs:
                    raise KeyboardInterrupt from None
                raise Interrupted(record()) from None
            if isinstance(answer, Failure):
                failures.append(answer)
                answer = _failed(job, answer)
            runs.append(answer)
            say(answer)
    if all(run.error is not None for run in runs):
        raise failures[0].error()
    return record()


def _job(
    subject: Prepared, options: Options, runtime: str, batch: int, threads: int
) -> Job:
    return Job(
        prepared=subject,
        runtime=runtime,
        device=options.device,
        threads=threads,
        batch=batch,
        mode=options.mode,
        limits=options.limits,
        shapes=options.shapes,
        lanes=options.lanes,
        cold=options.cold,
        graph=options.graph,
        breakdown=options.breakdown,
    )


def _measured(job: Job, label: str, progress: Progress) -> Run | Failure:
    with Process(Worker) as process:
        found: Run | Failure = process.ask(
            "measure",
            job,
            progress=lambda share: progress(label, round(100 * share), 100),
        )
    return found


def _failed(job: Job, failure: Failure) -> Run:
    hint = f" ({failure.hint})" if failure.hint else ""
    return Run(
        runtime=job.runtime,
        device=job.device,
        precision=job.prepared.precision,
        batch=job.batch,
        mode=job.mode,
        settings={"threads": job.threads},
        error=failure.message + hint,
    )


def _with_knees(runs: Sequence[Run]) -> list[Run]:
    found = list(runs)
    for index, reached in knees(runs).items():
        note = f"the knee: {reached:.0%} of the sweep's best throughput"
        found[index] = replace(found[index], notes=(*found[index].notes, note))
    return found


def all_failed(runs: Sequence[Run], runtime: str) -> bool:
    """Whether a runtime gave nothing at any batch size."""
    return all(run.error is not None for run in runs if run.runtime == runtime)
