"""What trtexec and a kit's script wrote elsewhere, read here and charged to blocks."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from reports.make import record

from resgen.errors import ResgenError
from resgen.profiling.documents import REPORT
from resgen.reports.profile.html import render
from resgen.reports.readers.files import read

#: As resgen names them; the third has no name that leads anywhere.
LAYERS = {
    "conv1 + relu": 0.5,
    "layer1.0.conv1 + layer1.0.act1": 0.25,
    "Reformatting CopyNode for Input Tensor 0 to layer2.0.conv1": 0.05,
    "(Unnamed Layer* 803) [ElementWise]": 0.2,
}


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.fixture
def times(tmp_path: Path) -> Path:
    rows = []
    for i in range(300):
        start = 5.0 + 1.3 * i
        took = 1.0 + 0.01 * (i % 7)
        rows.append(
            {
                "startEnqMs": start, "endEnqMs": start + 0.1, "startH2dMs": start,
                "endH2dMs": start + 0.1, "startComputeMs": start + 0.1,
                "endComputeMs": start + 0.1 + took, "startD2hMs": start + 0.1 + took,
                "endD2hMs": start + 0.2 + took, "h2dMs": 0.1, "computeMs": took,
                "d2hMs": 0.1, "latencyMs": took + 0.2,
            }
        )  # fmt: skip
    return write(tmp_path / "times.json", rows)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    rows = [
        {"name": name, "timeMs": 100 * ms, "averageMs": ms, "percentage": 100 * ms}
        for name, ms in LAYERS.items()
    ]
    return write(tmp_path / "profile.json", [{"count": 100}, *rows])


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    described = [
        {
            "Name": name,
            "LayerType": "gemm",
            "Inputs": [{"Name": "input" if not i else f"t{i}", "Dimensions": [4, 3]}],
            "Outputs": [],
        }
        for i, name in enumerate(LAYERS)
    ]
    document = {"Layers": described, "Bindings": ["input", "output"]}
    return write(tmp_path / "layers.json", document)


@pytest.mark.parametrize("listed", [["input"], [{"Name": "input", "IOMode": "Input"}]])
def test_the_batch_is_told_by_newer_versions_too(
    times: Path, layers: Path, listed: Any
) -> None:
    document = json.loads(layers.read_text())
    del document["Bindings"]
    write(layers, {**document, "I/O Tensors": listed})
    (found,) = read([times, layers])
    assert found.runs[0].batch == 4
    assert found.runs[0].notes == ()


def test_a_batch_that_nobody_tells_is_said_to_be_unknown(times: Path) -> None:
    (found,) = read([times])
    assert found.runs[0].batch == 1
    assert "do not tell the batch" in found.runs[0].notes[0]


def test_trtexec_times_are_two_modes(times: Path) -> None:
    (found,) = read([times])
    compute, whole = found.runs
    assert (compute.mode, whole.mode) == ("compute", "end-to-end")
    assert compute.samples is not None
    assert whole.samples is not None
    assert len(compute.samples.seconds) == 300
    assert compute.samples.at[:2] == pytest.approx((0.0, 1.3e-3))
    assert compute.summary is not None
    assert compute.summary.median == pytest.approx(1.03e-3)
    difference = median(whole.samples.seconds) - median(compute.samples.seconds)
    assert difference == pytest.approx(0.2e-3)


def test_trtexec_files_are_charged_to_blocks(
    times: Path, profile: Path, layers: Path
) -> None:
    (found,) = read([times, profile, layers], Path("resnet18"))
    told = found.runs[0].breakdown
    assert told is not None
    assert found.runs[0].batch == 4
    assert told.operator_sum == pytest.approx(1e-3)
    assert told.coverage == pytest.approx(0.8)
    took = {charge.path: charge.seconds for charge in told.charges}
    assert took["layer1.0"] == pytest.approx(0.25e-3)
    assert took["unknown"] == pytest.approx(0.2e-3)
    assert "layer1.0" in [part.path for part in found.subject.parts]
    assert "layer1.0" in render([found])


def test_a_profile_alone_will_do(profile: Path) -> None:
    (found,) = read([profile])
    assert found.runs[0].samples is None
    told = found.runs[0].breakdown
    assert told is not None
    assert [operator.name for operator in told.operators] == list(LAYERS)
    # Without the network, names of layers say where these lie, and not what they cost.
    charges = {charge.path: charge for charge in told.charges}
    assert {path: charge.seconds for path, charge in charges.items()} == pytest.approx(
        {"layer1": 0.25e-3, "layer2": 0.05e-3, "unknown": 0.7e-3}
    )
    assert charges["layer1"].macs is None
    assert "Nothing was timed" in render([found])


def test_files_of_two_engines(times: Path, profile: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "b.json", json.loads(times.read_text("utf-8")))
    saved = tmp_path / "report.json"
    REPORT.save(record(), saved)
    found = read([times, profile, other, saved])
    assert [one.subject.kind for one in found] == ["trtexec", "trtexec", "spec"]
    assert found[0].runs[0].breakdown is not None
    assert found[1].runs[0].breakdown is None


def result(**changes: Any) -> dict[str, Any]:
    samples = [[0.5 + 0.002 * i, 1.0 + 0.01 * (i % 5), 1.5] for i in range(50)]
    clocks = {"sm_mhz": 1410, "memory_mhz": 1215, "temperature_c": 40}
    return {
        "resgen_result": 1,
        "status": "ok",
        "kit": {"name": "resnet18", "precision": "fp16", "resgen": "0.1.0"},
        "started": "2026-11-24T12:00:00+00:00",
        "tensorrt": {"flavor": "tensorrt", "version": "10.3.0"},
        "machine": {"gpu": "Orin", "compute_capability": "8.7"},
        "engine": {"file": "model.engine", "bytes": 25_000_000, "sha256": "ab" * 32,
                   "build_seconds": 61.0, "flags": ["FP16"]},
        "outputs": [],
        "columns": ["at_s", "device_ms", "host_ms"],
        "timings": [{"profile": 0, "inputs": {"input": [8, 3, 224, 224]},
                     "clocks_before": clocks, "clocks_after": None,
                     "compute": samples, "end_to_end": samples}],
        "layer_times": [{"profile": 0, "layers": [
            {"name": name, "ms": [ms, 1.2 * ms, 0.9 * ms]}
            for name, ms in LAYERS.items()
        ]}],
        "layers": None,
        **changes,
    }  # fmt: skip


def test_a_kit_is_read_and_charged(tmp_path: Path) -> None:
    write(tmp_path / "result.json", result())
    (found,) = read([tmp_path], Path("resnet18"))
    compute, whole = found.runs
    assert (compute.batch, compute.precision, compute.device) == (8, "fp16", "Orin")
    assert compute.summary is not None
    assert compute.summary.median == pytest.approx(1.02e-3)
    assert whole.summary is not None
    assert whole.summary.median == pytest.approx(1.5e-3)
    assert compute.throughput == pytest.approx(8 / 1.02e-3)
    assert compute.breakdown is not None
    assert compute.breakdown.coverage == pytest.approx(0.8)
    assert whole.breakdown is None
    assert found.subject.input == (3, 224, 224)
    # It becomes a report like any other.
    saved = tmp_path / "report.json"
    REPORT.save(found, saved)
    assert REPORT.load(saved) == found


def test_a_kit_whose_outputs_differ_says_so(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write(path, result(status="outputs differ", timings=[], layer_times=[]))
    (found,) = read([path])
    assert found.runs[0].error is not None
    assert found.runs[0].error.startswith("outputs differ")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (result(resgen_result=2), "version 2"),
        (result(timings=[{}]), "KeyError"),
        (result(machine=None), "AttributeError"),
        ([{"computeMs": 1.0}], "is not as trtexec --exportTimes writes it"),
        ([{"count": 3}], "the profile has no layers"),
        ({"Layers": [], "Bindings": []}, "there are no times"),
        ({"a": 1}, "is not a report"),
        ([], "is not a report"),
        (3, "is not a report"),
    ],
)
def test_what_is_not_whole_is_refused(document: Any, says: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.json", document)
    with pytest.raises(ResgenError) as caught:
        read([path])
    assert says in caught.value.message
    assert caught.value.hint


def test_a_folder_without_a_result(tmp_path: Path) -> None:
    with pytest.raises(ResgenError, match=r"none of report\.json, result\.json"):
        read([tmp_path])
