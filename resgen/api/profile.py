"""How fast a network is, on what, and where the time goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.profile import Profiling
from resgen.api.report import report_folder
from resgen.api.sources import (
    SOURCE,
    Source,
    carried,
    command,
    default_runtime,
    device_of,
    vouched,
    wanted_of,
)
from resgen.artifact.engines import Building
from resgen.artifact.prepare import prepared
from resgen.artifact.prepared import Prepared
from resgen.errors import ResgenError
from resgen.files.whole import make_folder, write_text
from resgen.leases.lease import leased
from resgen.machine.cores import available_cores
from resgen.machine.place import Place
from resgen.options.kinds import argument
from resgen.profiling.bench import Job
from resgen.profiling.documents import REPORT
from resgen.profiling.profile import Interrupted, all_failed
from resgen.profiling.profile import profile as measure
from resgen.profiling.sampling import Limits
from resgen.records.profile import Record
from resgen.reports.profile.terminal import brief, lines
from resgen.runtime.engines import find, present, require
from resgen.words.numbers import count, scaled
from resgen.words.progress import SILENT, Progress, Told, listening
from resgen.words.terminal import TEXT, Shown

PAGE: Final = "report.html"
DATA: Final = "report.json"


@dataclass(frozen=True, slots=True)
class Profiled(Shown):
    """What was measured; ``folder`` holds its report, where one was asked for.

    ``interrupted`` tells that the user ended it before it was done, ``failed`` that a
    runtime gave nothing at all.
    """

    record: Record
    folder: Path | None
    interrupted: bool
    failed: bool

    def to_dict(self) -> dict[str, Any]:
        """The document of ``report.json``."""
        return REPORT.to_json(self.record)

    def lines(self, width: int = TEXT) -> Iterator[str]:
        """What the terminal shows, in so many columns."""
        return lines(self.record, width)

    def _repr_html_(self) -> str:
        from resgen.reports.profile.html import notebook

        return notebook(self.record)


def profile(source: Source, *, progress: Told = None, **options: Any) -> Profiled:
    """Measure how fast a network runs, and where the time goes.

    ``source`` is a spec, a folder, an ONNX file or an engine; ``options`` are those of
    :class:`~resgen.api.asked.profile.Profiling`, which are the command's. A report is
    written where ``out`` says; ``progress`` is called with a line of text as a step is
    done (print will do). Raises :class:`~resgen.errors.ResgenError`.
    """
    asked, heard = Profiling.of(options), listening(progress)
    return run(argument("source", SOURCE, source), asked, progress=heard)


def run(
    source: Source,
    asked: Profiling,
    *,
    progress: Progress = SILENT,
    default_out: str | None = None,
) -> Profiled:
    """As :func:`profile`; the report goes to ``default_out`` where ``out`` is unsaid.

    In it ``{}`` stands for the name of the network or, of a folder, for the folder's:
    a network has several builds, and each its own report.
    """
    source, runtimes = vouched(source, asked.runtime)
    asked = replace(asked, runtime=runtimes)
    engine = isinstance(source, str | Path) and Path(source).suffix in (
        ".engine",
        ".plan",
    )
    device = device_of(asked.device, asked.runtime or (("tensorrt",) if engine else ()))
    wanted = wanted_of(source, asked, asked, asked.set)
    if "tensorrt" in asked.runtime and asked.on is None:
        building = Building(asked.batch, asked.shapes, device=device)
        wanted = replace(wanted, building=building)
    takes = {find(name).takes for name in asked.runtime if name != "all"}
    wanted = replace(wanted, takes=takes | wanted.made.keys())
    with ExitStack() as stack:
        place = stack.enter_context(leased(asked.on, device, progress))
        for name in asked.runtime or (() if device == "cpu" else ("onnxruntime",)):
            # An engine's own file is looked at first, which takes no time.
            if name != "all" and not engine:
                place.ask(require, name, device, _why(name))
        subject = stack.enter_context(prepared(wanted))
        for name in asked.runtime:
            carried(asked, subject, name)
        jobs = _jobs(asked, subject, device, place)
        name = subject.subject.name
        if isinstance(source, str | Path) and Path(source).is_dir():
            name = Path(source).resolve().name
        folder = report_folder(asked.out, default_out, name, (DATA, PAGE))
        progress.say("network", _network_line(subject))
        progress.say("timing", _how(jobs[0]))
        interrupted = False
        try:
            record = measure(
                jobs,
                place=place,
                command=command("profile", [source], asked, paths=asked.with_paths),
                say=lambda run: progress.say("", brief(run)),
                progress=progress,
            )
        except Interrupted as stop:
            record, interrupted = stop.record, True
        if asked.with_paths:
            from resgen.machine import environment

            found = place.ask(environment, paths=True)
            record = replace(record, environment=found)
    if folder is not None:
        _write(record, folder)
    failed = any(all_failed(record.runs, job.runtime) for job in jobs)
    return Profiled(record, folder, interrupted, failed)


# --- parts ----------------------------------------------------------------------------


def _why(name: str) -> str:
    if name == "tensorrt":
        return "the engine cannot run here"
    return "the network cannot run on it"


def _jobs(asked: Profiling, subject: Prepared, device: str, place: Place) -> list[Job]:
    runtimes = list(asked.runtime) or [default_runtime([subject], device, place)]
    threads = asked.threads or place.ask(available_cores)
    if "all" in runtimes:
        here = place.ask(present, device)
        runtimes = [n for n in here if subject.file(find(n).takes) is not None]
        if not runtimes:
            raise ResgenError(
                f"no runtime that is here runs {subject.subject.name} on {device}",
                hint="`resgen doctor` shows what this machine has, and what to add",
            )
    limits = Limits(
        seconds=asked.time,
        warm_up=max(1.0, asked.time / 2),
        least_seconds=min(1.0, asked.time / 2),
        interval=1 / asked.rate if asked.rate else None,
    )
    return [
        Job(
            prepared=subject,
            runtime=runtime,
            device=device,
            threads=threads,
            batch=batch,
            mode=asked.mode,
            limits=limits,
            shapes=asked.shapes,
            lanes=asked.in_flight or 2,
            cold=asked.cold_l2,
            graph=asked.cuda_graph,
            breakdown=asked.operators,
        )
        for runtime in dict.fromkeys(runtimes)
        for batch in asked.batch
    ]


def _write(record: Record, folder: Path) -> None:
    from resgen.reports.profile.html import render

    make_folder(folder)
    REPORT.save(record, folder / DATA)
    write_text(folder / PAGE, render([record]))


def _network_line(subject: Prepared) -> str:
    about = subject.subject
    parts = [about.name]
    if about.params:
        parts.append(f"{scaled(about.params)} parameters")
    if about.macs:
        parts.append(f"{scaled(about.macs, 'MACs')}")
    weights = "probe parameters" if about.weights == "probe" else f"{about.weights}"
    return ", ".join((*parts, f"weights: {weights}", subject.precision))


def _how(job: Job) -> str:
    threads = f", {count(job.threads, 'thread')}" if job.device == "cpu" else ""
    return f"{job.mode}, {job.device}{threads}, up to {job.limits.seconds:g} s each"
