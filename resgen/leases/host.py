"""What a host runs for a lease, before it has anything of resgen.

Its text is sent to a Python that knows the standard library alone. It keeps files by
their SHA-256, holds the lock, and hands questions on to :mod:`resgen.leases.serve`
once the package is there. It ends with the connection: at once when that is closed, and
when nothing was heard for a while, for a host is not told of a cable that was pulled.

What comes in is a line of JSON, and as many bytes after it as the line says; what goes
out are lines that begin with a mark, since shells greet whoever logs in.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

MARK: Final = b"resgen-lease "
#: Seconds without a word from the other side after which it is gone.
SILENCE: Final = 30.0
#: Seconds after which a file that no lease has asked for is removed.
KEPT: Final = 30 * 24 * 3600.0
#: Where all users of a machine find the locks of its devices.
LOCKS: Final = Path(tempfile.gettempdir())
_CHUNK: Final = 1 << 20


class Host:
    """The host's side of a lease: its files, its lock and the way back."""

    def __init__(self, asked: BinaryIO, answers: BinaryIO) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        self.store = Path(base).expanduser() / "resgen" / "leases"
        self.heard = time.monotonic()
        self.questions: queue.Queue[Any] = queue.Queue()
        self._asked = asked
        self._answers = answers
        self._turn = threading.Lock()
        self._busy = False
        self._lock: int | None = None

    def give(self, kind: str, **told: Any) -> None:
        """One line of an answer."""
        line = MARK + json.dumps({"kind": kind, **told}).encode() + b"\n"
        with self._turn:
            try:
                self._answers.write(line)
                self._answers.flush()
            except OSError:
                os._exit(1)

    def file(self, sha256: str) -> Path:
        """Where a file of this content is kept."""
        return self.store / sha256

    # --- what is heard, whatever is under way -----------------------------------------

    def listen(self) -> None:
        """Take what comes in until it ends; a thread of its own."""
        while True:
            line = self._asked.readline()
            self.heard = time.monotonic()
            if not line and self._busy:
                os._exit(1)
            if not line:
                self.questions.put(None)
                return
            said = json.loads(line)
            kind = said["kind"]
            if kind == "interrupt":
                if self._busy:
                    os.kill(os.getpid(), signal.SIGINT)
            elif kind == "put":
                self._put(said)
            elif kind != "beat":
                self._busy = True
                self.questions.put((said, self._read(said.get("size", 0))))

    def watch(self) -> None:
        """End where nothing was heard for too long; a thread of its own."""
        while time.monotonic() - self.heard < SILENCE:
            time.sleep(1.0)
        os._exit(1)

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            found = self._asked.read(min(size, _CHUNK))
            if not found:
                os._exit(1)
            self.heard = time.monotonic()
            pieces.append(found)
            size -= len(found)
        return b"".join(pieces)

    def _put(self, said: dict[str, Any]) -> None:
        """Keep a file, once it is known to be what it is called."""
        left, digest, why = said["size"], hashlib.sha256(), None
        number, aside = -1, ""
        try:
            number, aside = tempfile.mkstemp(prefix=".part-", dir=self.store)
        except OSError as error:
            why = error.strerror
        while left:
            piece = self._read(min(left, _CHUNK))
            left -= len(piece)
            digest.update(piece)
            try:
                if why is None:
                    os.write(number, piece)
            except OSError as error:
                why = error.strerror
        if number >= 0:
            os.close(number)
        if why is None and digest.hexdigest() != said["sha256"]:
            why = "it arrived as another"
        if why is None:
            Path(aside).replace(self.file(said["sha256"]))
            self.give("done", value=None)
            return
        with suppress(OSError):
            Path(aside).unlink()
        self.give("raised", message=f"a file cannot be kept: {why}", exit_code=1)

    # --- what is asked ----------------------------------------------------------------

    def serve(self) -> None:
        """Answer until nobody asks."""
        while True:
            try:
                question = self.questions.get()
                if question is None:
                    return
                said, body = question
                getattr(self, "on_" + said["kind"])(said, body)
            except KeyboardInterrupt:
                self.give("raised", message="interrupted", exit_code=130)
            self._busy = False

    def on_have(self, said: dict[str, Any], body: bytes) -> None:
        """Which of these files are not here; those that are stay for longer."""
        self.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        missing = []
        for sha256, size in said["files"].items():
            file = self.file(sha256)
            if file.is_file() and file.stat().st_size == size:
                os.utime(file)
            else:
                missing.append(sha256)
        self.give("done", value=missing)

    def on_lock(self, said: dict[str, Any], body: bytes) -> None:
        """Hold the device, or say who does."""
        import fcntl  # the other side imports this file too, and may be Windows

        number = lock_of(said["device"])
        until = time.monotonic() + said["patience"]
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    holder = holder_of(number)
                    os.close(number)
                    self.give("done", value=holder)
                    return
                time.sleep(0.2)
        sign(number)
        self._lock = number
        self._clean()
        self.give("done", value=None)

    def on_package(self, said: dict[str, Any], body: bytes) -> None:
        """Unpack resgen where it is not yet, and say what of its needs is not there."""
        home = self.store / f"resgen-{said['sha256']}"
        if not home.is_dir():
            with tempfile.TemporaryDirectory(prefix=".part-", dir=self.store) as aside:
                made = Path(aside, "made")
                with zipfile.ZipFile(self.file(said["sha256"])) as packed:
                    packed.extractall(made)
                with suppress(OSError):  # another lease was faster
                    made.rename(home)
        os.utime(home)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{home}:{before}" if before else str(home)
        sys.path.insert(0, str(home))
        lacking = (name for name in said["needs"] if find_spec(name) is None)
        self.give("done", value=next(lacking, None))

    def on_ask(self, said: dict[str, Any], body: bytes) -> None:
        """A function's answer."""
        from resgen.leases.serve import answer

        answer(self.give, self.store, said, body)

    def _clean(self) -> None:
        """Remove what nobody has asked for in a long time."""
        with suppress(OSError):
            for entry in self.store.iterdir():
                if time.time() - entry.stat().st_mtime < KEPT:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink()


