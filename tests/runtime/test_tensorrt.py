"""Engines in a session: what is refused before anything is loaded, and a run.

There is no GPU here, so the run is one of a stand-in for TensorRT that adds one to its
input; that its names are TensorRT's own is checked in `tests/tensorrt`.
"""

from __future__ import annotations

import sys
from enum import Enum
from types import SimpleNamespace

import numpy as np
import pytest
from hand_graph import Builder, random_weights

from resgen.errors import MissingComponent, MissingDevice, ResgenError
from resgen.exports.engine import export_engine
from resgen.lower.onnx import write
from resgen.machine import device
from resgen.ops.conv import Conv
from resgen.runtime import tensorrt as runtime
from resgen.runtime.tensorrt import TensorRtSession, TorchMemory
from resgen.tensorrt.flavor import FLAVORS

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
        return export_engine(
            folder / "model.onnx", folder, flavor=RTX, targets=("sm_86",)
        )


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
    if device.present() is None:  # told, it is handed to TensorRT, which needs a GPU
        with pytest.raises(ResgenError, match="does not load"):
            TensorRtSession(engine, unvouched=RTX)


def test_tensorrt_that_is_not_installed_is_named(engine, monkeypatch):
    monkeypatch.setitem(sys.modules, RTX.module, None)
    monkeypatch.setattr("resgen.tensorrt.manifest.installed", lambda: ())
    with pytest.raises(MissingComponent, match="TensorRT for RTX is not installed"):
        TensorRtSession(engine)


# --- a run ----------------------------------------------------------------------------

Mode = Enum("Mode", "INPUT OUTPUT")


class Memory:
    """Arrays whose addresses are their places in a list."""

    stream = 7
    blocks: list[np.ndarray] = []  # noqa: RUF012  # one memory, as on a device

    def put(self, array):
        return self.make(array.nbytes, array)

    def make(self, size, content=None):
        self.blocks.append(np.zeros(size, np.uint8) if content is None else content)
        return len(self.blocks) - 1

    def address(self, block):
        return block

    def get(self, block):
        return self.blocks[block]


def test_results_are_copied_when_the_engines_own_stream_is_done(monkeypatch):
    """In whichever thread: a lane of `--mode throughput` has another current stream."""
    log = []

    class Stream:
        cuda_stream = 11

        def synchronize(self):
            log.append("synchronize")

    class Block:
        def cpu(self):
            log.append("copy")
            return self

        def numpy(self):
            return np.zeros(3, np.uint8)

    own = Stream()
    torch = SimpleNamespace(cuda=SimpleNamespace(current_stream=lambda: own))
    monkeypatch.setattr(runtime, "load_torch", lambda why: torch)
    memory = TorchMemory()
    torch.cuda.current_stream = lambda: SimpleNamespace(cuda_stream=0)
    assert memory.stream == 11
    memory.get(Block())
    assert log == ["synchronize", "copy"]


class Context:
    """Adds one to ``x``, half as precisely."""

    profiler = None

    def __init__(self):
        self.addresses = {}
        self.fails = False
        self.runs = 0

    def set_optimization_profile_async(self, index, stream):
        self.profile = index
        return stream == Memory.stream

    def set_input_shape(self, name, shape):
        self.shape = shape
        return name == "x"

    def get_tensor_shape(self, name):
        return self.shape

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        x, y = (Memory.blocks[self.addresses[name]] for name in "xy")
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

    def contexts():
        yield made
        while True:
            made.others.append(Context())
            yield made.others[-1]

    waiting = contexts()
    described = '{"Layers": [{"Name": "add", "LayerType": "kgen"}]}'
    spans = [[(1, 3), (1, 3), (2, 3)], [(8, 3), (8, 3), (16, 3)]]
    dtypes = {"x": "FLOAT", "y": "HALF"}
    loaded = SimpleNamespace(
        num_io_tensors=2,
        num_optimization_profiles=2,
        create_execution_context=lambda: next(waiting),
        create_engine_inspector=lambda: SimpleNamespace(
            get_engine_information=lambda form: described
        ),
        get_tensor_name=lambda index: "xy"[index],
        get_tensor_mode=lambda name: Mode.INPUT if name == "x" else Mode.OUTPUT,
        get_tensor_shape=lambda name: (-1, 3),
        get_tensor_dtype=lambda name: SimpleNamespace(name=dtypes[name]),
        get_tensor_profile_shape=lambda name, index: spans[index],
    )
    trt = SimpleNamespace(
        TensorIOMode=Mode,
        IProfiler=type("IProfiler", (), {}),
        LayerInformationFormat=SimpleNamespace(JSON=1),
        Runtime=lambda logger: SimpleNamespace(
            deserialize_cuda_engine=lambda content: loaded
        ),
    )
    log = SimpleNamespace(clear=lambda: None, why=lambda: "")
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
    assert "--profile" in no.value.hint


def test_a_run_that_fails_and_a_session_that_is_closed_are_errors(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        context.fails = True
        with pytest.raises(ResgenError, match="does not run"):
            session.run({"x": picture(1)})
    with pytest.raises(ResgenError, match="closed"):
        session.run({"x": picture(1)})


def test_what_stays_on_the_device_is_bound_once(engine, context):
    with TensorRtSession(engine, unvouched=RTX) as session:
        queue = session.resident({"x": picture(2)})
        bound, held = dict(context.addresses), len(Memory.blocks)
        for _ in range(3):
            Memory.blocks[bound["y"]][:] = 0
            queue()
            found = Memory.blocks[bound["y"]].view(np.float16).reshape(2, 3)
            np.testing.assert_allclose(found, picture(2) + 1, rtol=1e-2)
        assert (context.addresses, len(Memory.blocks)) == (bound, held)
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
