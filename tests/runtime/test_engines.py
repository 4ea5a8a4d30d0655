"""Engines: found by their files, and all of one opinion about a network."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
from small_subject import SPEC, onnx_file

from resgen.artifact.prepare import Wanted, prepared
from resgen.errors import MissingComponent, MissingDevice, ResgenError, UsageError
from resgen.profiling.bench import Bench, Job
from resgen.runtime import engines
from resgen.runtime.base import load
from resgen.runtime.engines import Engine, Opening, find, names, present
from resgen.runtime.null import NullSession
from resgen.runtime.opencv import OpenCvSession
from resgen.runtime.openvino import OpenVinoSession
from resgen.runtime.torch import TorchSession


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "small.json"
    path.write_text(json.dumps(SPEC))
    with prepared(Wanted(str(path))) as subject:
        yield subject


def pictures(batch=3):
    noise = np.random.default_rng(0).standard_normal((batch, 3, 32, 32), np.float32)
    return {"input": noise}


def opened(subject, name, **options):
    if name in ("opencv", "openvino"):
        pytest.importorskip({"opencv": "cv2"}.get(name, name))
    engine = find(name)
    opening = Opening(subject.file(engine.takes), subject.module, **options)
    return engine.open(opening)


@pytest.mark.parametrize("name", ["onnxruntime", "opencv", "openvino", "torch"])
def test_engines_are_of_one_opinion(small, name):
    with opened(small, "torch") as session:
        expected = session.run(pictures())["output"]
    with opened(small, name, threads=1) as session:
        assert session.inputs == {"input": (None, 3, 32, 32)}
        assert session.dtypes["input"] == "float32"
        found = session.run(pictures())["output"]
        again = session.repeated(pictures())
        again()
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.slow
def test_a_compiled_module_says_the_same(tmp_path, monkeypatch):
    """Of one block: each kernel is a file for the compiler of C++."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "block.json"
    stages = [{"block": "basic", "width": 8, "depth": 1}]
    stem = {"op": "conv", "out": 8, "kernel": 3}
    path.write_text(json.dumps({**SPEC, "stem": stem, "stages": stages}))
    with prepared(Wanted(str(path))) as subject:
        with opened(subject, "torch") as session:
            expected = session.run(pictures())["output"]
        with opened(subject, "torch-compile") as session:
            found = session.run(pictures())["output"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))


@pytest.mark.parametrize("name", ["onnxruntime", "opencv", "openvino", "torch"])
def test_a_processor_keeps_nothing_on_a_device(small, name):
    with (
        opened(small, name) as session,
        pytest.raises(ResgenError, match="cannot keep its inputs on a device"),
    ):
        session.resident(pictures())


def test_engines_are_found_by_their_files():
    found = names()
    assert found == [
        "litert", "onnxruntime", "opencv", "openvino", "tensorrt", "torch",
        "torch-compile",
    ]  # fmt: skip
    assert "null" in names(hidden=True)
    assert find("torch-compile").title == "torch.compile"
    assert all(isinstance(find(name), Engine) for name in names(hidden=True))


def test_an_engine_may_lie_elsewhere(monkeypatch):
    mine = types.ModuleType("mine.engine")
    mine.ENGINE = find("null")
    monkeypatch.setitem(sys.modules, "mine", types.ModuleType("mine"))
    monkeypatch.setitem(sys.modules, "mine.engine", mine)
    assert find("mine.engine") is find("null")
    mine.ENGINE = 3
    with pytest.raises(UsageError, match="is not a"):
        find("mine.engine")
    with pytest.raises(UsageError, match="no module with an ENGINE"):
        find("no_such.engine")


@pytest.mark.parametrize("name", ["onnxruntme", "base", "../x"])
def test_an_engine_that_is_none_is_refused(name):
    with pytest.raises(UsageError, match="there is no runtime") as found:
        find(name)
    assert "openvino" in (found.value.hint or "")


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    with pytest.raises(UsageError, match="does not run on cuda here; it runs on cpu"):
        find("opencv").require("cuda:0", "")
    with pytest.raises(MissingDevice, match="no NVIDIA GPU"):
        find("onnxruntime").require("cuda:0", "")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(MissingComponent) as found:
        find("tensorrt").require("cuda:0", "the engine cannot run here")
    assert found.value.message == (
        "TensorRT is not installed, so the engine cannot run here"
    )
    assert found.value.install.splitlines() == [
        'pip install "resgen[tensorrt]"      an NVIDIA GPU with a driver is needed as '
        "well",
        "`resgen doctor` shows what this machine has.",
    ]
    assert list(present("cpu")) == []


@pytest.mark.slow
def test_what_is_here_is_found_with_its_version():
    here = list(present("cpu"))
    assert {"onnxruntime", "torch", "torch-compile"} <= set(here)
    assert "tensorrt" not in here
    import onnxruntime

    assert find("onnxruntime").version == onnxruntime.__version__


@pytest.mark.parametrize(
    ("engine", "module", "title"),
    [
        (OpenCvSession, "cv2", "OpenCV"),
        (OpenVinoSession, "openvino", "OpenVINO"),
    ],
)
def test_a_file_that_does_not_load_names_the_engine(
    tmp_path, monkeypatch, engine, module, title
):
    path = tmp_path / "broken.onnx"
    path.write_bytes(onnx_file(tmp_path / "whole.onnx").read_bytes()[:200])
    with pytest.raises(ResgenError, match=r"broken\.onnx"):
        engine(path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingComponent, match=f"{title} is not installed"):
        engine(onnx_file(tmp_path / "whole.onnx"))


def test_a_folder_that_is_called_as_an_engine_is_none(tmp_path, monkeypatch):
    (tmp_path / "engine_of_nobody").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingComponent, match="Nobody's is not installed, so it"):
        load("engine_of_nobody", "Nobody's", "it cannot run", "nobody")


def test_a_file_that_an_engine_cannot_run_says_why(tmp_path):
    pytest.importorskip("openvino")
    import onnx

    path = onnx_file(tmp_path / "strange.onnx")
    model = onnx.load(path)
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, path)
    with pytest.raises(ResgenError, match=r"OpenVINO .* does not load") as found:
        OpenVinoSession(path)
    assert "NoSuchOperator" in found.value.message
    assert "another runtime" in (found.value.hint or "")


def test_a_file_is_nothing_for_pytorch(tmp_path):
    with prepared(Wanted(str(onnx_file(tmp_path / "x.onnx")))) as subject:
        for name in ("torch", "torch-compile"):
            with pytest.raises(ResgenError, match="runs networks of a spec, and x is"):
                Bench(Job(subject, name))


def test_a_module_runs_in_the_type_that_it_has(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SPEC))
    with prepared(Wanted(str(path), precision="fp16")) as half:
        graph, module = half.module()
        with TorchSession(graph, module, threads=1) as session:
            found = session.run(pictures())["output"]
    assert np.isfinite(found).all()


def test_the_null_engine_takes_the_time_that_it_is_told_to():
    waited = []
    session = NullSession(
        {"x": (None, 3)}, {"y": (None, 5), "z": (None, None)},
        seconds=iter([0.1, 0.2]).__next__, wait=waited.append,
    )  # fmt: skip
    for _ in range(2):
        found = session.run({"x": np.zeros((4, 3), np.float32)})
    assert waited == [0.1, 0.2]
    assert {name: array.shape for name, array in found.items()} == {
        "y": (4, 5), "z": (4, 1),
    }  # fmt: skip