def lock_of(device: str) -> int:
    """The opened file of a device's lock, which any user of the machine may hold.

    Where none can be made there it is the folder itself, of which everybody has one.
    """
    name = re.sub(r"\W", "-", device)
    path = LOCKS / f"resgen-lease-{name}.lock"
    plain = getattr(os, "O_NOFOLLOW", 0)  # which Windows lacks
    while True:
        with suppress(FileNotFoundError):
            try:
                return os.open(path, os.O_RDWR | plain)
            except PermissionError:
                return os.open(path, os.O_RDONLY | plain)
        try:
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            return os.open(LOCKS, os.O_RDONLY)
        path.chmod(0o666)
        return made


def holder_of(number: int) -> str:
    """Who holds a lock, as the holder has signed it."""
    said = b""
    with suppress(OSError):  # a folder says nothing
        os.lseek(number, 0, os.SEEK_SET)
        said = os.read(number, 200)
    return said.decode(errors="replace").strip() or "somebody else"


def sign(number: int) -> None:
    """Say in the file of a lock who holds it."""
    since = time.strftime("%Y-%m-%d %H:%M %Z")
    with suppress(OSError):  # another's file that may only be read
        os.ftruncate(number, 0)
        os.lseek(number, 0, os.SEEK_SET)
        holder = f"{getpass.getuser()} (process {os.getpid()}) since {since}\n"
        os.write(number, holder.encode())


def main() -> None:
    """Take standard output for the answers, say hello and serve."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    host = Host(sys.stdin.buffer, answers)
    host.give("hello", python=list(sys.version_info[:3]), silence=SILENCE)
    for each in (host.listen, host.watch):
        threading.Thread(target=each, daemon=True).start()
    host.serve()
    os._exit(0)  # engines take long to free what the system frees at once
