"""What ``resgen diagnose`` does with its options."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resgen.api.specs import folder_name, network
from resgen.cli._diagnosed import show
from resgen.cli._failures import interrupted
from resgen.cli._memory import needed, require, told
from resgen.cli._progress import Progress
from resgen.cli._text import say, say_json
from resgen.diagnosis.data.gather import gather
from resgen.diagnosis.diagnose import Asked, Subject, diagnose
from resgen.diagnosis.documents import DATA, DIAGNOSIS, PAGE, without_folders
from resgen.diagnosis.plain import without_shortcuts
from resgen.errors import ResgenError, UsageError
from resgen.expansion.network import expand
from resgen.files.ordinary import reason
from resgen.files.whole import write_text
from resgen.graph.cost import analyse
from resgen.machine import environment
from resgen.machine.cores import free_cores
from resgen.reports.own import require_own
from resgen.runtime.engines import find
from resgen.spec.canonical import digest
from resgen.words.numbers import count, scaled

if TYPE_CHECKING:
    from resgen.diagnosis.data.dataset import Dataset
    from resgen.records.diagnosis import Diagnosis
    from resgen.spec.model import Spec

#: What stands for the network without its shortcuts.
PLAIN: Final = "plain"
#: The batch unless it is said, and the multiply-adds of a pass that cut it down: about
#: two seconds on two cores.
BATCH: Final = 64
PASS: Final = 100e9
#: What batch statistics need at the least.
LEAST: Final = 8


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of one call, as click read them."""

    source: str
    as_json: bool
    against: tuple[str, ...]
    data: str | None
    seeds: int
    steps: int | None
    rate: float
    batch: int | None
    threads: int | None
    no_rate_test: bool
    output: str | None
    assignments: tuple[str, ...]
    resume: bool
    keep_weights: bool
    out: Path | None


def run(chosen: Chosen, progress: Progress) -> int | None:
    """Diagnose as the options say; the exit code."""
    begin = time.perf_counter()
    _check(chosen)
    spec, first = _read(chosen.source, chosen.assignments)
    subjects = [first]
    subjects += [
        _without_shortcuts(spec, first)
        if text == PLAIN
        else _read(text, chosen.assignments)[1]
        for text in chosen.against
    ]
    _require_names(subjects)
    out = chosen.out or Path("build", f"{folder_name(first.name)}-diagnosis")
    if out.exists() and not out.is_dir():
        raise ResgenError(f"{out} is a file", hint="name another folder with -o")
    require_own(out, DATA, PAGE)
    dataset = gather(chosen.data, first.graph, spec.preprocess, output=chosen.output)
    for subject in subjects:
        dataset.require(subject.graph)
    batch = chosen.batch or _batch(subjects, dataset)
    machine = environment()
    at_once = chosen.seeds if chosen.steps else 1
    need = needed([subject.graph for subject in subjects], batch, at_once)
    require(need, machine["memory"], batch)
    dataset.batch(0, batch)
    find("torch").require("cpu", "a network cannot be diagnosed")
    progress.say("networks", "\n".join(map(_network_line, subjects)))
    progress.say("data", _data_line(dataset, batch))
    progress.say("looking", _how(chosen))
    asked = Asked(
        seeds=chosen.seeds,
        batch=batch,
        rate=chosen.rate,
        steps=chosen.steps or 0,
        folder=out,
        resume=chosen.resume,
        keep_weights=chosen.keep_weights,
        rate_test=not chosen.no_rate_test,
        threads=_thread_count(chosen, out),
    )
    with _writable(out), told(batch):
        done = diagnose(
            subjects,
            dataset,
            asked,
            command=_again(chosen),
            environment=machine,
            report=lambda at, total, text: progress.advance(text, at, total),
        )
        kept = without_folders(done.diagnosis)
        _write(kept, out)
    if chosen.as_json:
        say_json(DIAGNOSIS.to_json(kept))
    else:
        show(done, out, time.perf_counter() - begin)
    if done.interrupted:
        say("interrupted; what was seen until then is in the report, and --resume goes"
            " on", err=True)  # fmt: skip
        return interrupted()
    return None


