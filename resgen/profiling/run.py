"""One run from opening to figures, within the process that is there for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from resgen.profiling.bench import Bench, Job, described
from resgen.profiling.explain import explained
from resgen.profiling.flow import flow
from resgen.profiling.modes import host_timed
from resgen.profiling.sampling import Sampled, overhead, sample
from resgen.records.profile import Run, Summary
from resgen.words.numbers import share

#: Drift is said where it is likelier than this to be real, and larger than that.
DRIFT_P: Final = 0.01
DRIFT: Final = 0.02
#: The sampling code's share of the time that is worth saying.
COSTLY: Final = 0.01


class _Taken(NamedTuple):
    """What sampling came to, before it is judged.

    ``notes`` and ``settings`` are of the mode. ``peak`` is in bytes; ``cost`` are the
    seconds of a call that go into sampling itself. ``per_second`` requests got through
    where several were in flight.
    """

    sampled: Sampled
    settings: Mapping[str, Any]
    notes: Sequence[str]
    peak: int | None
    cost: float
    per_second: float | None = None


def run(job: Job, progress: Callable[[float], None]) -> Run:
    """Measure the job; failures are exceptions."""
    from resgen import machine
    from resgen.profiling.statistics import stats

    bench = Bench(job)
    states: list[dict[str, Any]] = []

    def look() -> None:
        states.append(machine.snapshot(job.device))

    take = _in_flight if job.mode == "throughput" else _one_by_one
    taken = take(bench, look, progress)
    sampled, samples = taken.sampled, taken.sampled.samples
    summary = stats.summarize(samples)
    before, after = states
    seen = machine.unsteady(before, after, samples)
    per_second = 1 / summary.median if taken.per_second is None else taken.per_second
    cost = taken.cost / summary.median
    measured = Run(
        runtime=job.runtime,
        device=job.device,
        precision=job.prepared.precision,
        batch=job.batch,
        mode=job.mode,
        settings=_settings(bench, taken),
        samples=samples,
        summary=summary,
        warm_up=sampled.warm_up,
        stopped=sampled.stopped,
        steady=not seen,
        notes=(*_notes(job, taken, summary, cost), *seen),
        throughput=per_second * job.batch,
        load_seconds=bench.load_seconds,
        first_seconds=bench.first_seconds,
        peak_memory=taken.peak,
        model_bytes=job.prepared.size(bench.engine.takes),
        overhead=cost,
        machine=_machine(before, after, len(samples.seconds) * job.batch),
    )
    if not job.breakdown or sampled.stopped == "interrupted":
        return measured
    try:
        breakdown, ceilings = explained(bench)
    except KeyboardInterrupt:
        return _unexplained(measured, "interrupted")
    except Exception as error:  # the figures stand, whatever keeps this from coming
        return _unexplained(measured, described(error, job))
    return replace(measured, breakdown=breakdown, ceilings=ceilings)


def _one_by_one(
    bench: Bench, look: Callable[[], None], progress: Callable[[float], None]
) -> _Taken:
    timed, limits = bench.timed(), bench.job.limits
    peak = bench.peak_memory()  # the engine's: judging samples takes some, too
    sampled = sample(
        timed.call, limits, before=timed.flush, warm=look, progress=progress
    )
    look()
    return _Taken(sampled, timed.settings, timed.notes, peak, overhead(timed.wrap))


def _in_flight(
    bench: Bench, look: Callable[[], None], progress: Callable[[float], None]
) -> _Taken:
    works = bench.lanes()
    sampled, per_second = flow(works, bench.job.limits, warm=look, progress=progress)
    look()
    peak, cost = bench.peak_memory(), overhead(host_timed)
    return _Taken(sampled, {"in_flight": len(works)}, (), peak, cost, per_second)


def _settings(bench: Bench, taken: _Taken) -> dict[str, Any]:
    """How the network was run, as a record keeps it."""
    job = bench.job
    found = {**bench.engine.settings, "version": bench.engine.version}
    if bench.device is None:
        found |= {"threads": job.threads, "affinity": _affinity()}
    found |= taken.settings
    if job.limits.interval is not None:
        found["rate"] = 1 / job.limits.interval
    return found


def _notes(job: Job, taken: _Taken, summary: Summary, cost: float) -> list[str]:
    """What a reader has to know of the figures, besides the machine's state."""
    found = list(taken.notes)
    if job.limits.interval is not None:
        found.append(_pace(taken.sampled, job.limits.interval))
    if not taken.sampled.warm_up.get("settled", True):
        found.append("warm-up ended before successive windows agreed")
    if cost > COSTLY:
        found.append(f"sampling itself cost {share(cost, 1)} of the median")
    if summary.drift_p < DRIFT_P and abs(summary.drift - 1) > DRIFT:
        found.append(f"the second half took {summary.drift:.2f}x of the first: drift")
    return found


def _unexplained(run: Run, why: str) -> Run:
    return replace(run, notes=(*run.notes, f"no times of single operators: {why}"))


def _affinity() -> list[int] | None:
    """The processors that the process may run on, where the system tells."""
    import os

    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _pace(taken: Sampled, interval: float) -> str:
    count = len(taken.samples.seconds)
    late = f", {taken.late} of {count} began late" if taken.late else ""
    return f"paced at {1 / interval:g} a second{late}"


def _machine(before: Any, after: Any, inputs: int) -> dict[str, Any]:
    from resgen import machine

    found = {"before": dict(before), "after": dict(after)}
    spent = machine.energy(before, after)
    if spent is not None:
        # Meters count all that they feed, other processes too: an upper bound.
        found["energy"] = {
            "joules": spent.joules,
            "meter": spent.meter,
            "joules_per_input_at_most": spent.joules / inputs,
        }
    return found
