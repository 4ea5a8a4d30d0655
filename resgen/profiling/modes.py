"""What one sample of each mode is: a call that runs once and says how long it took.

``compute`` is the device's own time with inputs and outputs resident: on CUDA between
two events, with the launches replayed from a CUDA graph unless asked otherwise.
``latency`` is the host's time for one request in flight. ``end-to-end`` takes the
host's bytes to the host's results. They are never mixed in one figure.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from resgen.errors import ResgenError
from resgen.records.profile import Mode
from resgen.runtime.base import Array, Session

if TYPE_CHECKING:
    from resgen.spec.model import Preprocess

#: Height and width of the picture that `end-to-end` prepares: ImageNet's average.
PICTURE: Final = (375, 500)
#: A cache is flushed by writing this many times its size.
FLUSHED: Final = 2
#: Of a processor's last cache where the system does not say, and of a GPU's.
LAST_CACHE: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Timed:
    """A call that runs once and returns its seconds.

    ``wrap`` is what makes such a call of any work: its own cost is measured with it.
    ``flush`` is what has to run before each call, untimed. ``notes`` say what a figure
    of this mode means here.
    """

    call: Callable[[], float]
    wrap: Callable[[Callable[[], object]], Callable[[], float]]
    flush: Callable[[], object] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Device(Protocol):
    """What a mode needs of a device that works behind the host's back."""

    def wait(self) -> None: ...
    def events(self, work: Callable[[], object]) -> Callable[[], float]: ...
    def graph(self, work: Callable[[], object]) -> Callable[[], object]: ...
    def flush(self) -> Callable[[], object]: ...


def host_timed(work: Callable[[], object]) -> Callable[[], float]:
    """Seconds of the host's clock from before the work to after it."""
    clock = time.perf_counter_ns

    def call() -> float:
        begin = clock()
        work()
        return (clock() - begin) * 1e-9

    return call


def timed(
    session: Session,
    feeds: Mapping[str, Array],
    mode: Mode,
    *,
    device: Device | None = None,
    preprocess: Preprocess | None = None,
    cold: bool = False,
    graph: bool = True,
) -> Timed:
    """The call of a mode. ``device`` is None on a processor.

    ``preprocess`` is the spec's, for ``end-to-end`` on a processor. ``cold`` flushes
    the cache before every run.
    """
    if device is not None:
        return _on_device(session, feeds, mode, device, cold=cold, graph=graph)
    settings: dict[str, Any] = {"clock": "host"}
    notes: tuple[str, ...] = ()
    work = session.repeated(feeds)
    if mode == "end-to-end":
        work, settings["picture"] = _from_picture(session, feeds, preprocess)
    elif mode == "compute":
        notes = ("on a processor compute and latency are one measurement",)
    flush = None
    if cold:
        flush, size = processor_flush()
        settings["cold"] = f"processor caches flushed by writing {size >> 20} MiB"
        notes += (settings["cold"],)
    return Timed(host_timed(work), host_timed, flush, settings, notes)


def _on_device(
    session: Session,
    feeds: Mapping[str, Array],
    mode: Mode,
    device: Device,
    *,
    cold: bool,
    graph: bool,
) -> Timed:
    flush = device.flush() if cold else None
    # The host's clock would count a flush that is still under way.
    flushed = None if flush is None else _awaited(flush, device)
    settings: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    if cold:
        settings["cold"] = "L2 cache flushed before every run"
        notes = (settings["cold"],)
    whole = mode == "end-to-end"  # from the host's arrays to the host's arrays
    queue = session.repeated(feeds) if whole else session.resident(feeds)
    if whole or mode == "latency":
        work = queue if whole else _awaited(queue, device)
        settings["clock"] = "host"
        return Timed(host_timed(work), host_timed, flushed, settings, notes)
    if graph and not session.capturable:
        graph = False
        notes += (f"{session.name} launches every kernel: it takes no CUDA graph",)
    settings |= {"clock": "CUDA events", "cuda_graph": graph}
    if graph:
        try:
            queue = device.graph(queue)
        except Exception as error:  # whatever an engine does that cannot be captured
            settings["cuda_graph"] = False
            why = str(error).partition("\n")[0]
            notes += (f"{session.name} was not captured in a CUDA graph: {why}",)
    return Timed(device.events(queue), device.events, flush, settings, notes)


def _awaited(queue: Callable[[], object], device: Device) -> Callable[[], object]:
    """Queue it, and wait until the device is done."""

    def call() -> object:
        queue()
        device.wait()
        return None

    return call


def _from_picture(
    session: Session, feeds: Mapping[str, Array], preprocess: Preprocess | None
) -> tuple[Callable[[], object], str]:
    """Prepare decoded pictures as the spec says, and run on them."""
    from resgen.pictures.preprocess import prepare
    from resgen.pictures.words import CHANNELS, takes_pictures

    (name, *_) = feeds
    shape = feeds[name].shape[1:]
    if preprocess is None or not takes_pictures(preprocess, shape):
        raise ResgenError(
            "end-to-end begins at a decoded picture, and how one becomes an input of "
            "this network is not known",
            hint="profile a spec or a folder, or choose the mode latency",
        )
    generator, count = np.random.default_rng(0), feeds[name].shape[0]
    size = (*PICTURE, 3) if CHANNELS[preprocess.color] == 3 else PICTURE
    pictures = [generator.integers(0, 256, size, np.uint8) for _ in range(count)]
    dtype = feeds[name].dtype

    def work() -> object:
        batch = np.stack([prepare(p, preprocess, shape) for p in pictures])
        return session.run({name: batch.astype(dtype, copy=False)})

    work()
    return work, f"{PICTURE[1]} x {PICTURE[0]}"


def processor_flush() -> tuple[Callable[[], object], int]:
    """A call that writes over the processor's caches, and how many bytes it writes."""
    size = FLUSHED * (last_cache() or LAST_CACHE)
    memory = np.zeros(size // 8, np.int64)
    return lambda: np.add(memory, 1, out=memory), size


def last_cache(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int | None:
    """Bytes of the processor's last cache, where the system says."""
    texts = (p.read_text("ascii").strip() for p in folder.glob("index*/size"))
    found = (re.fullmatch(r"(\d+)([KMG])", text) for text in texts)
    units = {"K": 10, "M": 20, "G": 30}
    return max((int(m[1]) << units[m[2]] for m in found if m), default=None)
