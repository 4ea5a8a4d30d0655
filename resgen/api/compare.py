"""Which of two networks is faster, and which parts make it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Final

from resgen.api.asked.compare import Comparing
from resgen.api.measured import (
    Source,
    default_runtime,
    device_of,
    named,
    wanted_of,
)
from resgen.errors import ResgenError, UsageError
from resgen.machine.cores import available_cores
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import BUILDS, Measured, measured
from resgen.profiling.comparison.conditions import (
    Condition,
    Metrics,
    metrics_of,
    parse,
    unmet,
)
from resgen.profiling.comparison.versus import Saved, saved, to_json
from resgen.profiling.comparison.waterfall import Step, waterfall
from resgen.profiling.documents import REPORT
from resgen.profiling.engine import Building
from resgen.profiling.process import Process
from resgen.profiling.subject import Prepared, prepared
from resgen.records.latency import Breakdown, Record, Run
from resgen.runtime.engines import find
from resgen.words.numbers import seconds as duration
from resgen.words.progress import SILENT, Progress
from resgen.words.terminal import style, unmarked

_COLOURS: Final = {"faster": "green", "slower": "red"}
_NO_SESSION: Final = (
    "undecided: the two were measured in different sessions, and nobody knows what "
    "else has changed"
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What came out, as the document of ``--json`` and as lines for a person.

    ``failed`` are the conditions that hold, in words.
    """

    document: Mapping[str, Any]
    lines: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``faster``, ``slower``, ``equal`` or ``undecided``: B against A."""
        return str(self.document["verdict"])

    def to_dict(self) -> dict[str, Any]:
        """The document of ``resgen compare --json``; times in seconds."""
        return dict(self.document)

    def __str__(self) -> str:
        return unmarked("\n".join(self.lines))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def compare(
    a: Source, b: Source, *, progress: Progress = SILENT, **options: Any
) -> Compared:
    """Say whether ``b`` is faster than ``a``, and which parts make it so.

    Both are specs, folders, ONNX files, engines, or saved reports; ``options`` are
    those of :class:`~resgen.api.asked.compare.Comparing`, which are the command's.
    Raises :class:`~resgen.errors.ResgenError`.
    """
    return run(a, b, Comparing.of(options), progress=progress)


def run(
    a: Source, b: Source, asked: Comparing, *, progress: Progress = SILENT
) -> Compared:
    """As :func:`compare`."""
    conditions = [parse(text) for text in asked.fail_if]
    reports = [Path(named(source)) for source in (a, b) if _is_report(source)]
    if len(reports) == 2:
        return _reports(REPORT.load(reports[0]), REPORT.load(reports[1]), conditions)
    if reports:
        raise UsageError(
            f"{reports[0]} is a saved report and the other is not: only what is "
            "measured side by side can be compared",
            hint="name what the report was made of instead; its command says what",
        )
    device = device_of(asked.device, [asked.runtime or ""])
    ones, others = (wanted_of(source, asked) for source in (a, b))
    if asked.runtime is not None:
        find(asked.runtime).require(device, "the networks cannot run on it")
    if asked.runtime == "tensorrt":
        building = Building((asked.batch,), asked.shapes, BUILDS)
        ones, others = (replace(w, building=building) for w in (ones, others))
    with prepared(ones) as first, prepared(others) as second:
        jobs = _distinct(_jobs(asked, (first, second), device))
        progress.say("comparing", _how(*jobs))
        found = measured(*jobs, asked.time, progress=progress.advance)
        steps: tuple[Step, ...] = ()
        if not _alike(*jobs):
            try:
                steps = waterfall(*jobs, asked.part)
            except UsageError:
                raise
            except ResgenError as error:  # the verdict stands without its parts
                said = f"which parts make the difference is not known: {error.message}"
                found = replace(found, notes=(*found.notes, said))
        metrics = _metrics(jobs[1], found)
        failed = unmet(conditions, found.decision.verdict, metrics)
    document = to_json(*jobs, found, steps, failed)
    return Compared(document, tuple(_lines(*jobs, found, steps)), tuple(failed))


def _is_report(source: Source) -> bool:
    """Whether it is a result of `resgen profile`, and not a spec."""
    path = Path(named(source))
    if path.suffix != ".json" or not path.is_file():
        return False
    from resgen.document.files import read_json

    return REPORT.marks(read_json(path))


def _jobs(
    asked: Comparing, subjects: tuple[Prepared, Prepared], device: str
) -> tuple[Job, Job]:
    runtime = asked.runtime or default_runtime(subjects[0], device)
    if asked.runtime is None:
        device = device_of(asked.device, [runtime])
        find(runtime).require(device, "the networks cannot run on it")
    first, second = (
        Job(
            prepared=subject,
            runtime=runtime,
            device=device,
            threads=asked.threads or available_cores(),
            batch=asked.batch,
            mode=asked.mode,
            shapes=asked.shapes,
        )
        for subject in subjects
    )
    return first, second


def _distinct(jobs: tuple[Job, Job]) -> tuple[Job, Job]:
    """Two of the same name are told apart by their precision, or by A and B."""
    names = [job.prepared.subject.name for job in jobs]
    if names[0] != names[1]:
        return jobs
    kinds = [job.prepared.precision for job in jobs]
    ends = kinds if kinds[0] != kinds[1] else ["(A)", "(B)"]
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
    """Whether both are one network, in which no part can be another."""
    ones, others = a.prepared, b.prepared
    same = ones.subject.sha256 == others.subject.sha256
    return same and ones.precision == others.precision


def _metrics(b: Job, found: Measured) -> Any:
    pooled = [s for pair in found.pairs for s in pair.samples[1]]

    def breakdown() -> Breakdown | None:
        with Process() as process:
            answer = process.ask("charge", b)
        return answer if isinstance(answer, Breakdown) else None

    return metrics_of(b.prepared.subject, pooled, b.prepared.model, breakdown)


# --- two saved reports ----------------------------------------------------------------


def _reports(a: Record, b: Record, conditions: Sequence[Condition]) -> Compared:
    pairs = saved(a, b)
    found = (
        line
        for pair in pairs
        for line in unmet(conditions, "undecided", _saved_metrics(b, pair.b))
    )
    failed = tuple(dict.fromkeys(found))
    lines = []
    for pair in pairs:
        first, second = map(duration, pair.medians)
        lines.append(
            f"{pair.label}: {a.subject.name} {first}, {b.subject.name} {second} "
            f"({pair.ratio:.3f}x)"
        )
    lines.append(_NO_SESSION)
    lines.append(
        "next: resgen compare A B on what they were made of measures both side by side"
    )
    return Compared(_saved_json(a, b, pairs, failed), tuple(lines), failed)


def _saved_metrics(record: Record, run: Run) -> Metrics:
    seconds = () if run.samples is None else run.samples.seconds
    return metrics_of(record.subject, seconds, None, lambda: run.breakdown)


def _saved_json(
    a: Record, b: Record, pairs: Sequence[Saved], failed: Sequence[str]
) -> dict[str, Any]:
    return {
        "verdict": "undecided",
        "why": _NO_SESSION,
        "a": {"name": a.subject.name, "sha256": a.subject.sha256, "at": a.created},
        "b": {"name": b.subject.name, "sha256": b.subject.sha256, "at": b.created},
        "runs": [
            {"label": p.label, "ratio": p.ratio, "medians": list(p.medians)}
            for p in pairs
        ],
        "failed": list(failed),
    }


# --- what a person sees ---------------------------------------------------------------


def _how(a: Job, b: Job) -> str:
    names = f"{a.prepared.subject.name} and {b.prepared.subject.name}"
    kinds = " and ".join(dict.fromkeys([a.prepared.precision, b.prepared.precision]))
    threads = f" · {a.threads} threads" if a.device == "cpu" else ""
    return (
        f"{names}\n{a.runtime} {a.device}, {kinds}, batch {a.batch}, {a.mode}{threads}"
    )


def _lines(a: Job, b: Job, found: Measured, steps: Sequence[Step]) -> Iterator[str]:
    decision = found.decision
    low, high = decision.interval
    yield (
        f"{decision.pairs} pairs of processes, ABBA · A/A floor "
        f"{100 * decision.floor:.1f} % · {found.seconds:.0f} s"
    )
    verdict = style(decision.verdict, fg=_COLOURS.get(decision.verdict), bold=True)
    first, second = found.medians
    names = [job.prepared.subject.name for job in (a, b)]
    sentence = {
        "equal": f"{names[1]} and {names[0]} are {verdict} within the floor",
        "undecided": f"{names[1]} against {names[0]}: {verdict}",
    }.get(decision.verdict, f"{names[1]} is {verdict} than {names[0]}")
    yield (
        f"{sentence}: {decision.ratio:.3f}x ({100 * decision.level:.0f} % interval "
        f"{low:.3f} to {high:.3f}), {duration(first)} and {duration(second)}"
    )
    if decision.verdict == "undecided":
        more = found.more_seconds
        yield (
            "  more pairs would hardly decide it on this machine"
            if more is None
            else f"  about {more:.0f} s more would decide it: --time "
            f"{found.seconds + more:.0f}"
        )
    wide = max((len(step.part) for step in steps), default=0)
    for step in steps:
        change = f"{1e3 * step.seconds:+8.3f} ms"
        yield (f"  {step.part:<{wide}}  {change}   {step.why}".rstrip())
        for path, changed in step.blocks[:3]:
            yield (f"  {'':<{wide}}  {1e3 * changed:+8.3f} ms   of it in {path}")
    for note in found.notes:
        yield (f"  {note}")
