"""A comparison as one document: who was compared, how, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from resgen.errors import ResgenError
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import Measured
from resgen.profiling.comparison.waterfall import Step
from resgen.records.latency import Record, Run


def to_json(
    a: Job, b: Job, found: Measured, steps: Sequence[Step], failed: Sequence[str]
) -> dict[str, Any]:
    """The document of ``resgen compare --json``; times in seconds."""
    decision = found.decision
    first, second = found.medians
    return {
        "verdict": decision.verdict,
        "ratio": decision.ratio,
        "interval": list(decision.interval),
        "level": decision.level,
        "p": decision.p,
        "floor": decision.floor,
        "pairs": [_pair(pair.first, pair.second) for pair in found.pairs],
        "alike": [_pair(pair.first, pair.second) for pair in found.alike],
        "medians": [first, second],
        "seconds": found.seconds,
        "more_seconds": found.more_seconds,
        "a": _subject(a),
        "b": _subject(b),
        "device": a.device,
        "batch": a.batch,
        "mode": a.mode,
        "threads": a.threads,
        "differences": [
            {
                "part": step.part,
                "seconds": step.seconds,
                "noise": step.noise,
                "why": step.why,
                "blocks": [list(block) for block in step.blocks],
            }
            for step in steps
        ],
        "notes": list(found.notes),
        "failed": list(failed),
    }


def _pair(first: float, second: float) -> dict[str, float]:
    return {"first": first, "second": second, "ratio": second / first}


def _subject(job: Job) -> dict[str, Any]:
    about = job.prepared.subject
    return {
        "name": about.name,
        "kind": about.kind,
        "sha256": about.sha256,
        "macs": about.macs,
        "weights": about.weights,
        "runtime": job.runtime,
        "precision": job.prepared.precision,
    }


@dataclass(frozen=True, slots=True)
class Saved:
    """Two saved runs of the same kind: what the files say, which is no verdict."""

    a: Run
    b: Run

    @property
    def medians(self) -> tuple[float, float]:
        """Of A and of B, in seconds."""
        return _median(self.a), _median(self.b)

    @property
    def ratio(self) -> float:
        """B's median over A's."""
        return self.medians[1] / self.medians[0]

    @property
    def label(self) -> str:
        """What both ran on, and how."""
        run = self.b
        kinds = " and ".join(dict.fromkeys([self.a.precision, run.precision]))
        return f"{run.runtime} {run.device}, {kinds}, batch {run.batch}, {run.mode}"


def saved(a: Record, b: Record) -> list[Saved]:
    """The runs that both records have; none is a ResgenError.

    Nobody knows what else changed between two sessions, so their ratio is told and not
    judged.
    """
    ones = {_key(run): run for run in a.runs if run.samples is not None}
    others = {_key(run): run for run in b.runs if run.samples is not None}
    both = [key for key in ones if key in others]
    if not both:
        raise ResgenError(
            f"the two results have no run in common: {_listed(a)}; {_listed(b)}",
            hint="measure both with the same runtime, device, batch and mode",
        )
    return [Saved(ones[key], others[key]) for key in both]


def _key(run: Run) -> tuple[str, str, int, str]:
    return run.runtime, run.device, run.batch, run.mode


def _median(run: Run) -> float:
    return median(run.samples.seconds) if run.samples is not None else float("nan")


def _listed(record: Record) -> str:
    runs = (f"{r.runtime} {r.device} batch {r.batch} {r.mode}" for r in record.runs)
    return f"{record.subject.name} on {', '.join(runs)}"
