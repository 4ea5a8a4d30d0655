"""Optimised graphs that are kept between sessions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from resgen.errors import ResgenError
from resgen.runtime import optimized
from resgen.runtime.onnxruntime import OnnxRuntimeSession

X = np.random.default_rng(0).normal(size=(2, 16, 8, 8)).astype(np.float32)


def network():
    """A convolution, which the optimiser lays out anew, and a product, left alone."""
    random = np.random.default_rng(1)
    weights = {
        "conv": random.normal(size=(16, 16, 3, 3)),
        "scale": random.normal(size=(16, 1, 1)),
        "linear": random.normal(size=(16, 100)),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "conv"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Mul", ["a", "scale"], ["b"]),
            helper.make_node("Relu", ["b"], ["c"]),
            helper.make_node("GlobalAveragePool", ["c"], ["d"]),
            helper.make_node("Flatten", ["d"], ["e"]),
            helper.make_node("MatMul", ["e", "linear"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 100])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(network(), path)
    return path


@pytest.fixture(scope="module")
def expected(model):
    with OnnxRuntimeSession(model) as session:
        return session.run({"x": X})["y"]


@pytest.fixture
def opened(monkeypatch):
    """The files that ONNX Runtime is given to open, in order."""
    files = []
    real = onnxruntime.InferenceSession

    def spy(given, *args, **options):
        files.append(given)
        return real(given, *args, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    return files


def run(model, cache):
    with OnnxRuntimeSession(model, cache=cache) as session:
        return session.run({"x": X})["y"]


def entries(cache):
    return sorted(path for path in cache.iterdir() if path.name != optimized.HASHES)


def test_the_second_session_opens_what_the_first_has_kept(
    model, expected, tmp_path, opened
):
    cache = tmp_path / "new" / "cache"
    for _ in range(3):
        np.testing.assert_array_equal(run(model, cache), expected)
    (entry,) = entries(cache)
    kept = str(entry / "model.onnx")
    assert opened == [str(model), kept, kept]


def test_the_kept_graph_is_an_optimised_one_and_whole_without_the_model(
    model, expected, tmp_path
):
    moved = tmp_path / "moved"
    shutil.copytree(model.parent, moved)
    run(moved / "model.onnx", tmp_path / "cache")
    shutil.rmtree(moved)
    (entry,) = entries(tmp_path / "cache")
    nodes = onnx.load(entry / "model.onnx").graph.node
    assert len(nodes) < len(network().graph.node) or any(n.domain for n in nodes)
    with OnnxRuntimeSession(entry / "model.onnx", optimize=False) as session:
        np.testing.assert_array_equal(session.run({"x": X})["y"], expected)


def test_weights_outside_the_model_are_kept_too_and_belong_to_the_key(tmp_path):
    path, cache = tmp_path / "m" / "model.onnx", tmp_path / "cache"
    path.parent.mkdir()
    onnx.save(
        network(), path, save_as_external_data=True, location="w", size_threshold=0
    )
    with OnnxRuntimeSession(path) as session:
        plain = session.run({"x": X})["y"]
    for _ in range(2):
        np.testing.assert_array_equal(run(path, cache), plain)
    data = path.with_name("w")
    data.write_bytes(bytes(len(data.read_bytes())))
    assert not run(path, cache).any()
    assert len(entries(cache)) == 2
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ResgenError, match="cut short"):
        OnnxRuntimeSession(path, cache=cache)


def test_models_in_memory_are_kept_by_what_they_hold(model, expected, tmp_path, opened):
    for _ in range(2):
        found = run(model.read_bytes(), tmp_path)
        np.testing.assert_array_equal(found, expected)
    assert isinstance(opened[0], bytes)
    assert opened[1].endswith("model.onnx")


def test_a_model_is_hashed_once_until_it_changes(model, tmp_path, monkeypatch):
    path, cache = tmp_path / "m.onnx", tmp_path / "cache"
    content = model.read_bytes()
    changed = bytearray(content)
    changed[content.index(b"linear")] ^= 1  # as long as before
    now = time.time_ns()

    def written(content, age):
        path.write_bytes(content)
        os.utime(path, ns=(now - age * 10**9,) * 2)
        return optimized.entry_of(cache, path)

    first = written(content, age=60)
    with monkeypatch.context() as patched:
        patched.setattr(optimized, "_CHUNK", 0)  # nothing would be read
        assert optimized.entry_of(cache, path) == first
    assert written(changed, age=30) != first
    # A file that has just been written may change again within the clock's tick.
    assert written(content, age=0) == first
    assert written(changed, age=0) != first


@pytest.mark.parametrize("what", ["version", "processor", "provider"])
def test_an_entry_is_for_one_machine_and_one_version(
    model, tmp_path, monkeypatch, what
):
    def entry(*parts):
        return optimized.entry_of(tmp_path, model, *parts)

    before = entry("onnxruntime 1", "cpu")
    assert entry("onnxruntime 1", "cpu") == before
    if what == "processor":
        monkeypatch.setattr(optimized, "_processor", lambda: ("flags : none",))
        assert entry("onnxruntime 1", "cpu") != before
    else:
        version, provider = (2, "cpu") if what == "version" else (1, "cuda")
        assert entry(f"onnxruntime {version}", provider) != before


@pytest.mark.parametrize("damage", ["cut", "flip", "no sum", "no model", "no folder"])
def test_a_damaged_entry_is_made_again(model, expected, tmp_path, damage):
    cache = tmp_path / "cache"
    run(model, cache)
    (entry,) = entries(cache)
    data = entry / "model.onnx.data"
    content = bytearray(data.read_bytes())
    if damage == "cut":
        data.write_bytes(content[:-10])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
    elif damage == "no folder":
        shutil.rmtree(entry)
        entry.write_text("a file")
    else:
        (entry / (optimized.SUM if damage == "no sum" else "model.onnx")).unlink()
    np.testing.assert_array_equal(run(model, cache), expected)
    np.testing.assert_array_equal(run(model, cache), expected)
    if damage != "no folder":
        assert entries(cache) == [entry]
        assert (entry / optimized.SUM).is_file()


def test_a_whole_entry_that_does_not_load_is_made_again(model, expected, tmp_path):
    run(model, tmp_path)
    (entry,) = entries(tmp_path)
    (entry / "model.onnx").write_bytes(b"no model")
    sums = optimized._sum(entry)
    (entry / optimized.SUM).write_text(sums)
    np.testing.assert_array_equal(run(model, tmp_path), expected)
    assert (entry / optimized.SUM).read_text() != sums


def test_a_cache_that_cannot_be_written_costs_nothing(model, expected, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    np.testing.assert_array_equal(run(model, blocked), expected)


def test_a_model_that_does_not_load_is_named_and_leaves_nothing(tmp_path):
    cache = tmp_path / "cache"
    with pytest.raises(ResgenError, match="does not load the ONNX model"):
        OnnxRuntimeSession(b"no model", cache=cache)
    assert entries(cache) == []


RUN = """
import sys, numpy as np
from pathlib import Path
from resgen.runtime.onnxruntime import OnnxRuntimeSession
model, cache, out = map(Path, sys.argv[1:])
x = np.load(out.with_name("x.npy"))
for turn in range(5):
    with OnnxRuntimeSession(model, cache=cache, threads=1) as session:
        found = session.run({"x": x})["y"]
np.save(out, found)
"""


def test_two_processes_at_once_are_safe(model, expected, tmp_path):
    np.save(tmp_path / "x.npy", X)
    cache = tmp_path / "cache"
    outs = [tmp_path / f"{i}.npy" for i in range(3)]
    running = [
        subprocess.Popen([sys.executable, "-c", RUN, model, cache, out], env=os.environ)
        for out in outs
    ]
    assert [process.wait(timeout=100) for process in running] == [0, 0, 0]
    for out in outs:
        np.testing.assert_allclose(np.load(out), expected, atol=1e-5)
    (entry,) = entries(cache)
    assert optimized.find(entry)
