"""What is asked of a process that measures: one network opened by one engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from resgen.errors import ResgenError, is_out_of_memory
from resgen.machine import process
from resgen.machine.process import Answers, Failure
from resgen.profiling.bench import Bench, Job, described
from resgen.profiling.modes import Timed
from resgen.profiling.sampling import Limits, sample
from resgen.records.profile import Breakdown, Run

#: A block is over when its time is; the median of a pair is judged by other pairs.
_BLOCK: Final = Limits(warm_up=0.0, half_width=0.0, least=1, least_seconds=0.0)
#: Windows that fit into the time for settling; a few have to agree.
WINDOWS: Final = 5


class Worker(process.Worker):
    """What can be asked of it: a run, a profile, or its turns beside another."""

    _timed: Timed

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)
        self._job: Job | None = None

    def measure(self, job: Job) -> Run:
        """A whole run; see :mod:`resgen.profiling.profile`."""
        from resgen.profiling.run import run

        self._job = job
        return run(job, lambda share: self._answers.give("progress", share))

    def charge(self, job: Job) -> Breakdown:
        """Operator times of the job's network."""
        from resgen.profiling.explain import charged

        self._job = job
        return charged(Bench(job))

    def open(self, job: Job) -> None:
        """Make ready for :meth:`block`."""
        self._job = job
        self._timed = Bench(job).timed()

    def settle(self, seconds: float) -> None:
        """Run until successive windows agree, for so long at most."""
        window = seconds / WINDOWS
        self._sample(replace(_BLOCK, warm_up=seconds, window=window, seconds=0.0))

    def block(self, seconds: float) -> list[float]:
        """Samples of so many seconds, at least one."""
        return self._sample(replace(_BLOCK, seconds=seconds))

    def _sample(self, limits: Limits) -> list[float]:
        taken = sample(self._timed.call, limits, before=self._timed.flush)
        return list(taken.samples.seconds)

    def explain(self, error: BaseException) -> Failure:
        """The failure in words, without places that only this run knows."""
        job, message = self._job, described(error, self._job)
        if is_out_of_memory(error):
            batch = f"batch {job.batch}" if job is not None else "this batch"
            return Failure(
                f"out of memory at {batch}", "a smaller batch fits", memory=True
            )
        if isinstance(error, ResgenError):
            return Failure(message, error.hint, error.exit_code)
        return Failure(message)
