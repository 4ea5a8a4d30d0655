"""resgen profile: a table, a page, and a document."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
from small_subject import find_stand_ins, onnx_file

from resgen.machine.device import present
from resgen.profiling.documents import REPORT

QUICK = ("--time", "0.4", "--threads", "1")


@pytest.mark.slow
def test_a_network_is_measured_and_reported(run, here):
    done = run("profile", "mine.json", *QUICK)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert any(re.match(r"network +mine, .*probe parameters, fp32", x) for x in lines)
    row = next(line for line in lines if re.match(r"onnxruntime cpu fp32 +1 ", line))
    assert re.search(r"[\d.]+ [mµ]s +[\d.]+ to [\d.]+ [mµ]s", row)
    assert "where the time goes" in done.stdout
    for section in ("stem", "layer1", "layer2", "head"):
        assert re.search(rf"^  {section} .* %", done.stdout, re.M)
    assert "next: open" in lines[-1]
    record = REPORT.load(here / "build/mine-profile/report.json")
    assert record.subject.name == "mine"
    assert record.command[:3] == ("resgen", "profile", "mine.json")
    page = (here / "build/mine-profile/report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)


def test_a_runtime_that_nothing_here_is_is_no_crash(run, here, monkeypatch):
    monkeypatch.setattr("resgen.api.profile.present", lambda device: [])
    done = run("profile", "mine.json", *QUICK, "--runtime", "all")
    assert done.exit_code == 1
    assert "no runtime that is here runs mine on cpu" in done.stderr


@pytest.mark.slow
def test_json_is_the_report_and_nothing_else(run, here):
    done = run(
        "profile", "mine.json", *QUICK, "--json", "-o", "out", "--batch", "1,2",
        "--no-operators",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document == json.loads((here / "out/report.json").read_text())
    assert [r["batch"] for r in document["runs"]] == [1, 2]
    assert document["runs"][0]["breakdown"] is None
    assert "samples" in done.stderr


@pytest.mark.slow
def test_a_report_leaves_out_where_files_lie(run, here, tmp_path):
    done = run("profile", tmp_path / "mine.json", *QUICK, "--no-operators", "-o", "a")
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in (here / "a/report.json").read_text()
    assert str(tmp_path) not in (here / "a/report.html").read_text()
    words = ("--no-operators", "-o", "b", "--with-paths")
    run("profile", tmp_path / "mine.json", *QUICK, *words)
    assert str(tmp_path) in (here / "b/report.json").read_text()


@pytest.mark.slow
def test_a_foreign_file_is_charged_by_its_names(run, here):
    onnx_file(here / "tiny.onnx")
    done = run("profile", "tiny.onnx", *QUICK)
    assert done.exit_code == 0, done.output
    assert re.search(r"^  layer1 .* %", done.stdout, re.M)


@pytest.mark.slow
def test_two_builds_of_a_network_have_two_reports(run, here):
    assert run("build", "mine.json", "-o", "lean", "-q").exit_code == 0
    assert run("profile", "lean", *QUICK, "--no-operators").exit_code == 0
    assert REPORT.load(here / "build/lean-profile/report.json").subject.name == "mine"


@pytest.mark.slow
def test_a_runtime_that_gives_nothing_costs_the_exit_code(run, here, monkeypatch):
    find_stand_ins(monkeypatch)
    onnx_file(here / "tiny.onnx")
    done = run(
        "profile", "tiny.onnx", *QUICK, "--no-operators", "--runtime", "null",
        "--runtime", "stand_in_engines.dying",
    )  # fmt: skip
    assert done.exit_code == 1
    assert re.search(r"stand_in_engines\.dying cpu .* not measured", done.stdout)
    assert "died by SIGSEGV" in done.stdout
    assert len(REPORT.load(here / "build/tiny-profile/report.json").runs) == 2


def test_what_is_not_installed_is_named(run, here, monkeypatch):
    from resgen.runtime import engines

    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    done = run("profile", "mine.json", "--runtime", "tensorrt")
    assert done.exit_code == 3
    assert done.stderr.splitlines() == [
        "resgen: TensorRT is not installed, so the engine cannot run here (exit 3).",
        '  pip install "resgen[tensorrt]"      an NVIDIA GPU with a driver is '
        "needed as well",
        "  `resgen doctor` shows what this machine has.",
    ]
    assert not (here / "build").exists()


def test_an_engine_without_its_gpu_is_at_fault_first_and_missing_then(run, here):
    (here / "model.engine").write_bytes(b"native code of somebody's")
    done = run("profile", "model.engine")
    assert done.exit_code == 1
    assert "only if its manifest vouches for it" in done.stderr
    if find_spec("tensorrt_rtx") and present() is None:
        done = run("profile", "mine.json", "--runtime", "tensorrt")
        assert done.exit_code == 3
        assert "no NVIDIA GPU" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--device", "gpu"], 2, "is no device"),
        (["--device", "cuda"], 3, "no NVIDIA GPU"),
        (["--batch", "1,zero"], 2, "is no list of batch sizes"),
        (["--shape", "3x"], 2, "is no shape"),
        (["--runtime", "onnxrt"], 2, 'did you mean "onnxruntime"'),
        (["--in-flight", "4"], 2, "is for --mode throughput"),
        (["--no-cuda-graph"], 2, "is for --mode compute"),
        (["--mode", "throughput", "--rate", "30"], 2, "no time between requests"),
        (["-o", "mine.json"], 1, "is a file"),
        (["-o", "mine.json/x"], 1, "cannot write mine.json/x"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_tried(
    run, here, options, code, message
):
    done = run("profile", "mine.json", *options)
    assert done.exit_code == code, done.output
    assert message in done.stderr
    assert not (here / "build").exists()


def test_what_is_not_there_is_named(run, here):
    assert "did you mean" in run("profile", "resnet5").stderr
    # What is at fault comes before what is missing.
    assert run("profile", "no.onnx", "--device", "cuda").exit_code == 1
    assert run("profile", "resnet5", "--runtime", "tensorrt").exit_code == 1
    assert run("profile", "no.engine").exit_code == 1


@pytest.mark.slow
def test_open_sizes_are_asked_for(run, here):
    onnx_file(here / "open.onnx", open_sizes=True)
    done = run("profile", "open.onnx", *QUICK)
    assert done.exit_code == 2
    assert "3x224x224" in done.stderr
    done = run("profile", "open.onnx", *QUICK, "--shape", "3x24x24", "--no-operators")
    assert done.exit_code == 0, done.output


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.slow
def test_an_interrupt_saves_what_was_measured(here):
    onnx_file(here / "tiny.onnx")
    process = subprocess.Popen(
        [sys.executable, "-m", "resgen", "profile", "tiny.onnx", "--runtime", "null",
         "--no-operators", "--batch", "1,2,3", "--time", "2", "--rate", "20"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    for line in process.stdout:
        if "batch 1" in line:
            break
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    record = REPORT.load(here / "build/tiny-profile/report.json")
    assert record.runs[0].stopped in ("narrow", "time")
    assert 1 <= len(record.runs) <= 2
    assert "interrupted" in err
