"""Several networks looked at side by side: before training, and in it if asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

from resgen._version import __version__
from resgen.diagnosis.data.dataset import Dataset
from resgen.diagnosis.initial import at_start
from resgen.diagnosis.lengths import lengths
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.verdict.findings import findings
from resgen.errors import Place, ResgenError
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Arm, Diagnosis, Finding, Lengths, Part, Run
from resgen.spec.model import Spec
from resgen.spec.source import Json

#: Steps done, steps in all, and what is under way.
Report: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to look at; ``plain`` if its shortcuts were taken out for it.

    With its ``spec``, findings point at the line that their mend would change.
    """

    name: str
    graph: Graph
    sha256: str | None = None
    plain: bool = False
    spec: Spec | None = None

    @property
    def params(self) -> int:
        """Trainable scalars."""
        return sum(p.size for p in self.graph.parameters if p.trainable)


@dataclass(frozen=True, slots=True)
class Asked:
    """How to look: ``seeds`` is how many, ``rate`` the learning rate, ``steps`` those
    of training, none unless said. ``folder`` keeps the state of training.
    ``rate_test`` looks for the learning rates that a trained network bears; ``threads``
    are those of one operator, None as torch has them.
    """

    seeds: int = 3
    batch: int = 64
    rate: float = 0.05
    steps: int = 0
    folder: Path | None = None
    resume: bool = False
    keep_weights: bool = False
    rate_test: bool = True
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A diagnosis; ``interrupted`` if training was, ``weights`` files that it kept."""

    diagnosis: Diagnosis
    interrupted: bool = False
    weights: tuple[Path, ...] = ()


def diagnose(
    subjects: Sequence[Subject],
    dataset: Dataset,
    asked: Asked,
    *,
    command: Sequence[str] = (),
    environment: Mapping[str, Any] | None = None,
    report: Report = lambda done, total, text: None,
) -> Done:
    """Look at every network from every seed, on the same inputs; train them if asked.

    An interruption of training is told and not raised: what was seen until then is in
    the diagnosis. What does not fit the data is a ResgenError.
    """
    for subject in subjects:
        dataset.require(subject.graph)
    with _threads(asked.threads) as threads:
        return _diagnosed(
            subjects, dataset, asked, threads, command, environment or {}, report
        )


@contextmanager
def _threads(wanted: int | None) -> Iterator[int]:
    """So many threads for each of torch's operators, and as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


def _diagnosed(
    subjects: Sequence[Subject],
    dataset: Dataset,
    asked: Asked,
    threads: int,
    command: Sequence[str],
    environment: Mapping[str, Any],
    report: Report,
) -> Done:
    arms = _initial(subjects, dataset, asked, report)
    done = Done(
        Diagnosis(
            arms=arms,
            data=dataset.about,
            settings={
                "learning_rate": asked.rate,
                "batch": asked.batch,
                "seeds": asked.seeds,
                "steps": asked.steps,
                "threads": threads,
                "output": dataset.scores.name,
                "classes": dataset.scores.classes,
            },
            environment=dict(environment),
            command=tuple(command),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            resgen=__version__,
        )
    )
    if not asked.steps:
        return done
    return _trained(done, subjects, dataset, asked, threads, report)


def _initial(
    subjects: Sequence[Subject], dataset: Dataset, asked: Asked, report: Report
) -> tuple[Arm, ...]:
    arms = []
    total = len(subjects) * asked.seeds
    for i, subject in enumerate(subjects):
        parts = parts_of(subject.graph)
        if not parts:
            raise ResgenError(
                f"{subject.name} has no parameters, so there is nothing to diagnose"
            )
        runs = []
        for seed in range(asked.seeds):
            report(i * asked.seeds + seed, total, f"{subject.name}, seed {seed}")
            moment = at_start(
                subject.graph, parts, dataset, seed=seed, batch=asked.batch
            )
            runs.append(Run(seed, (moment,)))
        moments = [run.moments[0] for run in runs]
        found = findings(
            parts,
            moments,
            classes=dataset.scores.classes,
            learning_rate=asked.rate,
            graph=subject.graph,
        )
        arms.append(
            Arm(
                name=subject.name,
                sha256=subject.sha256,
                plain=subject.plain,
                params=subject.params,
                parts=parts,
                runs=tuple(runs),
                findings=tuple(_pointed(one, subject.spec) for one in found),
                lengths=_lengths(parts, runs),
            )
        )
    report(total, total, "")
    return tuple(arms)


