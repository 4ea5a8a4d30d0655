"""The folder that a kit is."""

from __future__ import annotations

import hashlib
import json
import shlex

import ml_dtypes
import numpy as np
import onnx
import pytest
from hand_graph import Builder, random_weights

from resgen.errors import UsageError
from resgen.kit.write import Trial, write_kit
from resgen.lower.onnx import write
from resgen.ops.conv import Conv

SIZES = {"input": ((1, 3, 4, 4), (4, 3, 4, 4), (8, 3, 4, 4))}


def test_every_file_is_there_and_hashed(make_kit, model):
    kit = make_kit()
    names = {path.name for path in kit.iterdir()}
    assert names == {
        "kit.json", "model.onnx", "inputs.npz", "expected.npz", "build_and_time.py",
        "README.txt",
    }  # fmt: skip
    content = json.loads((kit / "kit.json").read_text())
    assert set(content["files"]) == names - {"kit.json"}
    for name, entry in content["files"].items():
        data = (kit / name).read_bytes()
        assert entry == {
            "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip
    assert (kit / "model.onnx").read_bytes() == model.read_bytes()
    assert content["profiles"] == [
        {"input": {"min": [1, 3, 4, 4], "opt": [4, 3, 4, 4], "max": [8, 3, 4, 4]}}
    ]


def test_the_readme_holds_the_line_that_kit_json_holds(make_kit):
    kit = make_kit(profiles=[SIZES, {"input": ((2, 3, 4, 4),) * 3}], precision="fp32")
    line = json.loads((kit / "kit.json").read_text())["trtexec"]
    assert line in (kit / "README.txt").read_text()
    words = shlex.split(line)
    assert words[:4] == [
        "trtexec", "--onnx=model.onnx", "--saveEngine=model.engine", "--stronglyTyped",
    ]  # fmt: skip
    shapes = words.index("--profile=0")
    assert words[shapes : shapes + 8] == [
        "--profile=0", "--minShapes=input:1x3x4x4", "--optShapes=input:4x3x4x4",
        "--maxShapes=input:8x3x4x4", "--profile=1", "--minShapes=input:2x3x4x4",
        "--optShapes=input:2x3x4x4", "--maxShapes=input:2x3x4x4",
    ]  # fmt: skip
    assert "--noTF32" in words
    assert words[-4:] == [
        "--useCudaGraph", "--exportTimes=times.json", "--exportProfile=profile.json",
        "--exportLayerInfo=layers.json",
    ]  # fmt: skip


def test_types_that_only_we_have_are_carried_as_float32(make_kit):
    x = np.ones((1, 3, 4, 4), ml_dtypes.bfloat16)
    kit = make_kit(inputs={"input": x}, expected={"output": x.mean((2, 3))})
    for name in ("inputs.npz", "expected.npz"):
        with np.load(kit / name, allow_pickle=False) as arrays:
            assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}


def test_weights_beside_the_model_come_along(make_kit, tmp_path):
    net = Builder((3, 4, 4))
    net.add("conv", Conv(out=3, kernel=3))
    path = tmp_path / "source" / "net.onnx"
    path.parent.mkdir()
    write(net.graph(), random_weights(net.graph()), path)
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True,
        location="net.onnx.data", size_threshold=0,
    )  # fmt: skip
    kit = make_kit(onnx=path, expected={"output": np.zeros((2, 3, 4, 4), np.float32)})
    data = path.with_name("net.onnx.data")
    assert (kit / data.name).read_bytes() == data.read_bytes()
    ours, theirs = onnx.load(kit / "model.onnx"), onnx.load(path)
    assert ours.graph == theirs.graph
    assert data.name in json.loads((kit / "kit.json").read_text())["files"]


def test_the_sizes_of_a_fixed_file_need_no_profile(make_kit, tmp_path):
    net = Builder((3, 4, 4))
    net.add("conv", Conv(out=3, kernel=3))
    path = tmp_path / "fixed.onnx"
    write(net.graph(), random_weights(net.graph()), path, batch=2)
    expected = {"output": np.zeros((2, 3, 4, 4), np.float32)}
    kit = make_kit(onnx=path, profiles=[], expected=expected)
    assert "Shapes" not in json.loads((kit / "kit.json").read_text())["trtexec"]


def test_inputs_that_no_profile_takes_are_refused(make_kit):
    with pytest.raises(UsageError, match=r"no profile takes the test inputs, .* 2 x 3"):
        make_kit(profiles=[{"input": ((4, 3, 4, 4),) * 3}])


def test_the_files_are_returned(model, tmp_path):
    x = np.zeros((2, 3, 4, 4), np.float32)
    files = write_kit(
        model,
        tmp_path / "kit",
        Trial(
            name="mean",
            precision="fp32",
            inputs={"input": x},
            expected={"output": x.mean((2, 3))},
            tolerance=1e-4,
            metadata={},
        ),
        target="sm_90",
        profiles=[SIZES],
    )
    assert all(path.is_file() for path in files)
    assert {path.name for path in files} == {p.name for p in files[0].parent.iterdir()}
