"""One network opened by one engine in this process, ready to be timed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resgen.artifact.prepared import Prepared
from resgen.errors import ResgenError
from resgen.profiling.feeds import feeds_of
from resgen.profiling.modes import Device, Timed, timed
from resgen.profiling.sampling import Limits
from resgen.records.profile import Mode
from resgen.runtime.base import Array, Session
from resgen.runtime.engines import Opening, find


@dataclass(frozen=True)
class Job:
    """What a process is to measure.

    ``shapes`` are sizes of inputs without the batch, for axes that a file leaves open.
    ``lanes`` requests are in flight in the mode ``throughput``. ``graph`` replays
    launches from a CUDA graph. ``breakdown`` asks the engine's own profiler, too.
    """

    prepared: Prepared
    runtime: str
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    mode: Mode = "latency"
    limits: Limits = field(default_factory=Limits)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    lanes: int = 2
    cold: bool = False
    graph: bool = True
    breakdown: bool = True

    @property
    def lean(self) -> Job:
        """The same without large files that its engine never reads."""
        return replace(self, prepared=self.prepared.only(find(self.runtime).takes))


class Bench:
    """The job's sessions, opened and run once, with how long either took.

    There is one session, or one a lane where the engine's cannot be shared.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.engine = find(job.runtime)
        self.device = _device(job.device)
        self._free = self.device.free() if self.device is not None else 0
        begin = time.perf_counter()
        self.sessions = [self._open()]
        self.load_seconds = time.perf_counter() - begin
        self.session = self.sessions[0]
        self.feeds: dict[str, Array] = feeds_of(self.session, job.batch, job.shapes)
        begin = time.perf_counter()
        self.session.run(self.feeds)
        self.first_seconds = time.perf_counter() - begin
        if job.mode == "throughput" and not self.session.concurrent:
            self.sessions += [self._open_lane() for _ in range(job.lanes - 1)]

    def _open(self) -> Session:
        prepared, takes = self.job.prepared, self.engine.takes
        file = prepared.file(takes)
        if file is None:
            raise ResgenError(_nothing(self.engine.title, takes, prepared))
        opening = Opening(
            file=file,
            network=prepared.module,
            device=self.job.device,
            threads=self.job.threads,
        )
        return self.engine.open(opening)

    def _open_lane(self) -> Session:
        """A session more, whose work on a device need not wait for the others'."""
        if self.device is not None:
            self.device.own_stream()
        return self._open()

    def timed(self) -> Timed:
        """The call that one sample is, in the job's mode (not ``throughput``)."""
        job, prepared = self.job, self.job.prepared
        return timed(
            self.session,
            self.feeds,
            job.mode,
            device=self.device,
            preprocess=prepared.graphs.preprocess if prepared.network else None,
            cold=job.cold,
            graph=job.graph,
        )

    def lanes(self) -> list[Any]:
        """One call for each request in flight."""
        if len(self.sessions) > 1 or self.device is None:
            shared = self.job.lanes if len(self.sessions) == 1 else 1
            return [s.repeated(self.feeds) for s in self.sessions * shared]
        work = self.session.repeated(self.feeds)
        return [self.device.lane(work) for _ in range(self.job.lanes)]

    def peak_memory(self) -> int | None:
        """Bytes: of this process, or of the GPU what is taken since before."""
        if self.device is not None:
            taken: int = self._free - self.device.free()
            return max(0, taken)
        return peak_memory()

    def close(self) -> None:
        """Give back what the sessions hold."""
        for session in self.sessions:
            session.close()


def peak_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """The most bytes that this process has held at once.

    Read from Linux, whose ``getrusage`` would count the parent process as well, whose
    memory a child shares before it starts its own program.
    """
    try:
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def described(error: BaseException, job: Job | None) -> str:
    """What an error says, on one line and without places that only this run knows."""
    message = (
        error.message
        if isinstance(error, ResgenError)
        else f"{type(error).__name__}: {error}"
    )
    if job is not None:
        prepared = job.prepared
        for path in (prepared.model, prepared.engine, prepared.origin):
            if path is not None:
                message = message.replace(str(path), prepared.subject.name)
    return " ".join(message.split())


def _device(name: str) -> Any:
    if name == "cpu":
        return None
    from resgen.profiling.cuda import CudaDevice

    found: Device = CudaDevice(name)
    return found


def _nothing(title: str, takes: str, prepared: Prepared) -> str:
    """Why there is nothing that an engine could open."""
    name = prepared.subject.name
    if takes == "engine":
        return (
            f"{name} has no TensorRT engine here; `resgen export --to tensorrt` makes "
            "a folder with one"
        )
    if takes not in ("onnx", "module"):
        return (
            f"{name} has nothing for {title} here; `resgen export --to {takes}` makes "
            "a folder that it runs"
        )
    if prepared.engine is not None and prepared.model is None:
        return f"{title} does not run TensorRT's engine {name}"
    return f"{title} runs networks of a spec, and {name} is a file"