def _pointed(finding: Finding, spec: Spec | None) -> Finding:
    at = None if spec is None else line_of(spec, finding)
    if at is None:
        return finding
    return replace(finding, place=f"{at.file}:{at.line}:{at.column}")


def _lengths(parts: Sequence[Part], runs: Sequence[Run]) -> Lengths | None:
    """Of the first seed; None where a gain is missing, or nothing has a shortcut."""
    branches, shortcuts = [], []
    for part, seen in zip(parts, runs[0].moments[0].parts, strict=True):
        if part.kind != "block":
            continue
        # All paths through a block without a shortcut pass what it does.
        branch = seen.gain if seen.shortcut is None else seen.branch_gain
        if branch is None or (seen.shortcut is not None and seen.shortcut_gain is None):
            return None
        branches.append(branch)
        shortcuts.append(seen.shortcut_gain)
    if not any(gain is not None for gain in shortcuts):
        return None
    return lengths(branches, shortcuts)


def _trained(
    done: Done,
    subjects: Sequence[Subject],
    dataset: Dataset,
    asked: Asked,
    threads: int,
    report: Report,
) -> Done:
    """The same networks after short training, with the rates that they bear."""
    from resgen.diagnosis.training.options import Options, Trainee
    from resgen.diagnosis.training.range_test import range_test
    from resgen.diagnosis.training.train import train

    arms = done.diagnosis.arms
    trainees = [
        Trainee(subject.name, subject.graph, tuple(part.path for part in arm.parts))
        for subject, arm in zip(subjects, arms, strict=True)
    ]
    options = Options(
        steps=asked.steps,
        seeds=tuple(range(asked.seeds)),
        batch=asked.batch,
        rate=asked.rate,
        threads=threads,
    )
    trained = train(
        trainees,
        dataset,
        options,
        folder=asked.folder,
        resume=asked.resume,
        keep_weights=asked.keep_weights,
        report=report,
    )
    arms = tuple(
        replace(arm, runs=tuple(map(_joined, arm.runs, runs)))
        for arm, runs in zip(arms, trained.runs, strict=True)
    )
    interrupted = trained.interrupted
    if asked.rate_test and not interrupted:
        try:
            arms = tuple(
                replace(
                    arm,
                    range_test=range_test(
                        trainee, dataset, batch=asked.batch, report=report
                    ),
                )
                for arm, trainee in zip(arms, trainees, strict=True)
            )
        except KeyboardInterrupt:
            interrupted = True
    return Done(replace(done.diagnosis, arms=arms), interrupted, trained.weights)


def _joined(start: Run, run: Run) -> Run:
    """A run with what was seen before its first step."""
    return replace(run, moments=(*start.moments, *run.moments))


#: A key that a hint writes: ``"shortcut": "projection"``.
_KEY = re.compile(r'"(\w+)": ')


def line_of(spec: Spec, finding: Finding) -> Place | None:
    """Where the spec says what the finding's hint would say otherwise.

    The stage that the finding is about comes before ``defaults``, as it does in the
    language. None where neither says anything of it.
    """
    objects = [_at(spec, finding.pointer or ""), spec.members.get("defaults")]
    for key in _KEY.findall(finding.hint):
        for holder in objects:
            if holder is not None and isinstance(holder.value, dict):
                found = holder.value.get(key)
                if found is not None:
                    return found.place(key=True)
    return None


def _at(spec: Spec, pointer: str) -> Json | None:
    """The stage of ``/stages/2``."""
    words = pointer.split("/")
    if len(words) < 3 or words[1] != "stages" or not words[2].isdigit():
        return None
    return spec.stages[int(words[2])].at
