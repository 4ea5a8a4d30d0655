"""A whole profile: every runtime at every batch size, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from resgen._version import __version__
from resgen.machine.place import HERE, Place
from resgen.machine.process import Failure, Process
from resgen.profiling.bench import Job
from resgen.profiling.knee import knees
from resgen.profiling.worker import Worker
from resgen.records.profile import Record, Run
from resgen.runtime.engines import require
from resgen.words.numbers import share, stamp
from resgen.words.progress import SILENT, Progress


class Interrupted(KeyboardInterrupt):
    """The user wants no more; ``record`` is what was measured until then."""

    def __init__(self, record: Record) -> None:
        super().__init__("interrupted")
        self.record = record


def profile(
    jobs: Sequence[Job],
    *,
    place: Place = HERE,
    command: Sequence[str] = (),
    say: Callable[[Run], None] = lambda run: None,
    progress: Progress = SILENT,
) -> Record:
    """Measure them at a place, one after the other: what they are of is one network.

    A run that fails is a row with an error, and the others go on. Where nothing could
    be measured at all, the first error is raised. An interrupt raises
    :class:`Interrupted` with what there is.
    """
    from resgen import machine

    subject = jobs[0].prepared.subject
    for job in jobs:
        why = f"{subject.name} cannot run on it"
        place.ask(require, job.runtime, job.device, why)
    runs: list[Run] = []
    failures: list[Failure] = []

    def record() -> Record:
        return Record(
            subject=subject,
            runs=tuple(_with_knees(runs)),
            environment=place.ask(machine.environment),
            command=tuple(command),
            created=stamp(),
            resgen=__version__,
        )

    for job in jobs:
        try:
            answer = place.time(_measured, job.lean, progress=progress)
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


def _measured(job: Job, progress: Progress) -> Run | Failure:
    label = f"{job.runtime} at batch {job.batch}"

    def told(share: float) -> None:
        progress.advance(label, round(100 * share), 100)

    with Process(Worker) as process:
        found: Run | Failure = process.ask("measure", job, progress=told)
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
        note = f"the knee: {share(reached, 1, 0)} of the sweep's best throughput"
        found[index] = replace(found[index], notes=(*found[index].notes, note))
    return found


def all_failed(runs: Sequence[Run], runtime: str) -> bool:
    """Whether a runtime gave nothing at any batch size."""
    return all(run.error is not None for run in runs if run.runtime == runtime)
