"""What ``resgen profile`` does with its options, and what it shows."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from resgen.cli._failures import INTERRUPTED
from resgen.cli._measuring import (
    default_runtime,
    parse_batches,
    parse_device,
    parse_shapes,
    wanted_of,
)
from resgen.cli._progress import Progress
from resgen.cli._specs import folder_name
from resgen.cli._text import say, say_json, width
from resgen.document.files import write_text
from resgen.errors import ResgenError, UsageError
from resgen.profiling.documents import REPORT
from resgen.profiling.engine import Building
from resgen.profiling.measure import Interrupted, Options, all_failed, profile
from resgen.profiling.sampling import Limits
from resgen.profiling.subject import Prepared, prepared
from resgen.records.latency import Charge, Mode, Record, Run
from resgen.reports.latency.doubt import ABOVE, above, doubt
from resgen.reports.latency.naming import percentile
from resgen.runtime.engines import find, present
from resgen.words.numbers import interval, scaled, seconds, share
from resgen.words.terminal import TEXT, style, table

if TYPE_CHECKING:
    from resgen.graph.precision import Name

#: Columns of a bar that stands for all of the time.
BAR: Final = 24
PAGE: Final = "report.html"
DATA: Final = "report.json"
_HEAD: Final = ("runtime", "batch", "median", "95 % interval", "p95", "inputs/s", "")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of one call, as click read them."""

    source: str
    as_json: bool
    runtimes: tuple[str, ...]
    device: str | None
    precision: Name | None
    shapes: tuple[str, ...]
    threads: int | None
    batches: str
    mode: Mode
    seconds: float
    rate: float | None
    cold: bool
    lanes: int | None
    launches: bool
    no_operators: bool
    weights: Path | None
    assignments: tuple[str, ...]
    out: Path | None
    with_paths: bool


def run(chosen: Chosen, progress: Progress) -> int | None:
    """Profile as the options say; the exit code."""
    begin = time.perf_counter()
    _check(chosen)
    engine = Path(chosen.source).suffix in (".engine", ".plan")
    device = parse_device(
        chosen.device, chosen.runtimes or (("tensorrt",) if engine else ())
    )
    # What can be refused at once is, since preparing takes seconds.
    batches, shapes = parse_batches(chosen.batches), parse_shapes(chosen.shapes)
    if chosen.out is not None:
        _check_out(chosen.out)
    wanted = wanted_of(
        chosen.source, chosen.precision, chosen.weights, chosen.assignments, shapes
    )
    asked = chosen.runtimes or (() if device == "cpu" else ("onnxruntime",))
    for name in asked:
        # An engine's own file is looked at first, which takes no time.
        if name != "all" and not engine:
            find(name).require(device, _why(name))
    if "tensorrt" in chosen.runtimes:
        wanted = replace(wanted, building=Building(batches, shapes))
    with prepared(wanted) as subject:
        options = _options(chosen, subject, device)
        out = chosen.out or Path(
            "build", f"{folder_name(subject.subject.name)}-profile"
        )
        _check_out(out)
        progress.say("network", _network_line(subject))
        progress.say("timing", _how(options))
        code = None
        try:
            record = profile(
                subject,
                options,
                command=_again(chosen),
                say=lambda run: progress.say("", _brief(run)),
                progress=progress.advance,
            )
        except Interrupted as stop:
            record, code = stop.record, INTERRUPTED
    if chosen.with_paths:
        from resgen.machine import environment

        record = replace(record, environment=environment(paths=True))
    _write(record, out)
    if chosen.as_json:
        say_json(REPORT.to_json(record))
    else:
        _show(record, out, time.perf_counter() - begin)
    if code is not None:
        say("interrupted; what was measured until then is in the report", err=True)
        return code
    return int(any(all_failed(record.runs, name) for name in options.runtimes))


def _why(name: str) -> str:
    return (
        "the engine cannot run here"
        if name == "tensorrt"
        else "the network cannot run on it"
    )


def _check(chosen: Chosen) -> None:
    """Refuse options that would have no effect."""
    if chosen.lanes is not None and chosen.mode != "throughput":
        raise UsageError("--in-flight is for --mode throughput")
    if chosen.launches and chosen.mode != "compute":
        raise UsageError("--no-cuda-graph is for --mode compute")
    if chosen.mode == "throughput" and (chosen.rate or chosen.cold):
        raise UsageError(
            "--mode throughput has no time between requests to be paced or to flush "
            "caches in"
        )


def _options(chosen: Chosen, subject: Prepared, device: str) -> Options:
    runtimes = list(chosen.runtimes) or [default_runtime(subject, device)]
    if "all" in runtimes:
        here = present(device)
        runtimes = [n for n in here if subject.file(find(n).takes) is not None]
        if not runtimes:
            raise ResgenError(
                f"no runtime that is here runs {subject.subject.name} on {device}",
                hint="`resgen doctor` shows what this machine has, and what to add",
            )
    return Options(
        runtimes=tuple(dict.fromkeys(runtimes)),
        device=device,
        batches=parse_batches(chosen.batches),
        mode=chosen.mode,
        limits=Limits(
            seconds=chosen.seconds,
            warm_up=max(1.0, chosen.seconds / 2),
            least_seconds=min(1.0, chosen.seconds / 2),
            interval=1 / chosen.rate if chosen.rate else None,
        ),
        threads=chosen.threads,
        shapes=parse_shapes(chosen.shapes),
        lanes=chosen.lanes or 2,
        cold=chosen.cold,
        graph=not chosen.launches,
        breakdown=not chosen.no_operators,
    )


