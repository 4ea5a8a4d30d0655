"""CUDA as a mode sees it: PyTorch's streams, events and graphs around any engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from resgen.errors import MissingDevice
from resgen.runtime.torch import load_torch

#: Runs before a graph is captured: engines allocate and choose kernels in the first.
BEFORE_CAPTURE: Final = 3
#: Bytes that are written to flush the L2 cache, as triton.testing.do_bench does.
FLUSH_BYTES: Final = 256 << 20


class CudaDevice:
    """One GPU; everything is queued on its current stream.

    Durations come from CUDA events, which the device itself stamps: 0.5 us resolution.
    """

    def __init__(self, device: str, torch: Any = None) -> None:
        self._torch = torch or load_torch("CUDA has no events and streams here")
        cuda = self._torch.cuda
        if not cuda.is_available():
            raise MissingDevice(
                f"PyTorch sees no GPU, so nothing can be timed on {device}",
                hint="a build of PyTorch for CUDA, an NVIDIA GPU and its driver are "
                "needed; `resgen doctor` shows what this machine has",
            )
        count, number = cuda.device_count(), int(device.partition(":")[2] or 0)
        if number >= count:
            raise MissingDevice(f"there is no {device}: this machine has {count} GPUs")
        cuda.set_device(number)
        self._stream = self.own_stream()  # since the usual one cannot be captured

    def own_stream(self) -> Any:
        """A new stream, which what is opened from now on queues its work in."""
        stream = self._torch.cuda.Stream()
        self._torch.cuda.set_stream(stream)
        return stream

    def wait(self) -> None:
        """Until everything that was queued is done."""
        self._stream.synchronize()

    def events(self, work: Callable[[], object]) -> Callable[[], float]:
        """Seconds of the device between two events around the work."""
        cuda = self._torch.cuda
        begin, end = (cuda.Event(enable_timing=True) for _ in range(2))

        def call() -> float:
            begin.record()
            work()
            end.record()
            end.synchronize()
            return float(begin.elapsed_time(end)) * 1e-3

        return call

    def graph(self, work: Callable[[], object]) -> Callable[[], object]:
        """The work's launches, recorded once and replayed as one."""
        cuda = self._torch.cuda
        for _ in range(BEFORE_CAPTURE):
            work()
        self.wait()
        captured = cuda.CUDAGraph()
        with cuda.graph(captured, stream=self._stream):
            held = work()

        def replay() -> object:
            captured.replay()
            return held  # outputs live in the graph's memory

        return replay

    def flush(self) -> Callable[[], object]:
        """A call that queues writing over the L2 cache."""
        memory = self._torch.empty(FLUSH_BYTES, dtype=self._torch.int8, device="cuda")
        return memory.zero_  # type: ignore[no-any-return]

    def free(self) -> int:
        """Bytes of the device's memory that nobody has."""
        return int(self._torch.cuda.mem_get_info()[0])