def _check(chosen: Chosen) -> None:
    """Refuse options that would have no effect."""
    if chosen.steps is None:
        for name, given in (
            ("--resume", chosen.resume),
            ("--keep-weights", chosen.keep_weights),
            ("--no-lr-test", chosen.no_rate_test),
        ):
            if given:
                raise UsageError(f"{name} is for training", hint="add --train STEPS")


def _read(source: str, assignments: tuple[str, ...]) -> tuple[Spec, Subject]:
    path = Path(source)
    if path.suffix in (".onnx", ".engine", ".plan"):
        raise UsageError(
            f"{source} is for inference: it cannot be trained, so there is nothing to "
            "diagnose",
            hint="name the spec that it was made of; resgen.watch looks at any torch "
            "module",
        )
    if path.is_dir():
        path = path / "spec.json"
        if not path.is_file():
            raise ResgenError(
                f"{source} holds no spec.json, so it is no folder that resgen made"
            )
        source = str(path)
    spec, graph, _ = network(source, assignments, None, None)
    return spec, Subject(spec.name, graph, digest(spec), spec=spec)


def _without_shortcuts(spec: Spec, subject: Subject) -> Subject:
    if not any(node.origin.role == "merge" for node in subject.graph.nodes):
        raise ResgenError(f"{spec.name} has no shortcut that could be taken out")
    plain = without_shortcuts(spec)
    return Subject(plain.name, expand(plain), digest(plain), plain=True)


def _thread_count(chosen: Chosen, out: Path) -> int:
    from resgen.diagnosis.training.state import saved_threads

    before = saved_threads(out) if chosen.resume else None
    return chosen.threads or before or free_cores()


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
    costs = [analyse(subject.graph).macs for subject in subjects]
    size = BATCH
    while size > LEAST and size * max(costs) > PASS:
        size //= 2
    return min(size, len(dataset.trained_on))


def _network_line(subject: Subject) -> str:
    plain = ", its shortcuts taken out" if subject.plain else ""
    return f"{subject.name}, {scaled(subject.params)} parameters{plain}"


def _data_line(dataset: Dataset, batch: int) -> str:
    about = dataset.about
    lines = [f"{about.origin}; {about.count:,} examples of {about.classes} classes"]
    return "\n".join([*lines, *about.notes, f"a batch of {batch:,}"])


def _how(chosen: Chosen) -> str:
    seeds = count(chosen.seeds, "seed")
    training = f", {chosen.steps} steps of training each" if chosen.steps else ""
    return f"{seeds}, learning rate {chosen.rate:g}{training}"


def _again(chosen: Chosen) -> list[str]:
    """The command that does it again; of files only names."""
    words = ["resgen", "diagnose", Path(chosen.source).name]
    for text in chosen.against:
        words += ["--against", Path(text).name]
    if chosen.data is not None:
        words += ["--data", Path(chosen.data).name]
    words += ["--seeds", str(chosen.seeds), "--lr", f"{chosen.rate:g}"]
    for option, value in (
        ("--train", chosen.steps),
        ("--batch", chosen.batch),
        ("--threads", chosen.threads),
        ("--output", chosen.output),
    ):
        if value is not None:
            words += [option, str(value)]
    for value in chosen.assignments:
        words += ["--set", value]
    return [*words, "--no-lr-test"] if chosen.no_rate_test else words


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """A folder that takes files, made beforehand; if none came of it, it goes again."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        hint = "name another folder with -o"
        why = f"cannot write to {out}: {reason(error)}"
        raise ResgenError(why, hint=hint) from error
    try:
        yield
    finally:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()  # only if it is empty


def _write(diagnosis: Diagnosis, out: Path) -> None:
    from resgen.reports.diagnosis.html import render

    DIAGNOSIS.save(diagnosis, out / DATA)
    write_text(out / PAGE, render([diagnosis]))
