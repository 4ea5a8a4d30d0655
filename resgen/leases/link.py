"""One connection to a host: ``ssh`` with a pipe to what runs there."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, BinaryIO, Final

from resgen.errors import MissingComponent, MissingDevice, ResgenError
from resgen.leases.address import Address
from resgen.leases.host import MARK
from resgen.words.progress import SILENT, Progress

_PROGRAM: Final = Path(__file__).with_name("host.py")
#: What the host's shell reads: a program that takes its text from the pipe.
_BEGIN: Final = (
    "import sys; exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"
)
#: Nobody is there to be asked, and a connection that is dead is noticed.
_OPTIONS: Final = (
    "-T", "-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
)  # fmt: skip
#: What ssh itself ends with; any other code is of the program on the host.
_SSH: Final = 255
#: What a shell ends with where a program is not there, or cannot be run.
_NO_PROGRAM: Final = (126, 127)
#: Seconds between two signs of life.
BEAT: Final = 5.0
#: Seconds that ssh is given to end.
PATIENCE: Final = 5.0
#: The oldest Python that runs resgen.
OLDEST: Final = (3, 10)


class ConnectionLost(ResgenError):
    """The host can no longer be heard."""


class Link:
    """A program on a host that answers; :meth:`close` ends both.

    Raises ResgenError where the host cannot be reached or has no Python for it.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        program = shutil.which("ssh")
        if program is None:
            install = "sudo apt install openssh-client"
            raise MissingComponent("ssh", f"{address} cannot be reached", install)
        options = [*_OPTIONS]
        if address.port is not None:
            options += ["-p", str(address.port)]
        if address.user is not None:
            options += ["-l", address.user]
        remote = f"exec {shlex.quote(address.python)} -c {shlex.quote(_BEGIN)}"
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # till close()
        self._turn = Lock()
        self._over = Event()
        self._process = subprocess.Popen(
            [program, *options, "--", address.host, remote],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # an interrupt is passed on, once
        )
        text = _PROGRAM.read_bytes() + b"\nmain()\n"
        try:
            self._write(b"%d\n" % len(text), text)
            self._greeted()
        except BaseException:
            self.close()
            raise
        Thread(target=self._live, daemon=True).start()

    def ask(
        self, said: Mapping[str, Any], body: bytes = b"", progress: Progress = SILENT
    ) -> dict[str, Any]:
        """The answer to one question: its ``kind`` and what belongs to that.

        An interrupt is passed on, and the answer is then what there is so far.
        """
        self.tell(said, body)
        try:
            return self._hear(progress)
        except KeyboardInterrupt:
            self.tell({"kind": "interrupt"})
            found = self._hear(SILENT)
            part = found["value"] if found["kind"] in ("done", "interrupted") else None
            return {"kind": "interrupted", "value": part}

    def tell(self, said: Mapping[str, Any], body: bytes = b"") -> None:
        """Say something without waiting for an answer."""
        line = json.dumps({**said, "size": len(body)}).encode() + b"\n"
        self._write(line, body)

    def put(self, path: Path | bytes, sha256: str, size: int) -> dict[str, Any]:
        """Send a file or its content."""
        line = json.dumps({"kind": "put", "sha256": sha256, "size": size}).encode()
        with self._sending():
            self._stdin.write(line + b"\n")
            if isinstance(path, bytes):
                self._stdin.write(path)
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, self._stdin, 1 << 20)
            self._stdin.flush()
        return self._hear(SILENT)

    def close(self) -> None:
        """End the connection, and with it what runs there."""
        self._over.set()
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._errors.close()

    # --- parts ------------------------------------------------------------------------

    def _hear(self, progress: Progress) -> dict[str, Any]:
        while True:
            line = self._stdout.readline()
            if not line.endswith(b"\n"):
                raise self._ended()
            if not line.startswith(MARK):
                continue  # a shell's greeting
            try:
                found: dict[str, Any] = json.loads(line[len(MARK) :])
                match found["kind"]:
                    case "say":
                        progress.say(str(found["label"]), str(found["text"]))
                    case "advance":
                        done, total = int(found["done"]), int(found["total"])
                        progress.advance(str(found["step"]), done, total)
                    case _:
                        return found
            except (ValueError, TypeError, LookupError):
                raise ResgenError(
                    f"{self._address} gave an answer that cannot be read"
                ) from None

    def _greeted(self) -> None:
        """Wait for the program there to say hello."""
        try:
            hello = self._hear(SILENT)
        except ConnectionLost as lost:
            raise ResgenError(*_refused(self._address, self._said())) from lost
        version = tuple(hello.get("python", ()))
        if version < OLDEST:
            told = ".".join(map(str, version))
            raise self._without(f"its {self._address.python} is Python {told}")

    def _ended(self) -> ResgenError:
        """Why there is no answer."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = _SSH
        said = self._said()
        if code == _SSH or code < 0:
            return ConnectionLost(f"the connection to {self._address} was lost")
        if code in _NO_PROGRAM:
            return self._without(f"it has no {self._address.python}")
        why = f": {said[-1]}" if said else ""
        return ResgenError(
            f"what runs on {self._address} ended with exit code {code}{why}"
        )

    def _without(self, why: str) -> ResgenError:
        """The host lacks a Python that will do."""
        return MissingDevice(
            f"{self._address} cannot run resgen: {why}, and 3.10 is the oldest that "
            "does",
            hint="sudo apt install python3      on the host\n"
            f"or name another one, as in ssh://{self._address}/opt/venv/bin/python",
        )

    def _said(self) -> list[str]:
        """Lines that ssh, or what it ran, wrote."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _write(self, *pieces: bytes) -> None:
        with self._sending():
            for piece in pieces:
                self._stdin.write(piece)
            self._stdin.flush()

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """One at a time; that nobody takes it is noticed where the answer is heard."""
        with self._turn, suppress(BrokenPipeError, ConnectionResetError):
            yield

    def _live(self) -> None:
        """Say now and then that this side is there; a thread of its own."""
        with suppress(OSError, ValueError):
            while not self._over.wait(BEAT):
                self.tell({"kind": "beat"})

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout


def _refused(address: Address, said: list[str]) -> tuple[str]:
    """Why ssh did not come as far as the host, in a sentence."""
    text = "\n".join(said)
    if "IDENTIFICATION HAS CHANGED" in text:
        return (
            f"{address} shows another key than the one that is known of it, so it may "
            "be another machine",
        )
    if "Host key verification failed" in text:
        return (
            f"the key of {address} is not known here: `ssh {address}` shows it and "
            "asks",
        )
    if "Permission denied" in text:
        return (
            f"{address} takes none of your keys; `ssh-copy-id {address}` gives it one",
        )
    why = said[-1] if said else "ssh says nothing"
    return (f"{address} cannot be reached: {why}",)
