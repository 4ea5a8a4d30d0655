"""What ``resgen compare`` does with its options, and what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resgen.cli._measuring import (
    default_runtime,
    parse_device,
    parse_shapes,
    wanted_of,
)
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
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
from resgen.records.latency import Breakdown, Mode, Record, Run
from resgen.runtime.engines import find
from resgen.words.numbers import seconds as duration
from resgen.words.terminal import style

if TYPE_CHECKING:
    from resgen.graph.precision import Name

_COLOURS: Final = {"faster": "green", "slower": "red"}
_NO_SESSION: Final = (
    "undecided: the two were measured in different sessions, and nobody knows what "
    "else has changed"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of one call, as click read them."""

    a: str
    b: str
    as_json: bool
    runtime: str | None
    device: str | None
    precision: Name | None
    shapes: tuple[str, ...]
    threads: int | None
    batch: int
    mode: Mode
    seconds: float
    conditions: tuple[str, ...]


def run(chosen: Chosen, progress: Progress) -> int:
    """Compare as the options say; the exit code."""
    conditions = [parse(text) for text in chosen.conditions]
    reports = [Path(source) for source in (chosen.a, chosen.b) if _is_report(source)]
    if len(reports) == 2:
        return _reports(
            REPORT.load(reports[0]), REPORT.load(reports[1]), chosen, conditions
        )
    if reports:
        raise UsageError(
            f"{reports[0]} is a saved report and the other is not: only what is "
            "measured side by side can be compared",
            hint="name what the report was made of instead; its command says what",
        )
    device = parse_device(chosen.device, [chosen.runtime or ""])
    shapes = parse_shapes(chosen.shapes)
    ones, others = (
        wanted_of(source, chosen.precision, shapes=shapes)
        for source in (chosen.a, chosen.b)
    )
    if chosen.runtime is not None:
        find(chosen.runtime).require(device, "the networks cannot run on it")
    if chosen.runtime == "tensorrt":
        building = Building((chosen.batch,), shapes, BUILDS, device)
        ones, others = (replace(w, building=building) for w in (ones, others))
    with prepared(ones) as first, prepared(others) as second:
        a, b = _distinct(_jobs(chosen, (first, second), device))
        progress.say("comparing", _how(a, b))
        found = measured(a, b, chosen.seconds, progress=progress.advance)
        # A difference of which nobody is sure has no parts.
        unsure = found.decision.verdict == "undecided"
        steps: tuple[Step, ...] = ()
        if not unsure and not _alike(a, b):
            try:
                steps = waterfall(a, b)
            except ResgenError as error:  # the verdict stands without its parts
                said = f"which parts make the difference is not known: {error.message}"
                found = replace(found, notes=(*found.notes, said))
        failed = unmet(conditions, found.decision.verdict, _metrics(b, found))
    if chosen.as_json:
        say_json(to_json(a, b, found, steps, failed))
    else:
        _show(a, b, found, steps)
    return _fail(failed)


def _is_report(source: str) -> bool:
    """Whether it is a result of `resgen profile`, and not a spec."""
    path = Path(source)
    if path.suffix != ".json" or not path.is_file():
        return False
    from resgen.document.files import read_json

    return REPORT.marks(read_json(path))


def _jobs(
    chosen: Chosen, subjects: tuple[Prepared, Prepared], device: str
) -> tuple[Job, Job]:
    runtime = chosen.runtime or default_runtime(subjects[0], device)
    if chosen.runtime is None:
        device = parse_device(chosen.device, [runtime])
        find(runtime).require(device, "the networks cannot run on it")
    first, second = (
        Job(
            prepared=subject,
            runtime=runtime,
            device=device,
            threads=chosen.threads or available_cores(),
            batch=chosen.batch,
            mode=chosen.mode,
            shapes=parse_shapes(chosen.shapes),
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


def _fail(failed: Sequence[str]) -> int:
    for line in failed:
        mark = style("fails:", fg="red", bold=True)
        say(f"{mark} {line}", err=True)
    return int(bool(failed))


# --- two saved reports ----------------------------------------------------------------


def _reports(
    a: Record, b: Record, chosen: Chosen, conditions: Sequence[Condition]
) -> int:
    pairs = saved(a, b)
    found = (
        line
        for pair in pairs
        for line in unmet(conditions, "undecided", _saved_metrics(b, pair.b))
    )
    failed = list(dict.fromkeys(found))
    if chosen.as_json:
        say_json(_saved_json(a, b, pairs, failed))
        return _fail(failed)
    for pair in pairs:
        first, second = map(duration, pair.medians)
        say(
            f"{pair.label}: {a.subject.name} {first}, {b.subject.name} {second} "
            f"({pair.ratio:.3f}x)"
        )
    say(_NO_SESSION)
    say("next: resgen compare A B on what they were made of measures both side by side")
    return _fail(failed)


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


def _show(a: Job, b: Job, found: Measured, steps: Sequence[Step]) -> None:
    decision = found.decision
    low, high = decision.interval
    say(
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
    say(
        f"{sentence}: {decision.ratio:.3f}x ({100 * decision.level:.0f} % interval "
        f"{low:.3f} to {high:.3f}), {duration(first)} and {duration(second)}"
    )
    if decision.verdict == "undecided":
        more = found.more_seconds
        say(
            "  more pairs would hardly decide it on this machine"
            if more is None
            else f"  about {more:.0f} s more would decide it: --time "
            f"{found.seconds + more:.0f}"
        )
    wide = max((len(step.part) for step in steps), default=0)
    for step in steps:
        change = f"{1e3 * step.seconds:+8.3f} ms"
        say(f"  {step.part:<{wide}}  {change}   {step.why}".rstrip())
        for path, changed in step.blocks[:3]:
            say(f"  {'':<{wide}}  {1e3 * changed:+8.3f} ms   of it in {path}")
    for note in found.notes:
        say(f"  {note}")
