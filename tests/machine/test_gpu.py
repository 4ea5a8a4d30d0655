"""What NVML tells of GPUs: a driver of ours answers as NVIDIA's would."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from resgen.machine import energy, gpu, snapshot


class Unanswered(Exception):
    """As pynvml's NVMLError."""


class Nvml(ModuleType):
    """Two GPUs, with the calls of nvidia-ml-py; what is not here is unanswered."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.millijoules = 5_000

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        if uuid != "GPU-b":
            raise Unanswered
        return 1

    def nvmlDeviceGetHandleByPciBusId_v2(self, address: bytes) -> int:
        return [b"0000:01:00.0", b"0000:A1:00.0"].index(address)

    def nvmlDeviceGetName(self, handle: int) -> str:
        return ("NVIDIA L4", "NVIDIA H100")[handle]

    def nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:
        return ((8, 9), (9, 0))[handle]

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.86"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=24 * 2**30)

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        return (1000 if kind == 1 else 6000) + handle

    def nvmlDeviceGetMaxClockInfo(self, handle: int, kind: int) -> int:
        return 2040

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 71_500

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        return 55

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        self.millijoules += 2_500
        return self.millijoules

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:
        return 0x1 | 0x4 | 0x20

    def nvmlDeviceGetViolationStatus(self, handle: int, policy: int) -> Any:
        if policy > 1:
            raise Unanswered
        return SimpleNamespace(violationTime=(policy + 1) * 10**9)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=os.getpid()), SimpleNamespace(pid=1)]


@pytest.fixture(autouse=True)
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu, "bus", lambda number: None)
    gpu.driver.cache_clear()
    yield
    gpu.driver.cache_clear()


def test_gpus_and_what_is_unanswered_is_left_out() -> None:
    first, second = gpu.gpus()
    assert first == {
        "index": 0,
        "name": "NVIDIA L4",
        "capability": "sm_89",
        "memory": 24 * 2**30,
        "driver": "570.86",
        "cuda": "12.8",
        "max_clock_hz": 2.04e9,
        "max_memory_clock_hz": 2.04e9,
    }
    assert (second["name"], second["capability"]) == ("NVIDIA H100", "sm_90")


def test_the_state_of_one() -> None:
    found = snapshot("cuda:0")["gpu"]
    assert found["clock_hz"] == 1.0e9
    assert found["memory_clock_hz"] == 6.0e9
    assert found["power_w"] == pytest.approx(71.5)
    assert found["temperature_c"] == 55
    assert found["reasons"] == ["power limit", "temperature (software)"]
    assert found["held"] == {"power": 1.0, "temperature": 2.0}
    assert found["others"] == 1
    assert "gpu" not in snapshot("cpu")


def test_energy_between_two_snapshots() -> None:
    spent = energy(snapshot("cuda"), snapshot("cuda"))
    assert spent is not None
    assert spent.joules == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("visible", "device", "clock"),
    [
        ("1", "cuda:0", 1.001e9),
        ("1,0", "cuda:1", 1.000e9),
        ("GPU-b", "cuda:0", 1.001e9),
        ("1", "cuda:1", None),
        ("GPU-x", "cuda:0", None),
        ("", "cuda:0", None),
    ],
)
def test_devices_are_numbered_as_cuda_numbers_them(
    monkeypatch: pytest.MonkeyPatch, visible: str, device: str, clock: float | None
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu.state(device).get("clock_hz") == clock


def test_cuda_numbers_gpus_otherwise_than_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fastest first, and not by where they are plugged in."""
    addresses = {0: b"0000:A1:00.0", 1: b"0000:01:00.0"}
    monkeypatch.setattr(gpu, "bus", addresses.get)
    clocks = [gpu.state(f"cuda:{number}")["clock_hz"] for number in (0, 1)]
    assert clocks == [1.001e9, 1.000e9]


@pytest.mark.parametrize("device", ["cpu", "cuda:x", ""])
def test_no_gpu_is_meant(device: str) -> None:
    assert gpu.state(device) == {}


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    gpu.driver.cache_clear()
    assert gpu.state("cuda:0") == {}
    assert all({"index", "name"} <= found.keys() for found in gpu.gpus())
