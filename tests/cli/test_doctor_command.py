"""``resgen doctor``: what is here and what is missing, as a newcomer reads it."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from resgen.machine import components, examine, gpu, packages

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examine, "WATCHED", 0.0)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``without("torch")``: as if these modules were not installed."""

    def hide(*modules: str) -> None:
        found = packages.is_here
        monkeypatch.setattr(
            packages, "is_here", lambda m: m not in modules and found(m)
        )

    return hide


def by_name(run: Run) -> dict[str, dict[str, Any]]:
    result = run("doctor", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return {c["name"]: c for c in json.loads(result.stdout)["components"]}


def test_what_is_installed_has_its_version(run: Run) -> None:
    found = by_name(run)
    assert found["PyTorch"]["state"] == found["ONNX Runtime"]["state"] == "ok"
    assert found["PyTorch"]["version"] == version("torch")
    assert "CPU" in found["ONNX Runtime"]["detail"]
    shown = run("doctor")
    assert shown.exit_code == 0
    assert version("torch") in shown.stdout
    assert f"Python {platform.python_version()}," in shown.stdout


def test_what_pytorch_runs_on_is_what_it_says_itself(run: Run) -> None:
    import torch

    built = by_name(run)["PyTorch"]["detail"]
    assert ("CUDA" in built) == (torch.version.cuda is not None)


def test_what_is_missing_comes_with_its_command(
    run: Run, without: Callable[..., None]
) -> None:
    without("torch", "openvino")
    found = by_name(run)
    assert found["PyTorch"]["state"] == found["OpenVINO"]["state"] == "missing"
    assert found["PyTorch"]["version"] is None
    for columns in ("60", "200"):
        shown = run("doctor", env={"COLUMNS": columns}).stdout
        lines = [line.strip() for line in shown.splitlines()]
        assert any(line.startswith("missing  PyTorch") for line in lines)
        assert any(line.startswith('pip install "resgen[torch]"') for line in lines)
        assert any(line.startswith('pip install "resgen[openvino]"') for line in lines)


def test_every_command_names_an_extra_that_there_is(root: Path) -> None:
    project = (root / "pyproject.toml").read_text("utf-8")
    table = project.partition("[project.optional-dependencies]\n")[2]
    extras = set(re.findall(r"^([\w-]+) = \[", table.partition("\n[")[0], re.MULTILINE))
    wanted = re.findall(r"resgen\[([\w-]+)\]", str(components.WANTED))
    assert set(wanted) <= extras


def test_bindings_without_libraries_are_broken(
    run: Run, without: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "version_of", lambda module: "1.0")
    monkeypatch.setattr(components, "find_library", lambda name: None)
    without("tensorrt_libs", "tensorrt_rtx_libs")
    found = by_name(run)
    assert found["TensorRT"]["state"] == "broken"
    shown = run("doctor").stdout
    assert "its libraries are missing" in shown
    assert 'pip install "resgen[tensorrt]"' in shown


def test_a_gpu_that_the_packages_do_not_use(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {
        "index": 0,
        "name": "NVIDIA L4",
        "capability": "sm_89",
        "memory": 24 * 10**9,
    }
    monkeypatch.setattr(gpu, "gpus", lambda: [card])
    monkeypatch.setattr(components, "_torch_devices", lambda: "CPU")
    monkeypatch.setattr(components, "_providers", lambda: ("ok", "CPU"))
    shown = run("doctor").stdout
    assert "NVIDIA L4, sm_89, 24 GB" in shown
    assert "this build of ONNX Runtime does not use the GPU" in shown
    assert "this build of PyTorch does not use the GPU" in shown


def test_two_builds_of_one_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {"onnxruntime": "1.20", "onnxruntime-gpu": "1.20"}
    found = packages.distributions_of
    monkeypatch.setattr(
        packages,
        "distributions_of",
        lambda module: two if module == "onnxruntime" else found(module),
    )
    advice = json.loads(run("doctor", "--json").stdout)["advice"]
    assert any("pip uninstall onnxruntime onnxruntime-gpu" in a["mend"] for a in advice)


def test_a_card_without_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text("0x10de\n")
    (folder / "class").write_text("0x030000\n")
    monkeypatch.setattr(gpu, "gpus", list)
    (advice,) = (a for a in examine.examine(root=tmp_path).advice if "driver" in a.seen)
    assert "nvidia-smi" in advice.mend


def test_governor_and_jetson_clocks(tmp_path: Path) -> None:
    for name, text in {
        "proc/self/status": "Cpus_allowed_list:\t0\n",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.0, GCID: 1\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "1\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "2\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    mends = [advice.mend for advice in examine.examine(root=tmp_path).advice]
    assert "sudo cpupower frequency-set --governor performance" in mends
    assert "sudo jetson_clocks" in mends


def test_it_fits_the_terminal(run: Run, without: Callable[..., None]) -> None:
    without("torch")
    shown = run("doctor", env={"COLUMNS": "72"}).stdout
    sections = shown.partition("\nto add")[0].splitlines()
    assert max(map(len, sections[1:])) <= 72
