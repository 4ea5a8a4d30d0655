"""Several networks looked at side by side: before training, and in it if asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from resgen._version import __version__
from resgen.diagnosis.data.dataset import Batch, Dataset
from resgen.diagnosis.lengths import lengths_of
from resgen.diagnosis.parts import parts_of
from resgen.diagnosis.training.options import Options, Trainee
from resgen.diagnosis.verdict.findings import findings
from resgen.errors import Place, ResgenError
from resgen.graph.ir import Graph
from resgen.records.diagnosis import Arm, Diagnosis, Finding, Moment, Part, Run
from resgen.spec.model import Spec
from resgen.spec.source import Json
from resgen.words.numbers import stamp
from resgen.words.progress import SILENT, Progress


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


@dataclass(frozen=True, slots=True)
class Done:
    """A diagnosis; ``interrupted`` if training was, ``weights`` files that it kept."""

    diagnosis: Diagnosis
    interrupted: bool = False
    weights: tuple[Path, ...] = ()


def diagnose(
    subjects: Sequence[Subject],
    dataset: Dataset,
    options: Options,
    *,
    folder: Path | None = None,
    resume: bool = False,
    keep_weights: bool = False,
    rate_test: bool = True,
    command: Sequence[str] = (),
    environment: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Done:
    """Look at every network from every seed, on the same inputs; train them if asked.

    ``folder``, ``resume`` and ``keep_weights`` are those of
    :func:`~resgen.diagnosis.training.train.train`; ``rate_test`` looks for the learning
    rates that a trained network bears. An interruption of training is told and not
    raised: what was seen until then is in the diagnosis. What does not fit the data is
    a ResgenError.
    """
    for subject in subjects:
        dataset.require(subject.graph)
    interrupted = False
    weights: tuple[Path, ...] = ()
    with threads(options.threads):
        arms = _initial(subjects, dataset, options, progress)
        if options.steps:
            from resgen.diagnosis.training.train import train

            trainees = [
                Trainee(subject.name, subject.graph, tuple(p.path for p in arm.parts))
                for subject, arm in zip(subjects, arms, strict=True)
            ]
            trained = train(
                trainees,
                dataset,
                options,
                folder=folder,
                resume=resume,
                keep_weights=keep_weights,
                progress=progress,
            )
            interrupted, weights = trained.interrupted, trained.weights
            arms = [
                replace(arm, runs=tuple(map(_joined, arm.runs, runs)))
                for arm, runs in zip(arms, trained.runs, strict=True)
            ]
            if rate_test and not interrupted:
                try:
                    arms = _swept(arms, trainees, dataset, options.batch, progress)
                except KeyboardInterrupt:
                    interrupted = True
    diagnosis = Diagnosis(
        arms=tuple(arms),
        data=dataset.about,
        settings={
            "learning_rate": options.rate,
            "batch": options.batch,
            "seeds": len(options.seeds),
            "steps": options.steps,
            "threads": options.threads,
            "output": dataset.scores.name,
            "classes": dataset.scores.classes,
        },
        environment=dict(environment or {}),
        command=tuple(command),
        created=stamp(),
        resgen=__version__,
    )
    return Done(diagnosis, interrupted, weights)


@contextmanager
def threads(wanted: int) -> Iterator[None]:
    """So many threads for each of torch's operators, and as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _initial(
    subjects: Sequence[Subject], dataset: Dataset, options: Options, progress: Progress
) -> list[Arm]:
    """Every network before its first step."""
    arms: list[Arm] = []
    total = len(subjects) * len(options.seeds)
    for subject in subjects:
        graph, parts = subject.graph, parts_of(subject.graph)
        if not parts:
            raise ResgenError(
                f"{subject.name} has no parameters, so there is nothing to diagnose"
            )
        runs: list[Run] = []
        for seed in options.seeds:
            done = len(arms) * len(options.seeds) + len(runs)
            text = f"{subject.name}, seed {seed}"
            progress.advance(text, done, total)
            moment = at_start(graph, parts, dataset, seed=seed, batch=options.batch)
            runs.append(Run(seed, (moment,)))
            progress.advance(text, done + 1, total)
        found = findings(
            parts,
            [run.moments[0] for run in runs],
            classes=dataset.scores.classes,
            learning_rate=options.rate,
            graph=graph,
        )
        arms.append(
            Arm(
                name=subject.name,
                sha256=subject.sha256,
                plain=subject.plain,
                params=subject.graph.params,
                parts=parts,
                runs=tuple(runs),
                findings=tuple(_pointed(one, subject.spec) for one in found),
                lengths=lengths_of(parts, runs[0].moments[0]),
            )
        )
    return arms


def _pointed(finding: Finding, spec: Spec | None) -> Finding:
    at = None if spec is None else line_of(spec, finding)
    if at is None:
        return finding
    return replace(finding, place=f"{at.file}:{at.line}:{at.column}")


def _swept(
    arms: Sequence[Arm],
    trainees: Sequence[Trainee],
    dataset: Dataset,
    batch: int,
    progress: Progress,
) -> list[Arm]:
    """The same with the learning rates that they bear."""
    from resgen.diagnosis.training.rates import range_test

    swept = (range_test(x, dataset, batch=batch, progress=progress) for x in trainees)
    return [
        replace(arm, range_test=found) for arm, found in zip(arms, swept, strict=True)
    ]


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


def at_start(
    graph: Graph, parts: tuple[Part, ...], dataset: Dataset, *, seed: int, batch: int
) -> Moment:
    """What is seen of the parts before the first step, with the weights of ``seed``.

    The batch is the first that training takes, its second half replaced by neighbours
    of the first half, since gradients of neighbours tell whether they shatter.
    """
    from resgen.diagnosis.seen.observer import Observer
    from resgen.diagnosis.training.learner import finite, loss_of, seed_noise
    from resgen.lower.torch import to_torch

    module = to_torch(graph, seed=seed)
    near = neighbours(dataset.batch(0, batch))
    seed_noise(seed, 0)
    paths = [part.path for part in parts]
    with Observer(module, paths, thorough=True, pairs=True, seed=seed) as seen:
        loss = loss_of(module, near, dataset.scores.name)
        loss.backward()  # type: ignore[no-untyped-call]
    return Moment(0, finite(loss.item()), seen.measures())


#: Noise that makes a neighbour, in standard deviations of the input itself.
DISTANCE: Final = 0.1


def neighbours(batch: Batch) -> Batch:
    """The first half of a batch, followed by a neighbour of each: x + 0.1 s(x) noise.

    Gradients of neighbours that point elsewhere are shattered: Balduzzi et al. 2017,
    "The Shattered Gradients Problem: If resnets are the answer, then what is the
    question?", who look at grids of inputs. s is the standard deviation over the
    elements of one input, the noise is normal. Labels are those of the originals; an
    odd batch loses its last.
    """
    half = len(batch.labels) // 2
    images, labels = batch.images[:half], batch.labels[:half]
    noise = np.random.default_rng(0).standard_normal(images.shape, np.float32)
    axes = tuple(range(1, images.ndim))
    scale = np.float32(DISTANCE) * images.std(axis=axes, keepdims=True)
    near = images + scale * noise
    return Batch(np.concatenate([images, near]), np.concatenate([labels, labels]))
