"""Each check on a GPU as a test, and what `make gpu-test` does where there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resgen.kit.script.cuda import cudart_files, find_cuda

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECKS = load("checks")
REPORT = load("report")


@pytest.mark.gpu
@pytest.mark.parametrize("name", CHECKS.CHECKS)
def test_on_the_gpu(name):
    cuda, why = find_cuda(cudart_files())
    if cuda is None:
        pytest.skip(why)
    row = CHECKS.run(name)
    if row["status"] == "skipped":
        pytest.skip(row["reason"])
    assert row["status"] == "ok", row["reason"]


def test_without_a_gpu_all_is_skipped_with_a_reason(tmp_path):
    if find_cuda(cudart_files())[0] is not None:
        pytest.skip("there is a GPU, and this is about its absence")
    path = tmp_path / "deep" / "report.json"
    done = subprocess.run(
        [sys.executable, HERE / "report.py"],
        env={**os.environ, "GPU_REPORT": str(path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    report = json.loads(path.read_text())
    assert [row["name"] for row in report["checks"]] == list(CHECKS.CHECKS)
    assert all(row["status"] == "skipped" and row["reason"] for row in report["checks"])
    assert report["machine"]["versions"]["resgen"]
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("torch_eager-resnet20_cifar-fp16", "ok"),
        ("onnxruntime_cuda-resnet20_cifar", "ok"),
        pytest.param("trained-resnet20_cifar", "ok", marks=pytest.mark.soak),
        ("tensorrt_kit-resnet20_cifar-rtx", "skipped"),  # once the engine is built
        pytest.param(
            "profiled-resnet20_cifar-torch-fp32-compute", "ok", marks=pytest.mark.soak
        ),
        pytest.param(
            "profiled-resnet20_cifar-torch-fp32-throughput",
            "ok",
            marks=pytest.mark.soak,
        ),
    ],
)
def test_what_a_check_calls_is_there(name, status, monkeypatch):
    """With the CPU in the GPU's place, so that a check is not broken unnoticed."""
    if find_cuda(cudart_files())[0] is not None:
        pytest.skip("there is a GPU, and the check itself is run")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(CHECKS, "cuda", lambda: torch)
    monkeypatch.setattr(CHECKS, "PROVIDER", "CPUExecutionProvider")
    monkeypatch.setattr(CHECKS, "DEVICE", "cpu")
    monkeypatch.setattr(CHECKS, "RUNS", 2)
    monkeypatch.setattr(CHECKS, "event_times", lambda torch, work: [work() is None])
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 9))
    row = CHECKS.run(name)
    assert row["status"] == status, row.get("reason")
    if name.startswith("profiled"):
        assert row["found"]["throughput"] > 0
    elif status == "ok":
        assert (
            row["found"]["share_of_range"]
            < CHECKS.TOLERANCES["bf16" if "trained" in name else "fp16"]
        )
    elif importlib.util.find_spec("tensorrt_rtx"):
        assert "is built, but nothing can run it here" in row["reason"]


def rows(*statuses):
    return [{"name": str(i), "status": status} for i, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "why", "code"),
    [
        (["ok", "skipped"], "", 0),
        (["ok", "failed"], "", 1),
        (["skipped", "skipped"], "", 1),  # with a GPU, nothing is no success
        ([], "", 1),
        (["skipped"], "there is no NVIDIA GPU", 3),
    ],
)
def test_a_report_in_which_nothing_ran_is_not_green(statuses, why, code):
    assert REPORT.exit_code(rows(*statuses), why) == code


def test_a_bundle_for_another_python_is_left_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "unpack.py").write_text((HERE / "unpack.py").read_text("utf-8"))
    told = {"python": "3.7", "archive": "bundle.tar.xz", "sha256": "0"}
    (tmp_path / "bundle.json").write_text(json.dumps(told))
    monkeypatch.setattr(REPORT, "BUNDLE", tmp_path)
    assert REPORT.use_bundle() == []
    assert "not used: the bundle is for Python 3.7" in capsys.readouterr().err
    monkeypatch.setattr(REPORT, "BUNDLE", tmp_path / "none")
    assert REPORT.use_bundle() == []


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for as Linux")
def test_what_a_check_has_started_ends_with_it():
    inner = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    outer = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}], start_new_session=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", outer], stdout=subprocess.PIPE, text=True
    ) as process:
        grandchild = int(process.stdout.readline())
        assert grandchild in REPORT.descendants(process.pid)
        REPORT.end(process)
        # Its end of the pipe is closed, so it is gone too.
        assert process.stdout.read() == ""


def test_a_check_tells_why_it_did_not_run(monkeypatch):
    def skip():
        raise CHECKS.Skip("no such thing here")

    def fail():
        return CHECKS.distance(CHECKS.np.ones(3), CHECKS.np.arange(3.0), "fp16")

    monkeypatch.setitem(CHECKS.CHECKS, "skip", skip)
    monkeypatch.setitem(CHECKS.CHECKS, "fail", fail)
    assert CHECKS.run("skip")["reason"] == "no such thing here"
    row = CHECKS.run("fail")
    assert row["status"] == "failed"
    assert "of its range off" in row["reason"]
    json.dumps(row)


@pytest.mark.slow
def test_an_engine_that_nothing_has_run_is_no_check_that_passed(tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    if find_cuda(cudart_files())[0] is not None:
        pytest.skip("there is a GPU, and this is about its absence")
    monkeypatch.setenv("RESGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(CHECKS, "tensorrt_target", lambda precision: "sm_89")
    with pytest.raises(CHECKS.Failed, match="not run on this GPU"):
        CHECKS.tensorrt_export("resnet20_cifar", "fp16", "--set", "/let/n=1")
