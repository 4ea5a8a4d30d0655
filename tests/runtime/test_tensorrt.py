"""Engines in a session: what is refused before anything is loaded, and a run.

There is no GPU here, so the run is one of a stand-in for TensorRT that adds one to its
input; that its names are TensorRT's own is checked in `tests/tensorrt`.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pytest
from hand_graph import Builder, random_weights

from resgen.errors import MissingComponent, MissingDevice, ResgenError
from resgen.lower.onnx import write
from resgen.machine import device
from resgen.ops.conv import Conv
from resgen.runtime import tensorrt as runtime
from resgen.runtime.tensorrt import TensorRtSession, TorchMemory
from resgen.tensorrt.export import export_engine
from resgen.tensorrt.flavor import FLAVORS
from resgen.tensorrt.request import EngineRequest

RTX = FLAVORS["rtx"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A real engine of one convolution."""
    pytest.importorskip("tensorrt_rtx")
    folder = tmp_path_factory.mktemp("engine")
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=4, kernel=3))
    graph = net.graph()
    write(graph, random_weights(graph), folder / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESGEN_CACHE", str(folder / "cache"))
        request = EngineRequest(RTX, ("sm_86",))
        return export_engine(folder / "model.onnx", folder, request)


@pytest.fixture
def engine(exported, tmp_path):
    """Copies of the engine and its manifest."""
    for path in (exported.engine, exported.manifest_file):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / exported.engine.name


def test_without_a_gpu_an_engine_is_not_loaded(engine):
    if device.present() is not None:
        pytest.skip("a GPU is here")
    with pytest.raises(MissingDevice, match="no NVIDIA GPU or driver") as missing:
        TensorRtSession(engine)
    assert missing.value.exit_code == 3


def test_what_is_at_fault_comes_before_what_is_missing(engine, monkeypatch):
    monkeypatch.setattr(runtime, "load", None)  # nothing is loaded
    content = engine.read_bytes()
    engine.write_bytes(content[:-9])
    with pytest.raises(ResgenError, match="cut short") as refused:
        TensorRtSession(engine)
    assert refused.value.exit_code == 1
    engine.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ResgenError, match="was altered"):
        TensorRtSession(engine)


def test_an_engine_without_a_manifest_is_loaded_only_if_told(engine):
    engine.with_name("model.engine.json").unlink()
    with pytest.raises(ResgenError, match="only if its manifest vouches"):
        TensorRtSession(engine)
    if device.present() is None:  # told, it would be loaded onto a GPU
        with pytest.raises(MissingDevice, match="PyTorch sees no GPU"):
            TensorRtSession(engine, unvouched=RTX)


def test_tensorrt_that_is_not_installed_is_named(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, RTX.module, None)
    monkeypatch.setattr("resgen.tensorrt.manifest.installed", lambda: ())
    with pytest.raises(MissingComponent, match="TensorRT for RTX is not installed"):
        TensorRtSession(engine)


# --- a run ----------------------------------------------------------------------------

Mode = Enum("Mode", "INPUT OUTPUT")


class Memory:
    """Blocks of host and device, whose addresses are their places in a list."""

    stream = 7
    name = "Stand-in"
    blocks: list[SimpleNamespace] = []  # noqa: RUF012  # one memory, as on a device
    inside = 0

    def __init__(self, device="cuda:0"):
        self.device = device

    def make(self, size):
        block = SimpleNamespace(
            address=len(self.blocks),
            host=np.zeros(size, np.uint8),
            device=np.zeros(size, np.uint8),
        )
        self.blocks.append(block)
        return block

    @contextmanager
    def current(self):
        Memory.inside += 1
        try:
            yield
        finally:
            Memory.inside -= 1

    def upload(self, block):
        block.device[:] = block.host

    def download(self, block):
        block.host[:] = block.device

    def wait(self):
        pass


