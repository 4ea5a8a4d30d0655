"""A process to measure in: it answers, fails in words, or dies and says of what."""

from __future__ import annotations

import io
import os
import signal
import threading
import time

import pytest
from small_subject import find_stand_ins, onnx_file

from resgen.artifact.prepare import Wanted, prepared
from resgen.machine.process import Failure, Process
from resgen.profiling.bench import Bench, Job, peak_memory
from resgen.profiling.sampling import Limits
from resgen.profiling.worker import Worker
from resgen.records.profile import Run
from resgen.runtime.engines import Engine
from resgen.runtime.null import NullSession

QUICK = Limits(seconds=0.2, warm_up=0.1, least_seconds=0.1)


@pytest.fixture
def job(tmp_path, monkeypatch):
    find_stand_ins(monkeypatch)
    with prepared(Wanted(str(onnx_file(tmp_path / "tiny.onnx")))) as subject:

        def make(runtime="null", **options):
            options = {"limits": QUICK, "breakdown": False, **options}
            return Job(subject, runtime, **options)

        yield make


@pytest.mark.slow
def test_a_run_comes_back_whole(job):
    shares = []
    with Process(Worker) as process:
        run = process.ask("measure", job(batch=2), progress=shares.append)
    assert isinstance(run, Run)
    assert run.error is None
    assert 1e-3 <= run.summary.min < 1e-2
    assert run.throughput == pytest.approx(2 / run.summary.median)
    assert (run.runtime, run.batch, run.mode) == ("null", 2, "latency")
    assert run.load_seconds > 0
    assert run.first_seconds > 0.9e-3
    assert 10e6 < run.peak_memory < 2e9
    assert run.model_bytes == job().prepared.model.stat().st_size
    assert 0 < run.overhead < 1
    assert run.settings["threads"] == 1
    assert {"before", "after"} <= run.machine.keys()
    assert shares[-1] <= 1


def test_memory_is_that_of_the_process_alone(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmHWM:\t   1234 kB\nVmRSS:\t 12 kB\n")
    assert peak_memory(status) == 1234 * 1024
    assert peak_memory(tmp_path / "none") is None


@pytest.mark.slow
def test_turns_are_answered_one_by_one(job):
    with Process(Worker) as process:
        assert process.ask("open", job()) is None
        assert process.ask("settle", 0.05) is None
        first, second = (process.ask("block", 0.05) for _ in range(2))
    for block in (first, second):
        assert 0 < len(block) <= 51
        assert min(block) > 0.9e-3


def test_what_an_engine_writes_is_no_answer_and_its_error_is(job):
    with Process(Worker) as process:
        failure = process.ask("measure", job("stand_in_engines.shouting"))
    assert failure == Failure("Shouting does not load tiny", "be quiet")


def test_a_death_is_told_by_its_signal(job):
    with Process(Worker) as process:
        failure = process.ask("measure", job("stand_in_engines.dying"))
        assert isinstance(failure, Failure)
        assert "died by SIGSEGV" in failure.message
        # Who asks the dead gets the same answer, not an exception.
        assert "died by SIGSEGV" in process.ask("block", 1.0).message


def test_out_of_memory_names_the_batch(job):
    with Process(Worker) as process:
        failure = process.ask("measure", job("stand_in_engines.hungry", batch=4))
    assert failure.memory
    assert failure.message == "out of memory at batch 4"


@pytest.mark.slow
def test_an_interrupt_of_the_asking_process_brings_what_was_measured(job):
    long = Limits(seconds=60.0, warm_up=0.1, half_width=0.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begin = time.perf_counter()
    started = threading.Event()
    heard: list[float] = []

    def progress(share):
        heard.append(share)
        if len(heard) > 1:  # the first comes before the first sample
            started.set()

    def interrupt():
        started.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=interrupt)
    killer.start()
    try:
        with Process(Worker) as process, pytest.raises(KeyboardInterrupt) as stop:
            process.ask("measure", job(limits=long), progress=progress)
    finally:
        killer.join()
        signal.signal(signal.SIGINT, before)
    run = stop.value.args[0]
    assert run.stopped == "interrupted"
    assert run.summary.n > 0
    assert time.perf_counter() - begin < 30


def test_a_process_that_is_deaf_to_interrupts_is_ended(job, monkeypatch):
    monkeypatch.setattr("resgen.machine.process.PATIENCE", 0.1)
    with Process(Worker) as process:
        process.tell("measure", job("stand_in_engines.deaf"))

        def interrupt():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as stop:
            process.hear(lambda share: interrupt())
    assert "died by SIGKILL" in stop.value.args[0].message


def test_a_process_that_nobody_asks_ends(job):
    with Process(Worker) as process:
        process.ask("open", job())
        inner = process._process
    assert inner.poll() is not None


def test_an_answer_that_nobody_understands_ends_the_process(job, monkeypatch):
    monkeypatch.setattr("resgen.machine.process.PATIENCE", 0.1)
    with Process(Worker) as process:
        assert process.ask("open", job()) is None
        # As if an interrupt had come in the middle of an answer.
        inner = process._process
        pipe, inner.stdout = inner.stdout, io.BytesIO(b"the second half")
        assert "cannot be read" in process.ask("settle", 0.01).message
        assert inner.poll() is not None
        pipe.close()


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), RuntimeError("at {}")])
@pytest.mark.slow
def test_samples_outlive_the_explanation_of_them(job, monkeypatch, raised):
    import resgen.profiling.run

    told = job(breakdown=True)
    why = "interrupted"
    if isinstance(raised, RuntimeError):
        raised, why = RuntimeError(f"at {told.prepared.model}"), "RuntimeError: at tiny"

    def explain(bench):
        raise raised

    monkeypatch.setattr(resgen.profiling.run, "explained", explain)
    found = resgen.profiling.run.run(told, lambda share: None)
    assert found.summary.n > 0
    assert found.notes[-1] == f"no times of single operators: {why}"


