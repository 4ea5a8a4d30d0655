"""What `build_and_time.py` does on a device, whose TensorRT and CUDA are stand-ins."""

from __future__ import annotations

import ast
import ctypes
import hashlib
import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from resgen.kit.assemble import SCRIPTS, assemble
from resgen.kit.script.board import read_board
from resgen.kit.script.compare import compare
from resgen.kit.script.cuda import cudart_files
from resgen.kit.script.tensors import decode, encode


def result_of(kit):
    return json.loads((kit / "result.json").read_text())


def left_over(kit):
    return {path.name for path in kit.iterdir()} - {"kit.json", "README.txt"}


def test_a_good_engine_is_built_checked_and_timed(make_kit, run_script):
    kit = make_kit()
    done = run_script(kit)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Stand-in GPU, compute capability 8.7" in done.stdout
    result = result_of(kit)
    assert result["status"] == "ok"
    assert result["tensorrt"] == {"flavor": "tensorrt", "version": "11.4.0.106"}
    assert result["machine"]["compute_capability"] == "8.7"
    assert {"power_mode", "clocks_pinned"} <= result["machine"].keys()
    assert result["kit"]["metadata"] == {"spec": "abc"}
    engine = (kit / "model.engine").read_bytes()
    assert result["engine"]["bytes"] == len(engine)
    assert result["engine"]["sha256"] == hashlib.sha256(engine).hexdigest()
    assert result["layers"]["Layers"] == [{"Name": "mean"}]
    (row,) = result["outputs"]
    assert row["ok"]
    assert row["share_of_range"] < 1e-6
    assert row["top1"] == [2, 2]


@pytest.mark.parametrize(
    ("target", "told"), [("sm_87", False), ("sm_72, sm_87", False), ("sm_90", True)]
)
@pytest.mark.slow
def test_another_device_than_was_meant_is_told(make_kit, run_script, target, told):
    done = run_script(make_kit(target=target))
    assert done.returncode == 0
    assert (f"the kit was written for {target}" in done.stdout) == told


@pytest.mark.slow
def test_samples_are_raw_and_in_the_order_of_time(make_kit, run_script):
    kit = make_kit()
    assert run_script(kit).returncode == 0
    result = result_of(kit)
    assert result["columns"] == ["at_s", "device_ms", "host_ms"]
    (timing,) = result["timings"]
    assert timing["inputs"] == {"input": [4, 3, 4, 4]}  # what is optimised for
    rows = timing["compute"] + timing["end_to_end"]
    assert len(rows) == 10
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(0 <= device <= host for _, device, host in rows)
    (layers,) = result["layer_times"]
    assert [layer["name"] for layer in layers["layers"]] == [
        "mean", "(Unnamed Layer* 1) [Shuffle]",
    ]  # fmt: skip
    # A layer that reports twice in one run took the sum.
    assert layers["layers"][0]["ms"] == [0.5] * 20


@pytest.mark.slow
def test_a_run_is_one_launch_where_it_can_be_recorded(
    make_kit, run_script, monkeypatch
):
    """Else Python's launches are in the time of the device."""
    for graph in (True, False):
        if not graph:
            monkeypatch.setenv("NO_GRAPH", "1")
        kit = make_kit(f"graph-{graph}")
        done = run_script(kit)
        assert (done.returncode, done.stderr) == (0, "")  # all is given back, too
        (timing,) = result_of(kit)["timings"]
        assert timing["cuda_graph"] is graph
        assert len(timing["compute"]) == 5


