"""A device of another machine, held until the block ends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_type_hints

from resgen.document.decoding import Misfit, decode
from resgen.errors import MissingDevice, ResgenError, UsageError
from resgen.files.cache import cache_folder
from resgen.files.lock import held
from resgen.files.ordinary import reason
from resgen.files.whole import write_text
from resgen.leases import host as hosts
from resgen.leases.address import Address
from resgen.leases.link import ConnectionLost, Link
from resgen.leases.packed import Packed, package
from resgen.machine.place import HERE, Given, Place
from resgen.machine.process import Failure
from resgen.machine.steadiness import glance
from resgen.words.numbers import count
from resgen.words.progress import SILENT, Progress

Answer = TypeVar("Answer")
#: Seconds to wait before a connection that was lost is tried again.
PAUSES: Final = (0.5, 5.0, 15.0)
#: How often a question is asked again whose connection was lost.
CUTS: Final = 3
#: What the program of a connection that was lost takes to notice, and to end.
_AFTER: Final = hosts.SILENCE + 10.0
#: What resgen depends on, and so does every question on the host.
NEEDS: Final = (
    "click", "ml_dtypes", "networkx", "numpy", "onnx", "rfc8785", "safetensors",
)  # fmt: skip
#: Seconds for which answers of a lease that was lost are good.
KEPT: Final = 24 * 3600.0


@contextmanager
def leased(
    address: Address | None, device: str = "cpu", progress: Progress = SILENT
) -> Iterator[Place]:
    """A place where a device is ours alone; without an address it is this machine.

    There, what others time on it is waited for, however long that takes: two at once
    would time each other.

    ``device`` is ``cpu`` or ``cuda:N``. Raises ResgenError where the host cannot be
    reached, lacks something (exit code 3), or has the device leased to another. A
    connection that is lost is made again; where that fails, what was timed is kept for
    a day, and the same questions are then answered by it.
    """
    if address is None:
        with _alone(device, progress):
            yield HERE
        return
    lease = _Lease(address, device, progress)
    try:
        lease.begin()
        yield lease
    except ConnectionLost:
        raise
    except BaseException:
        lease.forget()
        raise
    else:
        lease.forget()
    finally:
        lease.close()


#: Devices of this machine that this process holds.
_OURS: Final[set[str]] = set()


@contextmanager
def _alone(device: str, progress: Progress) -> Iterator[None]:
    """Hold a device of this machine, by the lock that leases of it take.

    What holds it already goes on.
    """
    if device in _OURS:
        yield
        return

    def waiting(waited: float) -> None:
        holder = " ".join(hosts.holder_of(number).split())
        told = f"{device} is held by {holder}: waiting until it is free"
        told += f", for {count(round(waited / 60), 'minute')} so far" if waited else ""
        progress.say("lease", told)

    with ExitStack() as stack:
        try:
            number = hosts.lock_of(device)
        except OSError as error:
            told = f"{device} is not held, others may time on it: {reason(error)}"
            progress.say("lease", told)
        else:
            stack.enter_context(held(number, waiting))
            hosts.sign(number)
        _OURS.add(device)
        stack.callback(_OURS.discard, device)
        yield


class _Lease(Place):
    """The place of :func:`leased`."""

    def __init__(self, address: Address, device: str, progress: Progress) -> None:
        self.name = f"{address}:{address.port or ''}"
        self._address = address
        self._device = device
        self._progress = progress
        self._link: Link | None = None
        self._kept = _Kept(address)

    def begin(self) -> None:
        """Connect, and say what is unsteady before anything is timed."""
        self._link = self._connected(0.0)
        about = f"{self._device} of {self._address} is leased"
        self._progress.say("lease", about)
        for note in self.ask(glance, self._device):
            self._progress.say("lease", f"before anything is timed there, {note}")

    def close(self) -> None:
        """Give the device back."""
        if self._link is not None:
            self._link.close()

    def forget(self) -> None:
        """What was kept of this lease is of no more use."""
        self._kept.forget()

    def ask(
        self,
        function: Callable[Given, Answer],
        /,
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Answer:
        """As of any place, over the connection; it is made again where it is lost."""
        found: Answer = self._answered(_Question(function, args, kwargs))
        return found

    def time(
        self,
        function: Callable[Given, Answer],
        /,
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Answer:
        """The same; what a lease that was lost had of it is taken."""
        question = _Question(function, args, kwargs)
        known = self._kept.read(question)
        found: Answer
        if known is None:
            found = self._answered(question, self._kept)
        else:
            told = "taken as it was timed before the connection was lost"
            self._progress.say("lease", told)
            found = self._read(question, known)
        return found

    # --- parts ------------------------------------------------------------------------

    def _answered(
        self, question: _Question, kept: _Kept | None = None, cuts: int = 0
    ) -> Any:
        try:
            return self._asked(question, kept)
        except ConnectionLost as lost:
            if cuts == CUTS:  # ssh ends alike where the system kills what it runs
                raise ConnectionLost(
                    f"{lost.message} {CUTS + 1} times over the same question",
                    hint="a host that is short of memory ends what is asked of it",
                ) from None
            self._progress.say("lease", f"{lost.message}; it is made again")
            self._again(lost)
        return self._answered(question, kept, cuts + 1)

    def _asked(self, question: _Question, kept: _Kept | None) -> Any:
        link = self._connection
        self._push(link, question.packed.paths)
        found = link.ask(question.head, question.body, question.progress)
        answer = self._read(question, found)
        if kept is not None and found["kind"] == "done":
            kept.write(question, found)
        return answer

    def _read(self, question: _Question, found: Mapping[str, Any]) -> Any:
        """What an answer says, by the types of what was asked."""
        try:
            match found["kind"]:
                case "failed":
                    failure: Failure = decode(Failure, found["value"])
                    return failure
                case "raised":
                    raise self._error(found)
                case "interrupted":
                    value = found["value"]
                    part = () if value is None else (question.decoded(value),)
                    raise KeyboardInterrupt(*part)
                case _:
                    return question.decoded(found["value"])
        except (Misfit, LookupError, TypeError):
            raise ResgenError(
                f"{self._address} gave an answer that cannot be read"
            ) from None

    def _error(self, found: Mapping[str, Any]) -> ResgenError:
        """The error of the host, which says where it was."""
        told = {k: v for k, v in found.items() if k != "kind"}
        failure: Failure = decode(Failure, told)
        message, hint = f"on {self._address}: {failure.message}", failure.hint
        match failure.exit_code:
            case 2:
                return UsageError(failure.message, hint=hint)
            case 3:
                # Further lines tell of this machine; what is no sentence is a command.
                first = hint.splitlines()[0] if hint else None
                install = first if not first or "`" in first else _there(first)
                return MissingDevice(message, hint=install)
            case _:
                return ResgenError(message, hint=hint)

    @property
    def _connection(self) -> Link:
        if self._link is None:
            raise ConnectionLost(f"the connection to {self._address} was lost")
        return self._link

    def _again(self, lost: ConnectionLost) -> None:
        """Connect anew, with some patience."""
        self.close()
        self._link = None
        for pause in PAUSES:
            time.sleep(pause)
            try:
                self._link = self._connected(_AFTER)
            except ResgenError as error:
                why = error.message
                continue
            return
        raise ConnectionLost(
            f"{lost.message} and could not be made again: {why}",
            hint="what was timed is kept for a day: the same command goes on with it",
        ) from None

    def _connected(self, patience: float) -> Link:
        """A connection that holds the device, with resgen on its other side."""
        link = Link(self._address)
        try:
            content = package()
            self._push(link, {content[0]: content[1]})
            question = {"kind": "lock", "device": self._device, "patience": patience}
            holder = self._value(link.ask(question))
            if holder is not None:
                raise ResgenError(
                    f"{self._device} of {self._address} is leased by "
                    f"{' '.join(str(holder).split())}",
                    hint="two at once would time each other: wait until it is given "
                    "back",
                )
            question = {"kind": "package", "sha256": content[0], "needs": NEEDS}
            missing = self._value(link.ask(question))
            if missing is not None:
                self._lacks(str(missing))
        except BaseException:
            link.close()
            raise
        return link

    def _lacks(self, module: str) -> None:
        """Refuse a Python without what resgen needs."""
        python = self._address.python
        raise MissingDevice(
            f"{python} of {self._address} has no {module}, which resgen needs there",
            hint=_there(f'{python} -m pip install "resgen[onnxruntime,profile]"'),
        )

    def _push(self, link: Link, files: Mapping[str, Path | bytes]) -> None:
        """Send the files that the host does not have."""
        if not files:
            return
        sizes = {
            sha: len(each) if isinstance(each, bytes) else each.stat().st_size
            for sha, each in files.items()
        }
        missing = self._value(link.ask({"kind": "have", "files": sizes}))
        for sha in missing:
            self._value(link.put(files[sha], sha, sizes[sha]))
        if missing:
            sent = sum(sizes[sha] for sha in missing) / 1e6
            told = f"{count(len(missing), 'file')} sent, {sent:.1f} MB"
            self._progress.say("lease", told)

    def _value(self, found: Mapping[str, Any]) -> Any:
        if found["kind"] != "done":
            raise self._error(found)
        return found["value"]


def _there(command: str) -> str:
    """A command that is to be run on the host."""
    return f"{command}      on the host"


class _Question:
    """A function that is asked of a host, with its arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        given = dict(kwargs)
        progress = given.pop("progress", None)
        self.progress: Progress = progress or SILENT
        self.packed = Packed()
        self.body = self.packed.pack((args, given))
        self.head = {
            "kind": "ask",
            "module": function.__module__,
            "name": function.__qualname__,
            "files": self.packed.bundles,
            "told": progress is not None,
        }
        self._function: Any = function

    @property
    def sha256(self) -> str:
        """What the answer depends on: the function, the arguments and the files."""
        head = json.dumps(self.head, sort_keys=True).encode()
        return sha256(head + b"\n" + self.body).hexdigest()

    def decoded(self, value: Any) -> Any:
        """A value as what the function returns where it does not fail."""
        said = {"__annotations__": {"return": self._function.__annotations__["return"]}}
        names = self._function.__globals__
        kind = get_type_hints(type("Said", (), said), names)["return"]
        kinds = [each for each in get_args(kind) if each is not Failure]
        if Failure in get_args(kind):
            (kind,) = kinds
        return None if kind is type(None) else decode(kind, value)


class _Kept:
    """Answers of a host that are on disk until the lease has ended well."""

    def __init__(self, address: Address) -> None:
        name = sha256(f"{address.url} {package()[0]}".encode()).hexdigest()[:16]
        self._folder = cache_folder() / "answers" / name
        self._asked: set[Path] = set()

    def read(self, question: _Question) -> Mapping[str, Any] | None:
        """The answer that is known of a question."""
        path = self._path(question)
        try:
            if _good(path):
                found: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
                return found
        except (OSError, ValueError):
            pass
        return None

    def write(self, question: _Question, found: Mapping[str, Any]) -> None:
        """Keep an answer."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(self._path(question), json.dumps(found))

    def forget(self) -> None:
        """Remove what was asked for."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path in self._asked or not _good(path):
                    path.unlink()
            self._folder.rmdir()

    def _path(self, question: _Question) -> Path:
        path = self._folder / f"{question.sha256}.json"
        self._asked.add(path)
        return path


def _good(path: Path) -> bool:
    """Whether an answer is young enough."""
    return time.time() - path.stat().st_mtime < KEPT
