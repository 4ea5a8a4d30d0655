"""A fresh process to measure in, seen from the one that asks.

It may die (an engine's native code, a system short of memory) without taking the
measurement of the others along, and says so by its signal.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Final

from resgen.profiling.worker import Failure

#: Not `-m`, under which the worker's classes would be those of another module.
_PROGRAM: Final = "from resgen.profiling.worker import main; main()"
#: The last lines of what a process wrote that are shown when it dies.
LAST_LINES: Final = 3
#: Seconds that a process whose answers ended is given to end itself.
PATIENCE: Final = 10.0


class Process:
    """A worker (:mod:`resgen.profiling.worker`); a context manager that ends it.

    ``environment`` is what it has beside this process's own.

    It does not hear the terminal's interrupts: the asking process passes them on, once,
    so that what was measured comes back whole.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # till close()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
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
        """The answer, or a :class:`~resgen.profiling.worker.Failure`.

        An interrupt of this process is passed on: the answer is then what the worker
        has so far, and KeyboardInterrupt is raised with it as its argument.
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
            raise KeyboardInterrupt(self._hear(lambda share: None)) from None

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
            hint = "the system kills a process when memory runs out: a smaller --batch"
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