@pytest.mark.parametrize("version", ["8.6.2.3", "9.0.1"])
@pytest.mark.slow
def test_a_tensorrt_that_is_too_old_is_told_before_anything_is_built(
    make_kit, run_script, version
):
    kit = make_kit()
    done = run_script(kit, version=version, refuse="parse")
    assert done.returncode == 3
    assert f"TensorRT {version} is here, and this needs 10 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_power_mode_of_a_jetson_is_kept(tmp_path):
    files = {
        "var/lib/nvpmodel/status": "pmode:0002",
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n"
        "< POWER_MODEL ID=2 NAME=MODE_30W >\n",
        "sys/class/devfreq/17000000.gpu/min_freq": "306000000",
        "sys/class/devfreq/17000000.gpu/max_freq": "1300500000",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    told = {"power_mode": "MODE_30W (2)", "clocks_pinned": False}
    assert read_board(tmp_path) == told
    (tmp_path / "sys/class/devfreq/17000000.gpu/min_freq").write_text("1300500000\n")
    assert read_board(tmp_path)["clocks_pinned"] is True
    other = tmp_path / "other"
    assert read_board(other) == {"power_mode": None, "clocks_pinned": None}


@pytest.mark.slow
def test_every_profile_is_timed(make_kit, run_script):
    sizes = [((1, 3, 4, 4),) * 3, ((1, 3, 4, 4), (8, 3, 4, 4), (16, 3, 4, 4))]
    kit = make_kit(profiles=[{"input": size} for size in sizes])
    done = run_script(kit)
    assert done.returncode == 0, done.stderr
    timings = result_of(kit)["timings"]
    assert [t["inputs"]["input"][0] for t in timings] == [1, 8]
    assert result_of(kit)["kit"]["test_profile"] == 1


@pytest.mark.slow
def test_float32_is_computed_without_tf32(make_kit, run_script):
    for precision, cleared in (("fp32", ["TF32"]), ("fp16", [])):
        kit = make_kit(precision, precision=precision)
        assert run_script(kit).returncode == 0
        engine = json.loads((kit / "model.engine").read_text())
        assert engine["cleared"] == cleared


def test_what_was_asked_of_the_builder_reaches_it(make_kit, run_script):
    kit = make_kit(workspace=1 << 30, level=4)
    assert run_script(kit).returncode == 0
    engine = json.loads((kit / "model.engine").read_text())
    assert (engine["level"], engine["pools"]) == (4, {"WORKSPACE": 1 << 30})
    flags = result_of(kit)["engine"]["flags"]
    assert flags["optimization_level"] == 4
    line = result_of(kit)["kit"]["trtexec"]
    assert "--memPoolSize=workspace:1024 --builderOptimizationLevel=4" in line


def test_bfloat16_inputs_and_outputs_are_converted(make_kit, run_script):
    kit = make_kit(precision="bf16", tolerance=1e-2)
    assert run_script(kit, dtype="BF16").returncode == 0
    (row,) = result_of(kit)["outputs"]
    assert 1e-5 < row["share_of_range"] < 1e-2


def test_another_function_is_not_timed(make_kit, run_script):
    kit = make_kit()
    done = run_script(kit, scale=1.1)
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout
    result = result_of(kit)
    assert result["status"] == "outputs differ"
    assert result["timings"] == []
    assert result["outputs"][0]["signal_to_noise_db"] == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize(
    ("refuse", "code", "message"),
    [
        ("parse", 1, "Resize layer3.conv: antialias is not supported"),
        ("profile", 1, "refuses the profile"),
        ("build", 1, "no tactic for layer3"),
        ("load", 3, "wrong compute capability"),
        ("run", 1, "could not run the engine: a kernel was not found"),
    ],
)
def test_a_refusal_is_told_and_leaves_no_result(
    make_kit, run_script, refuse, code, message
):
    kit = make_kit()
    done = run_script(kit, refuse=refuse)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "not given back" not in done.stderr
    assert not (kit / "result.json").exists()


@pytest.mark.parametrize("devices", [0, -1])
def test_without_a_gpu_nothing_is_built(make_kit, run_script, devices):
    kit = make_kit()
    before = left_over(kit)
    done = run_script(kit, devices=devices)
    assert done.returncode == 3
    assert "there is no NVIDIA GPU" in done.stderr
    assert left_over(kit) == before


@pytest.mark.parametrize(
    "name", ["model.onnx", "inputs.npz", "expected.npz", "kit.json"]
)
@pytest.mark.parametrize("how", ["cut", "gone"])
@pytest.mark.slow
def test_a_damaged_file_is_named_before_anything_is_built(
    make_kit, run_script, name, how
):
    kit = make_kit()
    path = kit / name
    content = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(content[:-20])
    done = run_script(kit)
    assert done.returncode == 1
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not (kit / "model.engine").exists()


def test_a_kit_without_a_key_is_damaged(make_kit, run_script):
    kit = make_kit()
    content = json.loads((kit / "kit.json").read_text())
    del content["tolerances"]
    (kit / "kit.json").write_text(json.dumps(content))
    done = run_script(kit)
    assert done.returncode == 1
    assert "tolerances" in done.stderr


@pytest.mark.slow
def test_without_tensorrt_the_command_that_brings_it_is_named(make_kit):
    kit = make_kit()
    # -I: no PYTHONPATH; -S: no site-packages, so no numpy either.
    done = subprocess.run(
        [sys.executable, "-I", "-S", kit / "build_and_time.py"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "build_and_time: numpy is not installed: pip install numpy\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", kit / "build_and_time.py", "--flavor", "tensorrt"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "TensorRT is not installed: pip install tensorrt" in done.stderr


@pytest.mark.slow
def test_wrong_usage_is_exit_code_2(make_kit, run_script):
    kit = make_kit()
    assert run_script(kit, "--runs", "0").returncode == 2
    assert run_script(kit, "--warm-up", "nan").returncode == 2


def test_a_real_engine_is_built_without_a_gpu(make_kit):
    """TensorRT for RTX builds anywhere; running is another matter."""
    pytest.importorskip("tensorrt_rtx")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a GPU, and this is about its absence")
    kit = make_kit(target="sm_86", precision="fp32")
    done = subprocess.run(
        [sys.executable, kit / "build_and_time.py", "--flavor", "rtx"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    assert re.search(r"model\.engine, \d+\.\d MB in \d+\.\d s", done.stdout)
    assert "model.engine is built, but nothing can run it here" in done.stderr
    assert (kit / "model.engine").stat().st_size > 1000
    assert not (kit / "result.json").exists()


# --- parts ----------------------------------------------------------------------------


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_a_script_is_for_old_pythons_and_needs_nothing_of_ours(script):
    tree = ast.parse(assemble(script), feature_version=(3, 8))
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    engine = {"ai_edge_litert"} if script == "check_and_time.py" else set()
    assert modules - set(sys.stdlib_module_names) == {"numpy", *engine}
    names = [
        name.id
        for node in tree.body
        for name in getattr(node, "targets", ())
        if isinstance(name, ast.Name)
    ]
    names += [node.name for node in tree.body if hasattr(node, "name")]
    assert len(names) == len(set(names)), "a part hides another part's name"
    # Annotations are text, so that newer types may stand there; elsewhere not.
    assert any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for node in tree.body
    )


def test_the_cuda_runtime_has_every_function_that_is_called():
    text = assemble("build_and_time.py")
    names = set(re.findall(r'"(cuda[A-Z]\w+)"', text)) | {"cudaGetErrorString"}
    assert {"cudaMalloc", "cudaEventElapsedTime", "cudaMemcpyAsync"} <= names
    runtimes = []
    for file in cudart_files():
        with suppress(OSError):
            runtimes.append(ctypes.CDLL(file))
    if not runtimes:
        pytest.skip("there is no CUDA runtime here to ask")
    for runtime in runtimes:
        assert [name for name in names if not hasattr(runtime, name)] == []


def test_bfloat16_rounds_as_ml_dtypes_does():
    values = np.random.default_rng(1).normal(size=4096).astype(np.float32)
    values[:4] = [0.0, -0.0, 1.00390625, 1.01171875]  # two ties
    theirs = values.astype(ml_dtypes.bfloat16)
    ours = encode(values, "BF16")
    np.testing.assert_array_equal(ours, theirs.view(np.uint16))
    np.testing.assert_array_equal(decode(ours, "BF16"), theirs.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_differs(bad):
    expected = {"output": np.array([[1.0, 2.0]], np.float32)}
    found = {"output": np.array([[1.0, bad]], np.float32)}
    (row,) = compare(found, expected, {"output": 0.5})
    assert not row["ok"]
    json.dumps(row, allow_nan=False)


def test_another_shape_differs():
    expected = {"output": np.zeros((2, 3), np.float32)}
    found = {"output": np.zeros((2, 4), np.float32)}
    (row,) = compare(found, expected, {"output": 0.5})
    assert not row["ok"]
    assert row["expected_shape"] == [2, 3]
