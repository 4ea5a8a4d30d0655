"""A comparison as one record: who was compared, how, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from resgen._version import __version__
from resgen.errors import ResgenError
from resgen.profiling.bench import Job
from resgen.profiling.comparison import compare
from resgen.profiling.comparison.waterfall import Waterfall
from resgen.profiling.statistics.stats import percentile
from resgen.records.comparison import (
    Accuracy,
    Comparison,
    Latency,
    Pair,
    Shared,
    Side,
)
from resgen.records.profile import Record, Run, Subject
from resgen.runtime.engines import find
from resgen.words.numbers import stamp

NO_SESSION = (
    "undecided: the two were measured in different sessions, and nobody knows what "
    "else has changed"
)


def recorded(
    a: Job,
    b: Job,
    found: compare.Measured,
    fall: Waterfall,
    failed: Sequence[str],
    *,
    folders: tuple[Path | None, Path | None],
    command: Sequence[str],
    environment: Mapping[str, Any],
) -> Comparison:
    """The record of what was measured side by side.

    ``folders`` are those that resgen made of either, whose manifests know more, and
    ``environment`` is of the machine that measured them.
    """
    decision = found.decision
    sides = [
        _side(job, [(pair.first, pair.second)[i] for pair in found.pairs],
              sum(len(pair.samples[i]) for pair in found.pairs), folders[i])
        for i, job in enumerate((a, b))
    ]  # fmt: skip
    return Comparison(
        verdict=decision.verdict,
        a=sides[0],
        b=sides[1],
        command=tuple(command),
        created=stamp(),
        resgen=__version__,
        device=a.device,
        batch=a.batch,
        mode=a.mode,
        threads=a.threads,
        ratio=decision.ratio,
        interval=decision.interval,
        level=decision.level,
        p=decision.p,
        floor=decision.floor,
        medians=found.medians,
        pairs=tuple(map(_pair, found.pairs)),
        alike=tuple(map(_pair, found.alike)),
        seconds=found.seconds,
        more_seconds=found.more_seconds,
        differences=fall.steps,
        parts=fall.parts,
        notes=found.notes,
        failed=tuple(failed),
        environment=environment,
    )


def _pair(pair: compare.Pair) -> Pair:
    return Pair(pair.first, pair.second, pair.ratio)


def _side(
    job: Job, processes: Sequence[float], samples: int, folder: Path | None
) -> Side:
    import numpy as np

    _, ends = percentile(np.asarray(processes), 0.5)
    return Side(
        **_known(job.prepared.subject),
        precision=job.prepared.precision,
        runtime=job.runtime,
        bytes=job.prepared.size(find(job.runtime).takes),
        latency=Latency(median(processes), ends, tuple(processes), samples),
        accuracy=None
        if folder is None
        else accuracy_of(folder, job.prepared.precision),
    )


def _known(subject: Subject) -> dict[str, Any]:
    names = ("name", "sha256", "kind", "weights", "params", "macs")
    return {name: getattr(subject, name) for name in names}


def accuracy_of(folder: Path, precision: str) -> Accuracy | None:
    """What was found when the folder was exported, if it was, at this precision.

    Of weights that nobody trained an accuracy says nothing.
    """
    from resgen.artifact.manifest import FRESH
    from resgen.artifact.opened import open_folder

    manifest = open_folder(folder).manifest
    asked = manifest.precision
    if manifest.weights == FRESH or asked is None or asked.name != precision:
        return None
    found = (manifest.verified or {}).get("accuracy")
    try:
        return None if found is None else _shares(found)
    except (KeyError, TypeError, ValueError):  # a later version writes it otherwise
        return None


def _shares(found: Mapping[str, Any]) -> Accuracy | None:
    from resgen.proof.accuracy import wilson

    on, known = str(found["measured_on"]), found.get("classes")
    output = found.get("top1_output")
    if known is not None:
        (exact, right), inputs = known["top1"], known["inputs"]
        ends = wilson(right, inputs)
        share = right / inputs
        return Accuracy("right", share, ends, inputs, on, exact / inputs, output)
    if found["top1"] is None:
        return None
    same, inputs = found["top1"]
    ends = wilson(same, inputs)
    return Accuracy("same", same / inputs, ends, inputs, on, output=output)


# --- two saved reports ----------------------------------------------------------------


def saved(a: Record, b: Record) -> list[tuple[Run, Run]]:
    """The runs that both records have; none is a ResgenError."""
    ones = {_key(run): run for run in a.runs if run.samples is not None}
    others = {_key(run): run for run in b.runs if run.samples is not None}
    both = [key for key in ones if key in others]
    if not both:
        raise ResgenError(
            f"the two results have no run in common: {_listed(a)}; {_listed(b)}",
            hint="measure both with the same runtime, device, batch and mode",
        )
    return [(ones[key], others[key]) for key in both]


def of_saved(
    a: Record,
    b: Record,
    pairs: Sequence[tuple[Run, Run]],
    failed: Sequence[str],
    command: Sequence[str],
) -> Comparison:
    """What the files say, which is no verdict.

    Nobody knows what else changed between two sessions, so ratios are told and not
    judged.
    """
    runs = []
    for one, other in pairs:
        medians = _median(one), _median(other)
        runs.append(Shared(_label(one, other), medians[1] / medians[0], medians))
    return Comparison(
        verdict="undecided",
        a=_saved_side(a, pairs[0][0]),
        b=_saved_side(b, pairs[0][1]),
        command=tuple(command),
        created=stamp(),
        resgen=__version__,
        runs=tuple(runs),
        why=NO_SESSION,
        failed=tuple(failed),
    )


def _saved_side(record: Record, run: Run) -> Side:
    return Side(
        **_known(record.subject),
        precision=run.precision,
        runtime=run.runtime,
        bytes=run.model_bytes,
        at=record.created,
    )


def _label(a: Run, b: Run) -> str:
    kinds = " and ".join(dict.fromkeys([a.precision, b.precision]))
    return f"{b.runtime} {b.device}, {kinds}, batch {b.batch}, {b.mode}"


def _key(run: Run) -> tuple[str, str, int, str]:
    return run.runtime, run.device, run.batch, run.mode


def _median(run: Run) -> float:
    return median(run.samples.seconds) if run.samples is not None else float("nan")


def _listed(record: Record) -> str:
    runs = (f"{r.runtime} {r.device} batch {r.batch} {r.mode}" for r in record.runs)
    return f"{record.subject.name} on {', '.join(runs)}"