class Stream:
    """PyTorch's, as far as it is used."""

    cuda_stream = 11

    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("enter")

    def __exit__(self, *failure):
        self.log.append("leave")

    def synchronize(self):
        self.log.append("synchronize")


class FakeTorch:
    """Tensors are dictionaries of how they were made."""

    uint8 = "uint8"

    def __init__(self, available=True):
        self.log = []
        own = Stream(self.log)
        self.cuda = SimpleNamespace(
            is_available=lambda: available,
            device_count=lambda: 2,
            set_device=lambda number: self.log.append(f"device {number}"),
            get_device_name=lambda number: f"GPU {number}",
            current_stream=lambda: own,
            stream=lambda stream: stream,
        )

    def empty(self, size, **how):
        return how


def test_memory_is_pinned_and_of_the_device_and_stream_of_the_session(monkeypatch):
    """In whichever thread: a lane of `--mode throughput` begins on the first GPU."""
    torch = FakeTorch()
    monkeypatch.setattr("resgen.runtime.torch.load_torch", lambda why: torch)
    memory = TorchMemory("cuda:1")
    torch.cuda.current_stream = lambda: None
    assert (memory.stream, memory.name) == (11, "GPU 1")
    block = memory.make(3)
    assert block.device["device"] == "cuda:1"
    assert block.pinned["pin_memory"] is True
    memory.wait()
    assert torch.log == ["device 1", "enter", "leave", "synchronize"]


def test_a_pytorch_without_cuda_beside_a_gpu_is_named(monkeypatch):
    torch = FakeTorch(available=False)
    monkeypatch.setattr("resgen.runtime.torch.load_torch", lambda why: torch)
    with pytest.raises(MissingDevice, match="PyTorch sees no GPU") as missing:
        TorchMemory("cuda:0")
    assert "PyTorch for CUDA" in missing.value.hint


class Context:
    """Adds one to ``x``, half as precisely."""

    profiler = None

    def __init__(self):
        self.addresses = {}
        self.fails = False
        self.refuses = False
        self.runs = 0
        self.told = []
        self.asked = []
        self.capturable = True

    def set_optimization_profile_async(self, index, stream):
        self.told.append("profile")
        self.profile = index
        return stream == Memory.stream

    def set_input_shape(self, name, shape):
        self.told.append("shape")
        self.shape = shape
        return name == "x" and not self.refuses

    def get_tensor_shape(self, name):
        return (-8, 3) if self.refuses else self.shape

    def set_tensor_address(self, name, address):
        self.told.append("address")
        self.addresses[name] = address
        return True

    def is_stream_capturable(self, stream):
        self.asked.append(stream)
        return self.capturable

    def execute_async_v3(self, stream):
        x, y = (Memory.blocks[self.addresses[name]].device for name in "xy")
        y[:] = (x.view(np.float32) + 1).astype(np.float16).view(np.uint8)
        self.runs += 1
        if self.profiler is not None:
            self.profiler.report_layer_time("add", float(self.runs))
            self.profiler.report_layer_time("cast", 0.5)
        return not self.fails


