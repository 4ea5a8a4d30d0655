"""Engines that are built to be measured, and where the time of their layers goes.

No GPU is needed to build them; what TensorRT made of the layers is what it says itself
of the engine, and only the times are made up.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from small_subject import SPEC, onnx_file

from resgen.artifact.engines import Building, engines_of, visible
from resgen.artifact.prepare import Wanted, prepared
from resgen.cli import main
from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.machine import device
from resgen.machine.device import Device
from resgen.machine.process import Process
from resgen.profiling.bench import Job
from resgen.profiling.comparison import compare
from resgen.profiling.explain import charged, explained
from resgen.profiling.run import run
from resgen.profiling.sampling import Limits
from resgen.runtime.engines import find
from resgen.runtime.tensorrt import TensorRtSession
from resgen.tensorrt.manifest import vouched


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path / "cache"))


#: Where an engine is built, as files of resgen/tensorrt.
_BUILDING = ("build", "export", "targets")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU, as far as building goes."""
    pytest.importorskip("tensorrt_rtx")

    def has(capability="sm_86"):
        found = Device("Stand-in", capability, "13.0")
        for module in ("machine.device", *(f"tensorrt.{n}" for n in _BUILDING)):
            monkeypatch.setattr(f"resgen.{module}.present", lambda number=0: found)
        monkeypatch.setattr("resgen.tensorrt.flavor.find_spec", only_rtx)

    def only_rtx(name):
        return find_spec(name) if name == "tensorrt_rtx" else None

    return has


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SPEC))
    return path


class Told(TensorRtSession):
    """Every layer takes a millisecond, and a run no time to speak of."""

    name = "TensorRT for RTX"
    inputs = {}  # noqa: RUF012
    outputs = {}  # noqa: RUF012

    def __init__(self, engine, *, described=True, device="cuda:0"):
        told = vouched(engine).layers["layers"]
        self._times = {layer["name"]: 1e-3 for layer in told}
        self._layers = described and {
            "Layers": [
                {
                    "Name": layer["name"],
                    "LayerType": layer["type"],
                    "Metadata": "\x1e".join(
                        f"[ONNX Layer: {n}]" for n in layer["nodes"]
                    ),
                }
                for layer in told
            ]
        }

    def _run(self, feeds):
        return {}

    def layer_times(self, feeds, runs):
        return self._times, self._layers or None


class Running(Told):
    """Runs, as far as one can see from the host."""

    inputs = {"input": (None, 3, 32, 32)}  # noqa: RUF012
    outputs = {"output": (None, 10)}  # noqa: RUF012

    def _run(self, feeds):
        time.sleep(1e-3)
        return {}

    def close(self):
        pass


