"""Sessions: one network, loaded by an engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hand_graph import Builder, random_weights

from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.lower.onnx import write
from resgen.lower.torch import to_torch
from resgen.ops.conv import Conv
from resgen.ops.dropout import Dropout
from resgen.ops.norm import Norm
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.runtime.torch import TorchSession


@pytest.fixture(scope="module")
def graph():
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=4, kernel=3, stride=2))
    net.add("drop", Dropout(p=0.5))
    net.add("norm", Norm())
    return net.graph()


@pytest.fixture(scope="module")
def weights(graph):
    return random_weights(graph)


@pytest.fixture(scope="module")
def file(graph, weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "model.onnx"
    write(graph, weights, path)
    return path


def picture(batch=2):
    return np.random.default_rng(0).normal(size=(batch, 3, 9, 9)).astype(np.float32)


@pytest.mark.parametrize("optimize", [True, False])
def test_both_engines_say_the_same_of_a_network(graph, weights, file, optimize):
    module = to_torch(graph, weights)
    with (
        OnnxRuntimeSession(file, optimize=optimize) as session,
        TorchSession(graph, module) as reference,
    ):
        assert session.inputs == reference.inputs == {"input": (None, 3, 9, 9)}
        assert session.outputs == reference.outputs == {"output": (None, 4, 5, 5)}
        expected = reference.run({"input": picture()})["output"]
        found = session.run({"input": picture()})["output"]
    x = torch.nn.functional.conv2d(
        torch.from_numpy(picture()), torch.from_numpy(weights["conv.weight"]),
        stride=2, padding=1,
    )  # fmt: skip
    oracle = torch.nn.functional.batch_norm(
        x, *(torch.from_numpy(weights[f"norm.{role}"])
             for role in ("running_mean", "running_var", "weight", "bias")),
    )  # fmt: skip
    np.testing.assert_allclose(expected, oracle.numpy(), atol=1e-5)
    np.testing.assert_allclose(found, oracle.numpy(), atol=1e-5)


def test_a_module_goes_back_to_training(graph, weights):
    module = to_torch(graph, weights)
    assert module.training
    with TorchSession(graph, module):
        assert not module.training
    assert module.training


def test_bytes_are_a_model_too(file):
    with OnnxRuntimeSession(file.read_bytes()) as session:
        assert session.run({"input": picture(1)})["output"].shape == (1, 4, 5, 5)


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"image": np.zeros((1, 3, 9, 9), np.float32)},
        {"input": np.zeros((1, 3, 9, 8), np.float32)},
        {"input": np.zeros((3, 9, 9), np.float32)},
    ],
)
def test_feeds_that_do_not_fit_are_refused(file, feeds):
    with (
        OnnxRuntimeSession(file) as session,
        pytest.raises(ResgenError, match="the network takes"),
    ):
        session.run(feeds)


@pytest.mark.parametrize("content", [None, b"", b"no model", "half"])
def test_a_file_that_is_no_model_is_named(tmp_path, file, content):
    path = tmp_path / "broken.onnx"
    if content == "half":
        content = file.read_bytes()[: file.stat().st_size // 2]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResgenError, match=r"does not load .*broken\.onnx"):
        OnnxRuntimeSession(path)


@pytest.mark.parametrize("part", ["ir_version", "opset"])
def test_a_file_from_after_this_onnxruntime_has_a_hint(file, part):
    model = onnx.load(file)
    if part == "opset":
        model.opset_import[0].version = 99
    else:
        model.ir_version = 99
    with pytest.raises(ResgenError, match="does not load the ONNX model") as found:
        OnnxRuntimeSession(model.SerializeToString())
    assert "older opset" in found.value.hint


def test_a_type_that_this_processor_has_no_code_for_has_a_hint(file):
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.elem_type = onnx.TensorProto.BFLOAT16
    model.opset_import[0].version = 22
    del model.graph.value_info[:]
    with pytest.raises(ResgenError, match="does not load the ONNX model") as found:
        OnnxRuntimeSession(model.SerializeToString())
    assert "float16 runs in both" in found.value.hint


def test_a_provider_that_is_not_there_is_no_cpu(file):
    with pytest.raises(ResgenError, match="has no NoSuchExecutionProvider"):
        OnnxRuntimeSession(file, provider="NoSuchExecutionProvider")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this ONNX Runtime has the CUDA provider",
)
@pytest.mark.parametrize("name", ["cuda", "CUDAExecutionProvider"])
def test_a_provider_that_was_not_built_in_says_how_to_get_it(file, name):
    with pytest.raises(MissingComponent, match="CUDA provider is not inst") as found:
        OnnxRuntimeSession(file, provider=name)
    assert "pip install onnxruntime-gpu" in found.value.install


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_start_is_refused(file, monkeypatch, capfd):
    offered = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    with pytest.raises(MissingDevice, match="not start CUDAExecutionProvider"):
        OnnxRuntimeSession(file, provider="cuda")
    assert capfd.readouterr().out == ""


@pytest.mark.skipif(
    "AzureExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this ONNX Runtime has no provider that starts and runs nothing",
)
def test_a_provider_that_hands_its_nodes_to_another_is_refused(file):
    with pytest.raises(ResgenError, match="would run on the processor"):
        OnnxRuntimeSession(file, provider="AzureExecutionProvider")


def test_short_names_and_threads(file):
    with (
        OnnxRuntimeSession(file, provider="cpu", threads=1) as one,
        OnnxRuntimeSession(file) as free,
    ):
        found, expected = (
            session.run({"input": picture()})["output"] for session in (one, free)
        )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(UsageError, match="0 threads"):
        OnnxRuntimeSession(file, threads=0)


def test_a_file_for_another_engine_is_named_before_it_is_run(graph, weights, tmp_path):
    path = tmp_path / "placed.onnx"
    write(graph, weights, path, metadata={"resgen.for": "tensorrt"})
    for model in (path, path.read_bytes()):
        with pytest.raises(ResgenError, match="written for TensorRT") as found:
            OnnxRuntimeSession(model)
        assert "export it for onnxruntime" in (found.value.hint or "")
    with OnnxRuntimeSession(path, any_placement=True) as session:
        assert session.run({"input": picture(1)})
    write(graph, weights, path, metadata={"resgen.for": "onnxruntime"})
    with OnnxRuntimeSession(path) as session:
        assert session.run({"input": picture(1)})


def test_an_engine_that_is_missing_says_how_to_get_it(graph, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingComponent, match="ONNX Runtime is not ins") as found:
        OnnxRuntimeSession(file)
    assert found.value.install == 'pip install "resgen[onnxruntime]"'
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingComponent) as found:
        TorchSession(graph, torch.nn.Identity())
    assert found.value.install == 'pip install "resgen[torch]"'


@pytest.mark.parametrize("first", ["", "import resgen.cli as c; c.main(['doctor'])"])
@pytest.mark.slow
def test_no_identifier_is_left_in_the_cache_of_the_user(
    first: str, file: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    script = f"""
try:
    {first or "pass"}
except SystemExit:
    pass
from pathlib import Path
from resgen.runtime.onnxruntime import OnnxRuntimeSession
with OnnxRuntimeSession(Path({str(file)!r})):
    pass
"""
    # On machines of continuous integration ONNX Runtime is silent by itself.
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["HOME"] = str(home)
    subprocess.run(
        [sys.executable, "-c", script], env=env, check=True, capture_output=True
    )
    assert [path for path in home.rglob("*") if path.is_file()] == []