@pytest.fixture
def context(monkeypatch):
    """The context of an engine that takes one input of 1 to 2 or of 8 to 16."""
    made = Context()
    made.others = []
    made.configs = []

    def contexts():
        yield made
        while True:
            made.others.append(Context())
            yield made.others[-1]

    waiting = contexts()
    described = '{"Layers": [{"Name": "add", "LayerType": "kgen"}]}'
    spans = [[(1, 3), (1, 3), (2, 3)], [(8, 3), (8, 3), (16, 3)]]
    made.dtypes = dtypes = {"x": "FLOAT", "y": "HALF"}
    made.engine = loaded = SimpleNamespace(
        num_io_tensors=2,
        num_optimization_profiles=2,
        create_execution_context=lambda **config: (
            made.configs.append(config) or next(waiting)
        ),
        create_engine_inspector=lambda: SimpleNamespace(
            get_engine_information=lambda form: described
        ),
        get_tensor_name=lambda index: "xy"[index],
        get_tensor_mode=lambda name: Mode.INPUT if name == "x" else Mode.OUTPUT,
        get_tensor_shape=lambda name: (-1, 3),
        get_tensor_dtype=lambda name: SimpleNamespace(name=dtypes[name]),
        get_tensor_profile_shape=lambda name, index: spans[index],
    )
    made.trt = trt = SimpleNamespace(
        TensorIOMode=Mode,
        IProfiler=type("IProfiler", (), {}),
        LayerInformationFormat=SimpleNamespace(JSON=1),
        Runtime=lambda logger: SimpleNamespace(
            deserialize_cuda_engine=lambda content: loaded
        ),
    )
    log = SimpleNamespace(clear=lambda: None, why=lambda: "the GPU is on fire")
    monkeypatch.setattr(runtime, "load", lambda flavor, why: trt)
    monkeypatch.setattr(runtime, "logger_of", lambda trt: (None, log))
    monkeypatch.setattr(runtime, "TorchMemory", Memory)
    return made


def picture(batch):
    return np.random.default_rng(0).normal(size=(batch, 3)).astype(np.float32)


@pytest.mark.parametrize(("batch", "profile"), [(1, 0), (2, 0), (8, 1), (16, 1)])
def test_a_run_takes_the_profile_that_fits(engine, context, batch, profile):
    with TensorRtSession(engine, unvouched=RTX) as session:
        assert session.name == "TensorRT for RTX"
        assert session.inputs == {"x": (None, 3)}
        assert session.outputs == {"y": (None, 3)}
        assert session.dtypes == {"x": "float32", "y": "float16"}
        given = picture(batch)
        found = session.run({"x": given})
    assert context.profile == profile
    assert found["y"].dtype == np.float16
    np.testing.assert_allclose(found["y"], given + 1, rtol=1e-2)


@pytest.mark.parametrize("batch", [4, 17, 64])
def test_a_batch_outside_the_profiles_is_refused(engine, context, batch):
    with (
        TensorRtSession(engine, unvouched=RTX) as session,
        pytest.raises(ResgenError, match="takes 1 x 3 to 2 x 3; 8 x 3 to 16 x 3") as no,
    ):
        session.run({"x": picture(batch)})
    assert f"given {batch} x 3" in str(no.value)
    assert "another profile" in no.value.hint