def _again(chosen: Chosen) -> list[str]:
    """The command that measures it again; of files only names, unless asked."""

    def told(path: str | Path) -> str:
        return str(path) if chosen.with_paths else Path(path).name

    words = ["resgen", "profile", told(chosen.source)]
    for name in chosen.runtimes:
        words += ["--runtime", name]
    for option, value in (
        ("--device", chosen.device), ("--precision", chosen.precision),
        ("--threads", chosen.threads), ("--batch", chosen.batches),
        ("--mode", chosen.mode), ("--time", f"{chosen.seconds:g}"),
        ("--rate", chosen.rate), ("--in-flight", chosen.lanes),
        ("--weights", chosen.weights and told(chosen.weights)),
    ):  # fmt: skip
        if value is not None:
            words += [option, str(value)]
    for option, values in (("--shape", chosen.shapes), ("--set", chosen.assignments)):
        for value in values:
            words += [option, value]
    flags = {
        "--cold-l2": chosen.cold,
        "--no-cuda-graph": chosen.launches,
        "--no-operators": chosen.no_operators,
        "--with-paths": chosen.with_paths,
    }
    return [*words, *(flag for flag, given in flags.items() if given)]


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ResgenError(f"{out} is a file", hint="name another folder with -o")


def _write(record: Record, out: Path) -> None:
    from resgen.reports.latency.html import render

    out.mkdir(parents=True, exist_ok=True)
    REPORT.save(record, out / DATA)
    write_text(out / PAGE, render([record]))


# --- what a person sees ---------------------------------------------------------------


def _network_line(subject: Prepared) -> str:
    about = subject.subject
    parts = [about.name]
    if about.params:
        parts.append(f"{scaled(about.params)} parameters")
    if about.macs:
        parts.append(f"{scaled(about.macs, 'MACs')}")
    weights = "probe parameters" if about.weights == "probe" else f"{about.weights}"
    return ", ".join((*parts, f"weights: {weights}", subject.precision))


def _how(options: Options) -> str:
    from resgen.machine.cores import available_cores

    parts = [options.mode, options.device]
    if options.device == "cpu":
        parts.append(f"{options.threads or available_cores()} threads")
    parts.append(f"up to {options.limits.seconds:g} s each")
    return ", ".join(parts)


def _brief(run: Run) -> str:
    where = f"{run.runtime}, batch {run.batch}: "
    if run.summary is None:
        return where + (run.error or "nothing")
    return f"{where}{seconds(run.summary.median)}, {run.summary.n:,} samples"


def _show(record: Record, out: Path, took: float) -> None:
    say()
    rows = [_HEAD, *(_row(run) for run in record.runs)]
    head, *lines = table(rows, 1)
    say(style(head, bold=True))
    for line in lines:
        say(line)
    for run in record.runs:
        notes = "; ".join(_notes(run))
        if notes:
            say(f"  {run.runtime}, batch {run.batch}: {notes}")
    told = next((run for run in record.runs if run.breakdown is not None), None)
    if told is not None:
        _show_parts(told)
    say()
    say(f"{style(f'{out}/', bold=True)}  in {took:.1f} s")
    again = shlex.quote(str(out / PAGE))
    say(f"next: open {again} · resgen compare A B says which of two is faster")


def _row(run: Run) -> tuple[str, ...]:
    name, batch = run.runtime, str(run.batch)
    found = run.summary
    if found is None:
        return name, batch, "failed", "", "", "", ""
    unsteady = "" if run.steady else "unsteady"
    return (
        name, batch, seconds(found.median), interval(found.median_interval),
        percentile(found, "p95") or "too few", f"{run.throughput or 0:,.1f}", unsteady,
    )  # fmt: skip


def _notes(run: Run) -> Iterator[str]:
    if run.error is not None:
        yield run.error
    yield from run.notes


def _show_parts(run: Run) -> None:
    breakdown = run.breakdown
    if breakdown is None or not breakdown.operator_sum:
        return
    say()
    say(
        style("where the time goes", bold=True)
        + f"  {run.runtime}, batch {run.batch}: operators take "
        f"{seconds(breakdown.operator_sum)} under the profiler, "
        f"{100 * breakdown.coverage:.1f} % of it in a block or stage"
    )
    doubtful = doubt(run)
    rows = [
        (part.path, seconds(part.seconds), share(part.seconds, breakdown.operator_sum),
         "" if doubtful else _reached(part),
         "#" * round(BAR * part.seconds / breakdown.operator_sum))
        for part in breakdown.charges
        if part.kind != "block" and part.seconds
    ]  # fmt: skip
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for path, took, part, reached, bar in rows:
        say(
            f"  {path:<{wide[0]}}  {took:>{wide[1]}}  {part:>{wide[2]}}  "
            f"{bar:<{BAR}}  {reached}".rstrip()
        )
    reason = doubtful or (ABOVE if above(breakdown) else None)
    if reason:
        for line in wrap(reason, min(width(), TEXT) - 2):
            say(f"  {line}")


def _reached(charge: Charge) -> str:
    if not charge.attainable or not charge.seconds:
        return ""
    return f"{100 * charge.attainable / charge.seconds:.0f} % of the attainable"
