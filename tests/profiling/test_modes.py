"""What one sample of each mode is."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

from resgen.errors import MissingDevice, ResgenError, UsageError
from resgen.profiling.cuda import CudaDevice
from resgen.profiling.feeds import feeds_of
from resgen.profiling.flow import flow
from resgen.profiling.modes import last_cache, processor_flush, timed
from resgen.profiling.sampling import Limits
from resgen.runtime.null import NullSession, spin
from resgen.spec.model import Preprocess

SHAPE = {"input": (None, 3, 16, 16)}


class Queued(NullSession):
    """Runs on a device: queues its work there, and is done when it is waited for."""

    def __init__(self, device):
        super().__init__(SHAPE, {"output": (None, 10)}, seconds=lambda: 0.0)
        self.device = device

    def resident(self, feeds):
        return lambda: self.device.log.append("run")


class Device:
    """A device that writes down what it is asked for."""

    def __init__(self, *, captures=True):
        self.log = []
        self.captures = captures

    def wait(self):
        self.log.append("wait")

    def events(self, work):
        def call():
            self.log.append("begin")
            work()
            self.log.append("end")
            return 0.25

        return call

    def graph(self, work):
        if not self.captures:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        return lambda: self.log.append("replay")

    def flush(self):
        return lambda: self.log.append("flush")


def feeds(batch=2):
    return {"input": np.zeros((batch, 3, 16, 16), np.float32)}


def spinning(milliseconds=2.0):
    return NullSession(
        SHAPE, {"output": (None, 10)}, seconds=lambda: 1e-3 * milliseconds
    )


def test_latency_is_the_hosts_time_of_one_run(monkeypatch):
    now = [0]

    def wait(seconds):
        now[0] += round(seconds * 1e9)

    clock = SimpleNamespace(perf_counter_ns=lambda: now[0])
    monkeypatch.setattr("resgen.profiling.modes.time", clock)
    session = NullSession(
        SHAPE, {"output": (None, 10)}, seconds=lambda: 2e-3, wait=wait
    )
    call = timed(session, feeds(), "latency").call
    assert [call() for _ in range(5)] == pytest.approx([2e-3] * 5)


def test_on_a_processor_compute_says_that_it_is_latency():
    found = timed(spinning(), feeds(), "compute")
    assert found.notes == ("on a processor compute and latency are one measurement",)
    assert found.settings["clock"] == "host"


def test_end_to_end_begins_at_a_decoded_picture():
    seen = []

    class Watching(NullSession):
        def _run(self, feeds):
            seen.append(feeds["input"])
            return super()._run(feeds)

    session = Watching(SHAPE, {"output": (None, 10)}, seconds=lambda: 0.0)
    found = timed(
        session, feeds(), "end-to-end", preprocess=Preprocess(resize=16, crop=16)
    )
    took = found.call()
    assert took > timed(session, feeds(), "latency").call()
    batch = seen[-1] if seen[-1].any() else seen[-2]
    assert batch.shape == (2, 3, 16, 16)
    assert abs(batch).max() < 3  # normalised
    assert found.settings["picture"] == "500 x 375"


def test_end_to_end_of_what_takes_no_picture_is_refused():
    with pytest.raises(ResgenError, match="begins at a decoded picture"):
        timed(spinning(), feeds(), "end-to-end")


def test_compute_on_a_device_is_between_events_around_a_graph():
    device = Device()
    found = timed(Queued(device), feeds(), "compute", device=device)
    assert found.call() == 0.25
    assert device.log == ["begin", "replay", "end"]
    assert found.settings == {"clock": "CUDA events", "cuda_graph": True}


def test_without_a_graph_every_launch_is_timed():
    device = Device()
    found = timed(Queued(device), feeds(), "compute", device=device, graph=False)
    found.call()
    assert device.log == ["begin", "run", "end"]
    assert found.settings["cuda_graph"] is False


def test_what_cannot_be_captured_is_launched_and_says_so():
    device = Device(captures=False)
    found = timed(Queued(device), feeds(), "compute", device=device)
    found.call()
    assert device.log == ["begin", "run", "end"]
    assert found.settings["cuda_graph"] is False
    assert "not captured in a CUDA graph: operation not permitted" in found.notes[0]


def test_an_engine_that_takes_no_graph_is_not_asked_for_one():
    class Launching(Queued):
        capturable = False

    device = Device()
    found = timed(Launching(device), feeds(), "compute", device=device)
    found.call()
    assert device.log == ["begin", "run", "end"]
    assert found.notes == ("null launches every kernel: it takes no CUDA graph",)


def test_latency_on_a_device_waits_for_it():
    device = Device()
    timed(Queued(device), feeds(), "latency", device=device).call()
    assert device.log == ["run", "wait"]


def test_a_cold_device_is_flushed_outside_of_the_sample():
    device = Device()
    found = timed(Queued(device), feeds(), "compute", device=device, cold=True)
    found.flush()
    assert device.log == ["flush"]
    assert found.notes == ("L2 cache flushed before every run",)


@pytest.mark.parametrize("mode", ["latency", "end-to-end"])
def test_the_hosts_clock_starts_when_the_flush_is_over(mode):
    device = Device()
    found = timed(Queued(device), feeds(), mode, device=device, cold=True)
    found.flush()
    assert device.log == ["flush", "wait"]


@pytest.mark.slow
def test_a_cold_processor_writes_more_than_its_last_cache(tmp_path):
    for name, size in (("index0", "48K"), ("index3", "36M"), ("index9", "strange")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "size").write_text(f"{size}\n")
    assert last_cache(tmp_path) == 36 << 20
    assert last_cache(tmp_path / "none") is None
    flush, size = processor_flush()
    flush()
    assert size >= 2 * (last_cache() or 1)
    found = timed(spinning(), feeds(), "latency", cold=True)
    assert found.flush is not None
    assert "processor caches flushed" in found.notes[0]


# --- CUDA as PyTorch has it -----------------------------------------------------------


class FakeStream:
    def __init__(self, log):
        self.log = log

    def synchronize(self):
        self.log.append("synchronize")

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *failure):
        self.log.append("leave")


class FakeGraph:
    def replay(self):
        pass


class FakeCuda:
    """torch.cuda, as far as it is used."""

    def __init__(self, count=1):
        self.log = []
        self.count = count

    def is_available(self):
        return self.count > 0

    def device_count(self):
        return self.count

    def set_device(self, number):
        self.log.append(f"device {number}")

    def Stream(self):
        return FakeStream(self.log)

    def set_stream(self, stream):
        self.log.append("stream")

    def stream(self, stream):
        return stream

    CUDAGraph = FakeGraph

    def graph(self, graph, *, stream, capture_error_mode):
        self.log.append(f"capture {capture_error_mode}")
        return stream

    def Event(self, *, enable_timing):
        outer, name = self, "timed event" if enable_timing else "event"

        class Event:
            def record(self):
                outer.log.append(name)

            def synchronize(self):
                outer.log.append("wait")

            def elapsed_time(self, end):
                return 1.5

        return Event()

    def mem_get_info(self):
        return 7, 10


class FakeTorch:
    int8 = "int8"

    def __init__(self, count=1):
        self.cuda = FakeCuda(count)

    def empty(self, size, dtype, device):
        return SimpleNamespace(zero_=lambda: None)


def test_a_device_times_in_seconds_on_a_stream_of_its_own():
    torch = FakeTorch(count=2)
    device = CudaDevice("cuda:1", torch)
    assert torch.cuda.log == ["device 1", "stream"]
    call = device.events(lambda: torch.cuda.log.append("work"))
    assert call() == pytest.approx(1.5e-3)
    assert torch.cuda.log[2:] == ["timed event", "work", "timed event", "wait"]
    device.own_stream()
    assert torch.cuda.log[6:] == ["stream"]
    assert device.free() == 7


def test_a_capture_is_not_broken_by_what_other_threads_do():
    torch = FakeTorch()
    CudaDevice("cuda:0", torch).graph(lambda: torch.cuda.log.append("work"))
    assert torch.cuda.log[-4:] == ["capture thread_local", "enter", "work", "leave"]


def test_requests_in_flight_do_not_share_a_stream():
    torch = FakeTorch()
    device = CudaDevice("cuda:0", torch)
    first, second = (device.lane(lambda: torch.cuda.log.append("work")) for _ in "ab")
    torch.cuda.log.clear()
    first()
    second()
    assert torch.cuda.log == ["enter", "work", "leave"] * 2


def test_what_flushes_the_cache_is_not_the_engines_memory():
    device = CudaDevice("cuda:0", FakeTorch())
    before = device.free()
    device.flush()
    assert device.free() - before == 256 << 20  # as the driver says less is free by it


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(MissingDevice, match="sees no GPU"):
        CudaDevice("cuda:0", FakeTorch(count=0))
    with pytest.raises(MissingDevice, match="no cuda:3: this machine has 1"):
        CudaDevice("cuda:3", FakeTorch())


# --- inputs ---------------------------------------------------------------------------


def test_inputs_have_the_types_and_sizes_that_the_network_takes():
    session = NullSession(
        {"picture": (None, 3, None, None), "camera": (4, 8), "ids": (None, 2)}, {}
    )
    session.dtypes = {"camera": "uint8", "ids": "int64", "picture": "float16"}
    found = feeds_of(session, 4, {"picture": (3, 32, 48)})
    assert {n: (a.shape, a.dtype.name) for n, a in found.items()} == {
        "picture": ((4, 3, 32, 48), "float16"),
        "camera": ((4, 8), "uint8"),
        "ids": ((4, 2), "int64"),
    }
    assert 0.9 < found["picture"].astype(float).std() < 1.1


@pytest.mark.parametrize(
    ("declared", "shapes", "error", "message"),
    [
        ((None, 3, None, 8), {}, UsageError, "its sizes are open"),
        ((None, 3, 8, 8), {"": (3, 9, 9)}, UsageError, "does not fit"),
        ((None, 3, 8, 8), {"image": (3, 8, 8)}, UsageError, "the inputs are input"),
        ((2, 3, 8, 8), {}, ResgenError, "fixed at 2, not 1"),
    ],
)
def test_inputs_that_cannot_be_made_say_what_to_do(declared, shapes, error, message):
    with pytest.raises(error, match=message):
        feeds_of(NullSession({"input": declared}, {}), 1, shapes)


# --- several requests at once ---------------------------------------------------------


@pytest.mark.slow
def test_as_many_requests_get_through_as_there_are_lanes_for():
    together, met = threading.Barrier(3), []

    def work():  # which three have to begin before one of them can end
        with suppress(threading.BrokenBarrierError):  # when they stop
            met.append(together.wait(1.0))
        time.sleep(0.01)

    limits = Limits(seconds=0.5, warm_up=0.5, half_width=0.0)
    taken, per_second = flow([work] * 3, limits)
    assert set(met) == {0, 1, 2}
    assert 3 <= per_second <= 300
    assert min(taken.samples.seconds) >= 0.01
    assert list(taken.samples.at) == sorted(taken.samples.at)


def test_a_lane_that_fails_ends_all_of_them():
    def fail():
        spin(0.001)
        raise ResgenError("no more")

    with pytest.raises(ResgenError, match="no more"):
        flow([lambda: spin(0.001), fail], Limits(seconds=5.0))


@pytest.mark.slow
def test_the_machine_is_looked_at_between_warm_up_and_samples():
    at = []
    taken, _ = flow(
        [lambda: spin(0.001)],
        Limits(seconds=0.3, warm_up=1.0),
        warm=lambda: at.append(time.perf_counter()),
    )
    assert len(at) == 1
    assert taken.warm_up["calls"] > 0


@pytest.mark.parametrize("where", ["warm-up", "samples"])
@pytest.mark.slow
def test_an_interrupt_keeps_samples_and_not_what_warmed_up(where):
    """Requests that ended before any sample was wanted are none."""

    def interrupt(*_):
        raise KeyboardInterrupt

    works = [lambda: spin(0.001)]
    limits = Limits(seconds=5.0, warm_up=0.5)
    if where == "warm-up":
        with pytest.raises(KeyboardInterrupt):
            flow(works, limits, warm=interrupt)
        return
    taken, per_second = flow(works, limits, progress=interrupt)
    assert taken.stopped == "interrupted"
    assert 0 < len(taken.samples.seconds) < taken.samples.at[-1] / 1e-3 + 2
    assert per_second > 0
