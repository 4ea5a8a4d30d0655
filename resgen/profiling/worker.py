"""The process that measures: it opens one network with one engine, and ends with it.

It is asked over its standard input and answers on what was its standard output, in
pickles; what an engine prints goes to standard error instead. An answer is a pair:
``progress`` with a share, ``done`` with the result, or ``failed`` with a
:class:`Failure`.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from resgen.errors import ResgenError, is_out_of_memory
from resgen.profiling.bench import Bench, Job, described
from resgen.profiling.comparison.compete import Arm
from resgen.records.latency import Breakdown, Run


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a process has no answer, as a ResgenError would say it."""

    message: str
    hint: str | None = None
    exit_code: int = 1
    memory: bool = False

    def error(self) -> ResgenError:
        """The exception that it was, or would have been."""
        found = ResgenError(self.message, hint=self.hint)
        found.exit_code = self.exit_code
        return found


class Answers:
    """The pipe back to the process that asks."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def give(self, kind: str, value: Any) -> None:
        """One answer, at once and whole."""
        pickle.dump((kind, value), self._pipe)
        self._pipe.flush()


class Worker:
    """What can be asked: the names of its methods, with their arguments."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
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

    def build(self, model: Path, out: Path, options: Mapping[str, Any]) -> Path:
        """An engine of an ONNX file, as :func:`export_engine` makes it."""
        from resgen.tensorrt.export import export_engine

        return export_engine(model, out, **options).engine

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
                f"out of memory at {batch}", "a smaller --batch fits", memory=True
            )
        if isinstance(error, ResgenError):
            return Failure(message, error.hint, error.exit_code)
        return Failure(message)


def serve(questions: BinaryIO, answers: Answers) -> None:
    """Answer until nobody asks."""
    worker = Worker(answers)
    while True:
        try:
            name, arguments = pickle.load(questions)
        except EOFError:
            return
        except KeyboardInterrupt:
            continue  # nothing was under way
        method: Callable[..., Any] = getattr(worker, name)
        try:
            answer: tuple[str, Any] = "done", method(*arguments)
        except KeyboardInterrupt:
            answer = "failed", Failure("interrupted", exit_code=130)
        except Exception as error:  # whatever an engine raises is one row's failure
            answer = "failed", worker.explain(error)
        answers.give(*answer)


def _end_with_parent() -> None:
    """Wait until the asking process is gone, however it ended, and go with it."""
    if hasattr(select, "poll"):
        other_end = select.poll()
        other_end.register(sys.stdin.fileno(), 0)  # a hang-up is always told
        other_end.poll()
        os._exit(1)


def main() -> None:
    """Take standard output for the answers, and serve."""
    # A shell that starts programs in the background has them ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_end_with_parent, daemon=True).start()
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, Answers(pipe))
    pipe.flush()
    os._exit(0)  # engines take long to free what the system frees at once
