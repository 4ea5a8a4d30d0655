"""What is asked of a process that measures: one network opened by one engine."""

from __future__ import annotations

from resgen.errors import ResgenError, is_out_of_memory
from resgen.machine import process
from resgen.machine.process import Answers, Failure
from resgen.profiling.bench import Bench, Job, described
from resgen.profiling.comparison.compete import Arm
from resgen.records.latency import Breakdown, Run


class Worker(process.Worker):
    """What can be asked of it."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)
        self._job: Job | None = None
        self._arm: Arm | None = None

    def measure(self, job: Job) -> Run:
        """A whole run; see :mod:`resgen.profiling.measure`."""
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
        self._arm = Arm(Bench(job))

    def settle(self, seconds: float) -> None:
        """Run until successive windows agree, for so long at most."""
        self._opened().settle(seconds)

    def block(self, seconds: float) -> list[float]:
        """Samples of so many seconds."""
        return self._opened().block(seconds)

    def _opened(self) -> Arm:
        if self._arm is None:
            raise RuntimeError("a block was asked for before anything was opened")
        return self._arm

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