@pytest.mark.slow
def test_the_machine_is_described_around_the_samples(job, monkeypatch):
    from resgen import machine
    from resgen.profiling.run import run

    calls, seen = [], []
    snapshot = machine.snapshot

    def look(device):
        seen.append(len(calls))
        return snapshot(device)

    monkeypatch.setattr(machine, "snapshot", look)
    monkeypatch.setattr("resgen.runtime.null.spin", calls.append)
    limits = Limits(seconds=0.1, warm_up=0.1, least_seconds=0.05, window=0.01)
    found = run(job(limits=limits), lambda share: None)
    before, after = seen
    # Loading and warm-up come before; one call fills the caches again.
    assert before >= found.warm_up["calls"]
    assert after == before + 1 + found.summary.n


@pytest.mark.slow
def test_an_engine_that_is_not_read_says_so(job):
    from resgen.profiling.run import run

    found = run(job(breakdown=True), lambda share: None)
    assert found.breakdown is None
    said = "no times of single operators: the profiler of null is not read here"
    assert said in found.notes


def test_every_lane_on_a_device_has_a_stream_of_its_own(job, monkeypatch):
    log = []

    class Device:
        def own_stream(self):
            log.append("stream")

        def free(self):
            return 0

    def start(opening):
        log.append("open")
        session = NullSession({"input": (None, 3, 16, 16)}, {"output": (None, 3)})
        session.concurrent = False
        return session

    engine = Engine("Lanes", "onnx", ("cuda",), (), "", start)
    monkeypatch.setattr("resgen.profiling.bench.find", lambda name: engine)
    monkeypatch.setattr("resgen.profiling.bench._device", lambda name: Device())
    bench = Bench(job("lanes", device="cuda:0", mode="throughput", lanes=3))
    # The device made the first one's when it was found.
    assert log == ["open", "stream", "open", "stream", "open"]
    assert len(bench.lanes()) == 3
