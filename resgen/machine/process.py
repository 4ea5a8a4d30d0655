"""A fresh process to work in, from both of its sides.

It may die (an engine's native code, a system short of memory) without taking whoever
asks along, and says so by its signal. It is asked over its standard input and answers
on what was its standard output, in pickles; what a library prints goes to standard
error instead. An answer is a pair: ``progress`` with a share, ``done`` with the result,
or ``failed`` with a :class:`Failure`.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread, Timer
from typing import Any, BinaryIO, Final

from resgen.errors import ResgenError

#: The last lines of what a process wrote that are shown when it dies.
LAST_LINES: Final = 3
#: Seconds that a process is given to end itself, or to answer what was interrupted.
PATIENCE: Final = 10.0


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

    def explain(self, error: BaseException) -> Failure:
        """The failure in words."""
        if isinstance(error, ResgenError):
            return Failure(error.message, error.hint, error.exit_code)
        return Failure(f"{type(error).__name__}: {error}")


def program(worker: type[Worker]) -> str:
    """What Python runs for a worker.

    Not `-m`, under which the worker's classes would be those of another module.
    """
    return (
        f"from {worker.__module__} import {worker.__name__}; "
        f"from {__name__} import main; main({worker.__name__})"
    )


class Process:
    """A process in which a worker answers; a context manager that ends it.

    ``environment`` is what it has beside this process's own.

    It does not hear the terminal's interrupts: the asking process passes them on, once,
    so that what was measured comes back whole.
    """

    def __init__(
        self, worker: type[Worker], environment: Mapping[str, str] | None = None
    ) -> None:
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # till close()
        self._process = subprocess.Popen(
            [sys.executable, "-c", program(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(
        self,
        name: str,
        *arguments: Any,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Any:
        """The answer, or a :class:`Failure`.

        An interrupt of this process is passed on: the answer is then what the worker
        has so far, and KeyboardInterrupt is raised with it as its argument. A worker
        whose native code does not hear of it is ended after :data:`PATIENCE`.
        """
        self.tell(name, *arguments)
        return self.hear(progress)

    def tell(self, name: str, *arguments: Any) -> None:
        """Ask without waiting; :meth:`hear` gets the answer."""
        with suppress(OSError):  # a dead process is noticed when it is heard
            pickle.dump((name, arguments), self._stdin)
            self._stdin.flush()

    def hear(self, progress: Callable[[float], None] = lambda share: None) -> Any:
        """The answer to what was told."""
        try:
            return self._hear(progress)
        except KeyboardInterrupt:
            with suppress(OSError):
                self._process.send_signal(signal.SIGINT)
            deaf = Timer(PATIENCE, self._process.kill)
            deaf.start()
            try:
                raise KeyboardInterrupt(self._hear(lambda share: None)) from None
            finally:
                deaf.cancel()

    def _hear(self, progress: Callable[[float], None]) -> Any:
        while True:
            try:
                kind, value = pickle.load(self._stdout)
            except (EOFError, pickle.UnpicklingError, OSError):
                return self._death()
            if kind != "progress":
                return value
            progress(value)

    def _death(self) -> Failure:
        """How the process ended, and the last that it wrote."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # it lives, but nobody understands it
            self._process.kill()
            self._process.wait()
            return Failure("the process gave an answer that cannot be read")
        self._errors.seek(0)
        written = self._errors.read().decode(errors="replace").split("\n")
        last = [line.strip() for line in written if line.strip()][-LAST_LINES:]
        said = f": {' / '.join(last)}" if last else ""
        if code >= 0:
            return Failure(f"the process ended with exit code {code}{said}")
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = None
        if name == "SIGKILL":
            hint = "the system kills a process when memory runs out: a smaller batch"
        return Failure(f"the process died by {name}{said}", hint)

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout

    def close(self) -> None:
        """End it, whatever it does."""
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._errors.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- in the process -------------------------------------------------------------------


def serve(worker: Worker, questions: BinaryIO, answers: Answers) -> None:
    """Answer until nobody asks."""
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
        except Exception as error:  # whatever it raises fails this question alone
            answer = "failed", worker.explain(error)
        answers.give(*answer)


def _end_with_parent() -> None:
    """Wait until the asking process is gone, however it ended, and go with it."""
    if hasattr(select, "poll"):
        other_end = select.poll()
        other_end.register(sys.stdin.fileno(), 0)  # a hang-up is always told
        other_end.poll()
        os._exit(1)


def main(worker: type[Worker]) -> None:
    """Take standard output for the answers, and serve."""
    # A shell that starts programs in the background has them ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    Thread(target=_end_with_parent, daemon=True).start()
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answers = Answers(pipe)
    serve(worker(answers), sys.stdin.buffer, answers)
    pipe.flush()
    os._exit(0)  # engines take long to free what the system frees at once
