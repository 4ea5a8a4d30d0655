"""Whole profiles: every runtime and batch has its row, whatever becomes of others."""

from __future__ import annotations

import json
import time

import numpy as np
import onnx
import pytest
from small_subject import SPEC, find_stand_ins, measure_here, onnx_file

from resgen.artifact.prepare import Wanted, prepared
from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.profiling import explain
from resgen.profiling.bench import Bench, Job
from resgen.profiling.documents import REPORT
from resgen.profiling.profile import Interrupted, all_failed
from resgen.profiling.profile import profile as profile_of
from resgen.profiling.sampling import Limits
from resgen.records.profile import Run

QUICK = Limits(seconds=0.3, warm_up=0.2, least_seconds=0.1)


def profile(subject, *runtimes, batches=(1,), **more):
    said = {name: more.pop(name) for name in ("say", "command") if name in more}
    more = {"limits": QUICK, "breakdown": False, "threads": 1, **more}
    jobs = [
        Job(subject, runtime, batch=batch, **more)
        for runtime in runtimes
        for batch in batches
    ]
    return profile_of(jobs, **said)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    find_stand_ins(monkeypatch)
    with prepared(Wanted(str(onnx_file(tmp_path / "tiny.onnx")))) as subject:
        yield subject


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "small.json"
    path.write_text(json.dumps(SPEC))
    with prepared(Wanted(str(path))) as subject:
        yield subject


@pytest.mark.slow
def test_a_network_of_a_spec_on_two_engines(small, tmp_path, monkeypatch):
    measure_here(monkeypatch)
    monkeypatch.setattr("resgen.profiling.explain.RUNS", (5, 5))
    said = []
    record = profile(
        small,
        "onnxruntime",
        "torch",
        breakdown=True,
        command=["resgen", "profile", "small.json"],
        say=said.append,
    )
    assert [run.runtime for run in record.runs] == ["onnxruntime", "torch"]
    assert said == list(record.runs)
    assert record.subject.weights == "probe"
    assert record.subject.macs == sum(
        part.macs for part in record.subject.parts if part.kind == "section"
    )
    assert [part.path for part in record.subject.parts] == [
        "stem", "layer1", "layer1.0", "layer2", "layer2.0", "head",
    ]  # fmt: skip
    for run in record.runs:
        assert run.error is None
        assert run.breakdown.coverage > 0.98
        charged = {charge.path for charge in run.breakdown.charges}
        assert {"stem", "layer1.0", "layer2.0", "head"} <= charged
        assert run.ceilings.compute_burst >= run.ceilings.compute_sustained > 0
    REPORT.save(record, tmp_path / "report.json")
    assert REPORT.load(tmp_path / "report.json") == record


def test_what_is_timed_carries_numbers_of_unit_size(small):
    from resgen.runtime.onnxruntime import OnnxRuntimeSession

    noise = np.random.default_rng(1).standard_normal((4, 3, 32, 32), np.float32)
    with OnnxRuntimeSession(small.model) as session:
        (logits,) = session.run({"input": noise}).values()
    assert 0.1 < np.abs(logits).mean() < 10


@pytest.mark.slow
@pytest.mark.quiet
def test_the_median_is_that_of_a_bare_loop_beside_it(small):
    import onnxruntime

    limits = Limits(seconds=1.0, warm_up=0.5, half_width=0.0)
    run = profile(small, "onnxruntime", limits=limits).runs[0]
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(small.model), settings)
    feeds = {"input": np.zeros((1, 3, 32, 32), np.float32)}
    bare = []
    end = time.perf_counter() + 1.0
    while time.perf_counter() < end:
        begin = time.perf_counter()
        session.run(None, feeds)
        bare.append(time.perf_counter() - begin)
    # The least times, which a busy machine disturbs least.
    ours = np.quantile(run.samples.seconds, 0.05)
    assert ours == pytest.approx(np.quantile(bare, 0.05), rel=0.25)


@pytest.mark.slow
def test_a_process_that_dies_costs_its_own_row_only(tiny):
    record = profile(tiny, "stand_in_engines.dying", "null")
    dead, after = record.runs
    assert after.summary is not None
    assert "died by SIGSEGV" in dead.error
    assert all_failed(record.runs, "stand_in_engines.dying")
    assert not all_failed(record.runs, "null")


@pytest.mark.slow
def test_a_batch_that_does_not_fit_says_so_and_the_sweep_goes_on(tiny, monkeypatch):
    measure_here(monkeypatch)
    record = profile(tiny, "stand_in_engines.hungry", batches=(1, 4, 2))
    assert [run.error and run.error.split(" (")[0] for run in record.runs] == [
        None, "out of memory at batch 4", None,
    ]  # fmt: skip


def test_where_nothing_was_measured_the_first_error_is_raised(tiny):
    with pytest.raises(ResgenError, match="Shouting does not load tiny") as found:
        profile(tiny, "stand_in_engines.shouting")
    assert found.value.hint == "be quiet"


@pytest.mark.slow
def test_an_interrupt_hands_over_what_was_measured(tiny, monkeypatch):
    measure_here(monkeypatch)
    whole = profile(tiny, "null").runs[0]
    answers = [whole, KeyboardInterrupt(whole)]

    def measured(job, progress):
        answer = answers.pop(0)
        if isinstance(answer, Run):
            return answer
        raise answer

    monkeypatch.setattr("resgen.profiling.profile._measured", measured)
    with pytest.raises(Interrupted) as stop:
        profile(tiny, "null", batches=(1, 2, 3))
    assert len(stop.value.record.runs) == 2
    answers = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt) as stop:
        profile(tiny, "null")
    assert not isinstance(stop.value, Interrupted)