def test_a_run_that_fails_and_a_session_that_is_closed_are_errors(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        context.fails = True
        with pytest.raises(ResgenError, match=r"does not run.*the GPU is on fire"):
            session.run({"x": picture(1)})
    with pytest.raises(ResgenError, match="closed"):
        session.run({"x": picture(1)})


def test_a_size_that_is_refused_is_told_as_tensorrt_tells_it(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        context.refuses = True
        with pytest.raises(ResgenError, match="the GPU is on fire"):
            session.run({"x": picture(1)})


def test_a_context_is_told_what_has_changed_and_nothing_else(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        call = session.repeated({"x": picture(1)})
        held = len(Memory.blocks)
        assert context.told == ["profile", "shape", "address", "address"]
        for _ in range(3):
            call()
        assert len(context.told) == 4
        assert len(Memory.blocks) == held
        session.run({"x": picture(2)})  # the same profile
        assert context.told[4:] == ["shape", "address", "address"]
        session.run({"x": picture(8)})
        assert context.told[7:] == ["profile", "shape", "address", "address"]
    assert Memory.inside == 0


def test_a_result_stays_when_the_next_run_overwrites_the_memory(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        first = session.run({"x": picture(2)})["y"]
        kept = first.copy()
        session.run({"x": picture(2) + 5})
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("INT64", "int64"), ("BOOL", "bool"), ("FP8", "float8_e4m3fn"), ("INT4", None)],
)
def test_every_type_of_an_output_is_known_or_named(engine, context, kind, dtype):
    context.dtypes["y"] = kind
    if dtype is None:
        with pytest.raises(ResgenError, match='"y" of the engine is INT4'):
            TensorRtSession(engine, unvouched=RTX)
        return
    with TensorRtSession(engine, unvouched=RTX) as session:
        assert session.dtypes["y"] == dtype


@pytest.mark.parametrize("capturable", [True, False])
def test_the_context_is_asked_whether_a_graph_can_hold_its_runs(
    engine, context, capturable
):
    context.capturable = capturable
    with TensorRtSession(engine, unvouched=RTX) as session:
        session.resident({"x": picture(2)})
        assert session.capturable is capturable
    assert context.asked == [Memory.stream]


class Kernels:
    """A runtime cache: what it was given, and a kernel a size."""

    def __init__(self, accepts):
        self.accepts = accepts
        self.content = b""

    def deserialize(self, blob):
        if self.accepts:
            self.content = bytes(blob)
        return self.accepts

    def serialize(self):
        return self.content or b"compiled"


@pytest.fixture
def compiling(context, monkeypatch, tmp_path):
    """TensorRT for RTX, which compiles kernels where an engine runs."""
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path / "cache"))
    context.trt.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER=2)
    context.caches = []

    def config(accepts=True):
        def create():
            context.caches.append(Kernels(accepts))
            return context.caches[-1]

        return SimpleNamespace(
            create_runtime_cache=create, set_runtime_cache=lambda cache: True
        )

    context.engine.create_runtime_config = config
    return config


def test_kernels_are_compiled_before_the_run_and_kept(engine, context, compiling):
    for accepts, content in ((True, b""), (True, b"compiled"), (False, b"")):
        context.engine.create_runtime_config = lambda a=accepts: compiling(a)
        with TensorRtSession(engine, unvouched=RTX) as session:
            config = context.configs[-1]["runtime_config"]
            assert config.dynamic_shapes_kernel_specialization_strategy == 2
            assert context.caches[-1].content == content
            session.run({"x": picture(2)})
    (kept,) = (engine.parent / "cache" / "kernels").iterdir()
    assert kept.read_bytes().endswith(b"compiled")
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")  # what was altered is not used
    context.engine.create_runtime_config = compiling
    with TensorRtSession(engine, unvouched=RTX):
        assert context.caches[-1].content == b""


def test_what_stays_on_the_device_is_bound_once(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        queue = session.resident({"x": picture(2)})
        bound, held = dict(context.addresses), len(Memory.blocks)
        for _ in range(3):
            Memory.blocks[bound["y"]].device[:] = 0
            queue()
            found = Memory.blocks[bound["y"]].device.view(np.float16).reshape(2, 3)
            np.testing.assert_allclose(found, picture(2) + 1, rtol=1e-2)
        assert (context.addresses, len(Memory.blocks)) == (bound, held)
        # Another size in between is not what the call then runs on.
        session.run({"x": picture(8)})
        queue()
        assert (context.shape, context.addresses) == ((2, 3), bound)
        context.fails = True
        with pytest.raises(ResgenError, match="does not run"):
            queue()


def test_layers_are_timed_in_a_context_of_their_own(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        times, layers = session.layer_times({"x": picture(2)}, runs=5)
        (other,) = context.others
        # The first of six runs is not counted: 2, 3, 4, 5 and 6 ms.
        assert times == pytest.approx({"add": 4e-3, "cast": 0.5e-3})
        assert layers == {"Layers": [{"Name": "add", "LayerType": "kgen"}]}
        assert other.profile == 0
        assert other.runs == 6
        assert (context.profiler, context.runs) == (None, 1)
        session.run({"x": picture(1)})
        assert other.runs == 6
    with pytest.raises(ResgenError, match="closed"):
        session.layer_times({"x": picture(2)}, runs=5)
