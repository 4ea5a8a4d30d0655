"""CUDA as a mode sees it: PyTorch's streams, events and graphs around any engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from resgen.runtime.torch import load_cuda

#: Runs before a graph is captured: engines allocate and choose kernels in the first.
BEFORE_CAPTURE: Final = 3
#: Bytes that are written to flush the L2 cache, as triton.testing.do_bench does.
FLUSH_BYTES: Final = 256 << 20


class CudaDevice:
    """One GPU; everything is queued on its current stream.

    Durations come from CUDA events, which the device itself stamps: 0.5 us resolution.
    """

    def __init__(self, device: str, torch: Any = None) -> None:
        why = f"nothing can be timed on {device}"
        self._torch, number = load_cuda(device, why, torch)
        self._torch.cuda.set_device(number)
        self._flushing = 0
        self._stream = self.own_stream()  # since the usual one cannot be captured

    def own_stream(self) -> Any:
        """A new stream, which what is opened from now on queues its work in."""
        stream = self._torch.cuda.Stream()
        self._torch.cuda.set_stream(stream)
        return stream

    def lane(self, work: Callable[[], object]) -> Callable[[], object]:
        """The work in a stream of its own, whichever thread calls it.

        A thread begins on the first GPU, and in the stream that all others begin in.
        """
        torch = self._torch
        stream = torch.cuda.Stream()

        def call() -> object:
            with torch.cuda.stream(stream):
                return work()

        return call

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
        # What another thread does with CUDA, as compiling a kernel, is none of it.
        mode = "thread_local"
        with cuda.graph(captured, stream=self._stream, capture_error_mode=mode):
            held = work()

        def replay() -> object:
            captured.replay()
            return held  # outputs live in the graph's memory

        return replay

    def flush(self) -> Callable[[], object]:
        """A call that queues writing over the L2 cache."""
        memory = self._torch.empty(FLUSH_BYTES, dtype=self._torch.int8, device="cuda")
        self._flushing += FLUSH_BYTES
        return memory.zero_  # type: ignore[no-any-return]

    def free(self) -> int:
        """Bytes of the device's memory that nobody has but who flushes its cache."""
        return int(self._torch.cuda.mem_get_info()[0]) + self._flushing
