"""One run from opening to figures, within the process that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from resgen.profiling.bench import Bench, Job, described
from resgen.profiling.explain import explained
from resgen.profiling.flow import flow
from resgen.profiling.modes import host_timed
from resgen.profiling.sampling import Sampled, overhead, sample
from resgen.records.profile import Run
from resgen.words.numbers import share

#: Drift is said where it is likelier than this to be real, and larger than that.
DRIFT_P: Final = 0.01
DRIFT: Final = 0.02
#: The sampling code's share of the time that is worth saying.
COSTLY: Final = 0.01


def run(job: Job, progress: Callable[[float], None]) -> Run:
    """Measure the job; failures are exceptions."""
    from resgen import machine
    from resgen.profiling.statistics import stats

    bench = Bench(job)
    notes: list[str] = []
    states: list[dict[str, Any]] = []

    def look() -> None:
        states.append(machine.snapshot(job.device))

    settings: dict[str, Any] = dict(bench.engine.settings)
    settings["version"] = bench.engine.version
    if bench.device is None:
        settings |= {"threads": job.threads, "affinity": _affinity()}
    if job.mode == "throughput":
        works = bench.lanes()
        settings["in_flight"] = len(works)
        taken, per_second = flow(works, job.limits, warm=look, progress=progress)
        look()
        peak = bench.peak_memory()
        cost = overhead(host_timed)
        throughput = per_second * job.batch
    else:
        timed = bench.timed()
        settings |= timed.settings
        notes += timed.notes
        peak = bench.peak_memory()  # the engine's: judging samples takes some, too
        taken = sample(
            timed.call, job.limits, before=timed.flush, warm=look, progress=progress
        )
        look()
        cost = overhead(timed.wrap)
        throughput = 0.0
    before, after = states
    summary = stats.summarize(taken.samples)
    if job.mode != "throughput":
        throughput = job.batch / summary.median
    if job.limits.interval is not None:
        settings["rate"] = 1 / job.limits.interval
        notes.append(_pace(taken, job.limits.interval))
    seen = machine.unsteady(before, after, taken.samples)
    notes += _settled(taken)
    part = cost / summary.median
    if part > COSTLY:
        notes.append(f"sampling itself cost {share(part, 1)} of the median")
    if summary.drift_p < DRIFT_P and abs(summary.drift - 1) > DRIFT:
        notes.append(f"the second half took {summary.drift:.2f}x of the first: drift")
    measured = Run(
        runtime=job.runtime,
        device=job.device,
        precision=job.prepared.precision,
        batch=job.batch,
        mode=job.mode,
        settings=settings,
        samples=taken.samples,
        summary=summary,
        warm_up=taken.warm_up,
        stopped=taken.stopped,
        steady=not seen,
        notes=(*notes, *seen),
        throughput=throughput,
        load_seconds=bench.load_seconds,
        first_seconds=bench.first_seconds,
        peak_memory=peak,
        model_bytes=job.prepared.size(bench.engine.takes),
        overhead=part,
        machine=_machine(before, after, len(taken.samples.seconds) * job.batch),
    )
    if not job.breakdown or taken.stopped == "interrupted":
        return measured
    try:
        breakdown, ceilings = explained(bench)
    except KeyboardInterrupt:
        return _unexplained(measured, "interrupted")
    except Exception as error:  # the figures stand, whatever keeps this from coming
        return _unexplained(measured, described(error, job))
    return replace(measured, breakdown=breakdown, ceilings=ceilings)


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


def _settled(taken: Sampled) -> list[str]:
    if taken.warm_up.get("settled", True):
        return []
    return ["warm-up ended before successive windows agreed"]


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