@pytest.mark.slow
def test_throughput_finds_the_knee(tiny, monkeypatch):
    measure_here(monkeypatch)
    record = profile(tiny, "null", mode="throughput", batches=(1, 2, 64), lanes=1)
    one, two, many = record.runs
    assert two.throughput > one.throughput
    assert [any("knee" in note for note in run.notes) for run in record.runs] == [
        False, False, True,
    ]  # fmt: skip
    assert many.settings["in_flight"] == 1


@pytest.mark.slow
def test_pace_and_cold_caches_are_told(tiny, monkeypatch):
    measure_here(monkeypatch)
    limits = Limits(
        seconds=0.3, warm_up=0.1, least_seconds=0.1, half_width=0.0, interval=0.02
    )
    (run,) = profile(tiny, "null", limits=limits, cold=True).runs
    assert run.settings["rate"] == pytest.approx(50)
    assert any("paced at 50 a second" in note for note in run.notes)
    assert any("caches flushed" in note for note in run.notes)


@pytest.mark.slow
def test_open_sizes_are_asked_for(tmp_path, monkeypatch):
    measure_here(monkeypatch)
    path = onnx_file(tmp_path / "open.onnx", open_sizes=True)
    with prepared(Wanted(str(path))) as subject:
        with pytest.raises(ResgenError, match="its sizes are open") as found:
            profile(subject, "null")
        assert found.value.exit_code == 2
        assert "3x224x224" in (found.value.hint or "")
        (run,) = profile(subject, "null", shapes={"": (3, 8, 8)}).runs
        assert run.error is None


@pytest.mark.slow
def test_a_file_that_takes_nothing_is_measured(tmp_path, monkeypatch):
    measure_here(monkeypatch)
    path = onnx_file(tmp_path / "idle.onnx")
    model = onnx.load(path)
    tensor = np.zeros((1, 3, 8, 8), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(tensor, "input"))
    del model.graph.input[:]
    onnx.save(model, path)
    with prepared(Wanted(str(path))) as subject:
        assert subject.subject.input is None
        (run,) = profile(subject, "onnxruntime").runs
        assert run.error is None


def test_what_is_not_here_is_named_before_anything_runs(tiny, monkeypatch):
    from resgen.runtime import engines

    with pytest.raises(UsageError, match="does not run on cuda"):
        profile(tiny, "opencv", device="cuda:0")
    with pytest.raises(MissingDevice, match="no NVIDIA GPU"):
        profile(tiny, "tensorrt", device="cuda:0")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(MissingComponent, match="OpenVINO is not installed") as found:
        profile(tiny, "openvino")
    assert 'pip install "resgen[openvino]"' in found.value.install
    assert "resgen doctor" in found.value.install


def test_weights_of_a_user_stay(small, tmp_path):
    import torch

    from resgen.expansion.network import expand
    from resgen.expansion.network import load as load_spec
    from resgen.lower.torch import to_torch

    module = to_torch(expand(load_spec(dict(SPEC))))
    path = tmp_path / "mine.pth"
    torch.save(module.state_dict(), path)
    spec = tmp_path / "small.json"
    spec.write_text(json.dumps(SPEC))
    with prepared(Wanted(str(spec), weights=path)) as subject:
        assert subject.subject.weights == "mine.pth"
        _, timed = subject.module()
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, timed.state_dict()[name])


def test_a_file_is_written_already():
    with pytest.raises(UsageError, match="is written already"):
        prepared(Wanted("x.onnx", precision="int8")).__enter__()
    with pytest.raises(ResgenError, match=r"x\.onnx does not exist"):
        prepared(Wanted("x.onnx")).__enter__()


@pytest.mark.parametrize("precision", [None, "int8"])
def test_a_folder_of_somebodys_weights_is_opened_as_it_is(tmp_path, precision):
    """What was exported is timed, and not something that is made in its place."""
    import resgen

    graph = resgen.expand(resgen.load(SPEC))
    trained = resgen.to_torch(graph).state_dict()
    make = resgen.export if precision else resgen.build
    how = {"precision": precision} if precision else {}
    folder = make(SPEC, tmp_path / "a", state_dict=trained, verify=False, **how).folder
    with prepared(Wanted(str(folder))) as subject:
        assert subject.model == folder / "model.onnx"
        assert subject.precision == (precision or "fp32")
    with prepared(Wanted(str(folder), "fp16")) as subject:
        assert subject.model != folder / "model.onnx"
    # Numbers of weights that nobody trained die out or overflow.
    fresh = make(SPEC, tmp_path / "b", verify=False, **how).folder
    with prepared(Wanted(str(fresh))) as subject:
        assert subject.model != fresh / "model.onnx"
        assert subject.subject.weights == "probe"


def test_where_few_samples_are_asked_for_few_runs_are_profiled(tmp_path, monkeypatch):
    seen = []

    def profiled(*_, runs, **__):
        seen.append(runs)
        return ()

    monkeypatch.setattr(explain.operators, "profile_onnxruntime", profiled)
    monkeypatch.setattr(explain, "SECONDS", 0.0)
    with prepared(Wanted(str(onnx_file(tmp_path / "tiny.onnx")))) as subject:
        for least in (30, 4):
            job = Job(subject, "onnxruntime", threads=1, limits=Limits(least=least))
            bench = Bench(job)
            explain.reader(bench)(bench)
    assert seen == [explain.RUNS[0], 4]
