"""The kit of a LiteRT file, whose script runs here as it does on a small board."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resgen
from resgen.errors import ResgenError
from resgen.files.hashed import sha256_of
from resgen.kit.script.litert import describe_machine, state

pytest.importorskip("ai_edge_litert")

SPEC: dict[str, Any] = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 12],
    "stem": {"op": "conv", "out": 8, "kernel": 3, "stride": 2},
    "stages": [{"block": "basic", "width": 8, "depth": 1}],
    "head": {"classes": 3},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    return resgen.export(SPEC, out, to="litert", kit=True, batch=2).folder


@pytest.fixture
def kit(folder: Path, tmp_path: Path) -> Path:
    """Carried away from what made it."""
    return Path(shutil.copytree(folder / "kit", tmp_path / "carried"))


def run(kit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    quick = ("--runs", "5", "--warm-up", "0", "--threads", "1")
    return subprocess.run(
        [sys.executable, kit / "check_and_time.py", *quick, *words],
        cwd=kit.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_kit_is_checked_timed_and_reported(kit: Path) -> None:
    done = run(kit)
    assert done.returncode == 0, done.stderr
    result = json.loads((kit / "result.json").read_text())
    assert result["status"] == "ok"
    (row,) = result["outputs"]
    assert row["share_of_range"] < 1e-6
    assert row["top1"] == [2, 2]
    (timing,) = result["timings"]
    assert timing["inputs"] == {"input": [2, 16, 12, 3]}  # as the file has it
    record = resgen.report(kit, format="json").to_dict()[0]
    (told,) = record["runs"]
    assert told["runtime"].startswith("litert 2.")
    assert (told["batch"], told["mode"], told["settings"]["threads"]) == (
        2, "latency", 1,
    )  # fmt: skip
    assert len(told["samples"]["seconds"]) == 5
    assert record["subject"]["sha256"] == sha256_of(kit / "model.tflite")


def test_what_differs_or_is_damaged_is_told(kit: Path) -> None:
    with np.load(kit / "expected.npz") as arrays:
        off = {name: arrays[name] + 1 for name in arrays.files}
    np.savez(kit / "expected.npz", **off)
    done = run(kit)
    assert done.returncode == 1
    assert "expected.npz is not what kit.json says: copy the kit anew" in done.stderr
    told = json.loads((kit / "kit.json").read_text())
    told["files"]["expected.npz"]["sha256"] = sha256_of(kit / "expected.npz")
    (kit / "kit.json").write_text(json.dumps(told))
    done = run(kit)
    assert done.returncode == 1
    assert "DIFFERS" in done.stdout
    (failed,) = resgen.report(kit, format="json").to_dict()[0]["runs"]
    assert "outputs differ" in failed["error"]


@pytest.mark.slow
def test_a_kit_is_part_of_what_is_verified(folder: Path, tmp_path: Path) -> None:
    assert resgen.verify(folder).unproven == ()
    changed = Path(shutil.copytree(folder, tmp_path / "out"))
    script = changed / "kit" / "check_and_time.py"
    script.write_text(script.read_text() + "\n")
    with pytest.raises(ResgenError, match=r"check_and_time\.py is not the file"):
        resgen.verify(changed)


def test_the_line_for_a_phone_is_of_this_file(kit: Path) -> None:
    line = json.loads((kit / "kit.json").read_text())["benchmark"]
    assert line in (kit / "README.txt").read_text()
    assert "--graph=/data/local/tmp/model.tflite" in line
    assert "--input_layer=input --input_layer_shape=2,16,12,3" in line


#: As benchmark_model prints it, with its tabs; "..." are lines left out.
PRINTED = """\
STARTING!
Num threads: [4]
Graph: [/data/local/tmp/model.tflite]
Input shapes: [2,16,12,3]
count=9 first=64 curr=56 min=54 max=65 avg=57.2 std=4

count=50 first=1581 curr=1538 min=1530 max=1672 avg=1550.4 std=15

Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]
\tAllocateTensors\t2.833\t1.419\t4.9%\t100.0%\t0.000\t2\tAllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]
KERNELS

============================== Top by Computation Time ==============================
"""


def test_what_a_phone_printed_is_charged_to_blocks(kit: Path, folder: Path) -> None:
    from resgen.attribution.operators.litert import operators_of

    kinds = {
        "CONV_2D": "Convolution (NHWC, F32) IGEMM", "ADD": "Add (ND)",
        "FULLY_CONNECTED": "Fully Connected (NC, PF32) GEMM",
    }  # fmt: skip
    operators = operators_of(kit / "model.tflite")
    rows = [
        f"\t{kinds.get(each.code, each.code)}\t9.9\t0.25\t1%\t1%\t0.000\t1\t"
        + (f"Delegate/x:{i}" if each.code in kinds else f"[{each.name}]:{i}")
        for i, each in enumerate(operators)
    ]
    text = kit / "benchmark.txt"
    text.write_text(PRINTED.replace("KERNELS", "\n".join(rows)))
    found = resgen.report(text, format="json", network=folder / "spec.json")
    record = found.to_dict()[0]
    (told,) = record["runs"]
    assert (told["batch"], told["settings"]) == (2, {"threads": 4})
    assert "the mean of 50 runs is 1.550 ms" in told["notes"][0]
    breakdown = told["breakdown"]
    assert breakdown["coverage"] == 1
    assert breakdown["operator_sum"] == pytest.approx(0.25e-3 * len(operators))
    charges = {each["path"]: each["seconds"] for each in breakdown["charges"]}
    assert charges["layer1"] == pytest.approx(3 * 0.25e-3)  # conv, conv, sum
    text.write_text(text.read_text().replace("model.tflite", "other.tflite"))
    with pytest.raises(ResgenError, match=r"other\.tflite, which .* is not there"):
        resgen.report(text, format="json")
    text.write_text("nothing of the kind")
    with pytest.raises(ResgenError, match="is not what benchmark_model prints"):
        resgen.report(text, format="json")


def test_a_raspberry_pi_is_described(tmp_path: Path) -> None:
    """By files as its system has them."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "sys/class/thermal/thermal_zone0/temp": "48350\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert describe_machine(tmp_path)["board"] == "Raspberry Pi 5 Model B Rev 1.0"
    assert state(tmp_path) == {
        "processor_mhz": 2400.0, "temperature_c": 48.35, "governor": "ondemand",
    }  # fmt: skip
    assert set(state(tmp_path / "none").values()) == {None}