@pytest.mark.parametrize(
    ("listed", "seen"), [(None, "1"), ("3, GPU-b", "GPU-b"), ("2,0", "0")]
)
def test_whoever_builds_sees_the_gpu_that_is_measured(monkeypatch, listed, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible(1) == seen


@pytest.mark.slow
def test_an_engine_is_built_in_a_process_that_is_gone_by_then(gpu, spec, monkeypatch):
    """One that stayed would be another program on the GPU beside the measurement."""
    gpu()
    monkeypatch.setattr("resgen.tensorrt.build.build", None)  # not in this one
    with prepared(Wanted(str(spec), building=Building())) as subject:
        assert subject.engine.stat().st_size > 0


def bench(subject, session):
    job = Job(subject, "tensorrt", "cuda:0")
    return SimpleNamespace(job=job, session=session, feeds={}, engine=find("tensorrt"))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.slow
def test_layers_are_charged_to_the_blocks_of_the_spec(gpu, spec, precision):
    gpu()
    with prepared(Wanted(str(spec), precision, building=Building())) as subject:
        found = charged(bench(subject, Told(subject.engine)))
        kernels = len(found.operators)
        assert found.source == "IProfiler, in a pass of its own"
        assert found.operator_sum == pytest.approx(1e-3 * kernels)
        assert kernels > 4
        # What was fused across blocks is said to be; all else lies in one, but for
        # what TensorRT itself gives no origin: the copy of the input.
        lost = [op for op in found.operators if op.section is None and not op.across]
        told = vouched(subject.engine).layers["layers"]
        assert {op.name for op in lost} == {
            layer["name"] for layer in told if not layer["nodes"]
        }
        assert len(lost) <= 1
        paths = {part.path for part in found.charges if part.seconds}
        assert {"layer1.0", "layer2.0"} <= paths
        macs = {op.name: op.macs for op in found.operators if op.macs}
        assert sum(macs.values()) == subject.subject.macs
        # A kernel that only gets the convolution's input ready does not multiply.
        stem = [name for name in macs if "conv1" in name and "layer" not in name]
        assert [name.startswith("conv1") for name in stem] == [True]
        assert not any("Cast" in name and "Conc" in name for name in macs)


@pytest.mark.slow
def test_a_run_has_its_samples_and_then_its_layers(gpu, spec, monkeypatch):
    gpu()
    monkeypatch.setattr("resgen.runtime.tensorrt.TensorRtSession", Running)
    limits = Limits(seconds=0.2, warm_up=0.1, least_seconds=0.1)
    with prepared(Wanted(str(spec), building=Building())) as subject:
        found = run(Job(subject, "tensorrt", limits=limits), lambda share: None)
        assert found.model_bytes == subject.engine.stat().st_size
    assert found.summary.median >= 1e-3
    assert found.breakdown.coverage > 0.8
    assert found.breakdown.source.startswith("IProfiler")
    assert found.ceilings.compute_burst > 0


@pytest.mark.slow
def test_the_command_builds_what_is_not_there(gpu, spec, tmp_path, monkeypatch):
    if device.present() is not None:
        pytest.skip("a GPU is here")
    gpu()
    monkeypatch.chdir(tmp_path)
    words = ["profile", str(spec), "--runtime", "tensorrt", "--batch", "2"]
    done = CliRunner().invoke(main, words)
    # The process that measures sees that there is no GPU after all.
    assert done.exit_code == 3, done.output
    assert "NVIDIA GPU" in done.output
    assert len(list(tmp_path.glob("cache/engines/*/model.engine"))) == 1


def test_a_foreign_file_gets_an_engine_and_its_own_hierarchy(gpu, tmp_path):
    gpu()
    path = onnx_file(tmp_path / "tiny.onnx", open_sizes=True)
    building = Building((2,), {"": (3, 24, 24)})
    with prepared(Wanted(str(path), building=building)) as subject:
        (profile,) = vouched(subject.engine).profiles
        assert profile["input"].min == profile["input"].max == (2, 3, 24, 24)
        for described in (True, False):
            session = Told(subject.engine, described=described)
            found = charged(bench(subject, session))
            assert "layer1" in {c.path for c in found.charges if c.seconds}
        engine = subject.engine
        alone = tmp_path / "alone.engine"
        for end in ("", ".json"):
            content = engine.with_name(engine.name + end).read_bytes()
            alone.with_name(alone.name + end).write_bytes(content)
    # An engine by itself is charged by the file that it was built of, if that is there,
    # else by the names of its layers, which do not tell what these cost.
    with prepared(Wanted(str(alone))) as subject:
        # Nor is it known at which precision its ceilings would have to be measured.
        found, ceilings = explained(bench(subject, Told(alone)))
        assert ceilings is None
        assert "layer1" in {c.path for c in found.charges if c.seconds}
        assert not any(op.macs for op in found.operators)
    alone.with_suffix(".onnx").write_bytes(path.read_bytes())
    with prepared(Wanted(str(alone))) as subject:
        found = charged(bench(subject, Told(alone)))
        assert "layer1" in {c.path for c in found.charges if c.seconds}


@pytest.mark.slow
def test_every_batch_size_has_a_profile_of_its_own(gpu, spec):
    gpu()
    with prepared(Wanted(str(spec), building=Building((1, 4)))) as subject:
        profiles = [p["input"] for p in vouched(subject.engine).profiles]
        assert [p.opt for p in profiles] == [(1, 3, 32, 32), (4, 3, 32, 32)]
        assert all(p.min == p.max == p.opt for p in profiles)


@pytest.mark.slow
def test_an_engine_of_another_precision_is_not_the_folders(gpu, spec, tmp_path):
    import resgen

    gpu()
    folder = tmp_path / "exported"
    resgen.export(resgen.load(str(spec)), folder, precision="fp16", verify=False)
    (folder / "model.engine").write_bytes(b"an engine at fp16")
    made = {"engine": folder / "model.engine"}
    with prepared(Wanted(str(folder), made=made)) as subject:
        assert subject.engine == folder / "model.engine"
    wanted = Wanted(str(folder), "fp32", made=made, building=Building())
    with prepared(wanted) as subject:
        assert subject.engine != folder / "model.engine"
        assert vouched(subject.engine).flags["precision"] == "fp32"


@pytest.mark.slow
def test_a_profiler_that_reports_nothing_is_an_error(gpu, spec):
    gpu()
    with prepared(Wanted(str(spec), building=Building())) as subject:
        session = Told(subject.engine)
        session.name, session._times = "TensorRT", {}
        with pytest.raises(ResgenError, match="reported no layer"):
            charged(bench(subject, session))


@pytest.fixture
def calls(monkeypatch):
    """What builds the process that builds was asked for."""
    made, ask = [], Process.ask

    def asked(self, name, *arguments, **more):
        if name == "build":
            made.append(arguments[-1])
        return ask(self, name, *arguments, **more)

    monkeypatch.setattr(Process, "ask", asked)
    return made


@pytest.mark.slow
def test_a_comparison_builds_several_of_each(gpu, calls, spec, monkeypatch):
    if device.present() is not None:
        pytest.skip("a GPU is here")
    gpu()
    monkeypatch.setattr("resgen.api.compare.BUILDS", 2)
    words = ["compare", str(spec), str(spec), "--runtime", "tensorrt", "--time", "1"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 3
    assert "small (A) on tensorrt" in done.output
    assert len(calls) == 2 * 2


@pytest.mark.slow
def test_an_engine_is_built_once_and_several_are_built_anew(gpu, calls, tmp_path):
    gpu()
    model = onnx_file(tmp_path / "tiny.onnx")
    built = set()
    for folder in ("a", "b"):
        (one,) = engines_of(model, tmp_path / folder, "fp32", Building())
        assert vouched(one).targets == ("sm_86",)
        built.add(vouched(one).engine.sha256)
    assert len(built) == 1  # two builds are never the same
    several = engines_of(model, tmp_path / "c", "fp32", Building(builds=3))
    assert calls == [True, True, False, False, False]  # whether it is remembered
    assert len(set(several)) == 3
    for engine in several:
        vouched(engine)


def test_without_a_gpu_or_a_tensorrt_for_it_the_exit_code_is_three(gpu, tmp_path):
    model = onnx_file(tmp_path / "tiny.onnx")
    gpu("sm_90")  # which TensorRT for RTX does not build for
    with pytest.raises(MissingComponent, match="builds for sm_90 is not") as missing:
        engines_of(model, tmp_path, "fp32", Building())
    assert missing.value.exit_code == 3
    assert "resgen[tensorrt]" in missing.value.hint


def test_without_a_gpu_what_can_be_done_is_said():
    if device.present() is not None:
        pytest.skip("a GPU is here")
    with pytest.raises(MissingDevice) as missing:
        find("tensorrt").require("cuda:0", "it is tested")
    assert "resgen export SOURCE --to tensorrt" in missing.value.hint


def test_inputs_of_several_sizes_are_refused(gpu, tmp_path):
    gpu()
    model = onnx_file(tmp_path / "tiny.onnx")
    shapes = {"a": (3, 8, 8), "b": (1, 8)}
    with pytest.raises(UsageError, match="inputs of one size"):
        engines_of(model, tmp_path, "fp32", Building(shapes=shapes))


@pytest.mark.slow
def test_pairs_take_turns_among_the_builds(gpu, spec, monkeypatch):
    gpu()
    opened = []

    class Quick:
        """A process that always takes as long."""

        def __init__(self, worker):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def tell(self, name, *arguments):
            self.answer = [4e-3, 4.001e-3]
            if name == "open":
                opened.append(arguments[0].prepared.engine)

        def hear(self):
            return self.answer

    monkeypatch.setattr(compare, "Process", Quick)
    building = Building(builds=compare.BUILDS)
    with (
        prepared(Wanted(str(spec), building=building)) as a,
        prepared(Wanted(str(spec), building=building)) as b,
    ):
        jobs = (Job(a, "tensorrt"), Job(b, "tensorrt"))
        found = compare.measured(*jobs, seconds=0.01, seed=0)
        assert set(opened) == {*a.builds, *b.builds}
        sides = list(zip(opened[::2], opened[1::2], strict=True))
        alike = [pair for pair in sides if set(pair) <= set(a.builds)]
        assert all(one != other for one, other in alike)
        assert found.notes[-1].startswith("over 4 builds of A's engine and 4 of B's")
        # In turns, so that what a build brought about is in the spread of the pairs.
        pairs = [pair for pair in sides if pair not in alike]
        turns = [(n % compare.BUILDS) for n in range(len(pairs))]
        assert pairs == [(a.builds[n], b.builds[n]) for n in turns]
        jobs = (jobs[0], Job(replace(b, builds=()), "tensorrt"))
        found = compare.measured(*jobs, seconds=0.01, seed=0)
        assert "one build of an engine" in found.notes[-1]
