"""NVIDIA's GPUs, asked of the driver through NVML (the package nvidia-ml-py).

Drivers, cards and virtual machines answer different questions, so one that is not
answered is left out. Without the package a GPU is only named.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any, Final

from resgen.machine.device import bus, present

#: Bits of the reasons for which clocks are held down (nvml.h), idleness left out.
REASONS: Final = {
    0x2: "clocks set by an application",
    0x4: "power limit",
    0x8: "hardware slowdown",
    0x10: "synchronised with another GPU",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "external power brake",
    0x100: "display clocks",
}
#: Those of them that nobody has asked for.
SLOWDOWNS: Final = frozenset(REASONS[bit] for bit in (0x4, 0x8, 0x20, 0x40, 0x80))
#: Counters of the time in which clocks were held down, by NVML's number of the policy.
_HELD: Final = {0: "power", 1: "temperature", 3: "board limit", 5: "reliability"}
_SM, _MEMORY = 1, 2  # NVML_CLOCK_*
_ON_DIE = 0  # NVML_TEMPERATURE_GPU


class Driver:
    """NVML, started; a question that it does not answer gives None."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def ask(self, name: str, *arguments: Any) -> Any:
        """What ``nvml<name>`` returns."""
        try:
            return getattr(self._library, f"nvml{name}")(*arguments)
        except Exception:  # NVMLError, or a function that this version lacks
            return None

    def number(self, name: str, *arguments: Any, unit: float = 1) -> float | None:
        """A number in units of ``unit``."""
        found = self.ask(name, *arguments)
        return None if found is None else found * unit


@cache
def driver() -> Driver | None:
    """NVML, or None where the package, the driver or every GPU is missing."""
    try:
        library = importlib.import_module("pynvml")
        library.nvmlInit()
    except Exception:  # not installed, or NVMLError: no driver
        return None
    return Driver(library)


def gpus() -> list[dict[str, Any]]:
    """Every GPU: name, capability (``sm_89``), bytes, driver, limits in W and Hz."""
    nvml = driver()
    if nvml is None:
        return _named_only()
    handles = [
        nvml.ask("DeviceGetHandleByIndex", index)
        for index in range(nvml.ask("DeviceGetCount") or 0)
    ]
    return [
        {"index": index, **_known(_constants(nvml, handle))}
        for index, handle in enumerate(handles)
        if handle is not None
    ]


def state(device: str) -> dict[str, Any]:
    """How the GPU ``cuda:N`` is now; empty where it cannot be asked.

    Clocks in Hz, power in W, temperature in degrees Celsius, energy in J since the
    driver started, ``held`` the seconds in which clocks were held down, by cause, and
    ``others`` how many other processes compute on it.
    """
    nvml = driver()
    handle = None if nvml is None else _handle(nvml, device)
    if nvml is None or handle is None:
        return {}
    bits = nvml.ask("DeviceGetCurrentClocksEventReasons", handle)
    if bits is None:
        bits = nvml.ask("DeviceGetCurrentClocksThrottleReasons", handle)
    return _known(
        {
            "clock_hz": nvml.number("DeviceGetClockInfo", handle, _SM, unit=1e6),
            "memory_clock_hz": nvml.number(
                "DeviceGetClockInfo", handle, _MEMORY, unit=1e6
            ),
            "power_w": nvml.number("DeviceGetPowerUsage", handle, unit=1e-3),
            "temperature_c": nvml.number("DeviceGetTemperature", handle, _ON_DIE),
            "energy_j": nvml.number(
                "DeviceGetTotalEnergyConsumption", handle, unit=1e-3
            ),
            "reasons": None
            if bits is None
            else [text for bit, text in REASONS.items() if bits & bit],
            "held": _held(nvml, handle) or None,
            "others": _others(nvml.ask("DeviceGetComputeRunningProcesses", handle)),
        }
    )


def _held(nvml: Driver, handle: Any) -> dict[str, float]:
    found = {}
    for policy, cause in _HELD.items():
        says = nvml.ask("DeviceGetViolationStatus", handle, policy)
        if says is not None:
            found[cause] = says.violationTime / 1e9
    return found


def _constants(nvml: Driver, handle: Any) -> dict[str, Any]:
    capability = nvml.ask("DeviceGetCudaComputeCapability", handle)
    cuda = nvml.ask("SystemGetCudaDriverVersion_v2")
    mode = nvml.ask("DeviceGetMigMode", handle)
    persistent = nvml.ask("DeviceGetPersistenceMode", handle)
    return {
        "name": nvml.ask("DeviceGetName", handle),
        "capability": capability and "sm_{}{}".format(*capability),
        "memory": getattr(nvml.ask("DeviceGetMemoryInfo", handle), "total", None),
        "driver": nvml.ask("SystemGetDriverVersion"),
        "cuda": cuda and f"{cuda // 1000}.{cuda % 1000 // 10}",
        "power_limit_w": nvml.number("DeviceGetEnforcedPowerLimit", handle, unit=1e-3),
        "max_clock_hz": nvml.number("DeviceGetMaxClockInfo", handle, _SM, unit=1e6),
        "max_memory_clock_hz": nvml.number(
            "DeviceGetMaxClockInfo", handle, _MEMORY, unit=1e6
        ),
        "persistence": None if persistent is None else bool(persistent),
        "mig": None if mode is None else bool(mode[0]),
    }


def _named_only() -> list[dict[str, Any]]:
    """The first GPU as the CUDA driver names it, where NVML is not at hand."""
    device = present()
    if device is None:
        return []
    return [
        {
            "index": 0,
            "name": device.name,
            "capability": device.capability,
            "cuda": device.cuda,
        }
    ]


def _handle(nvml: Driver, device: str) -> Any:
    """NVML's handle of ``cuda:N``: by its address, where CUDA's driver tells it.

    Else by its number, which CUDA_VISIBLE_DEVICES may have changed.
    """
    kind, _, text = device.partition(":")
    if kind != "cuda" or not (text or "0").isdecimal():
        return None
    number = int(text or 0)
    address = bus(number)
    if address is not None:
        return nvml.ask("DeviceGetHandleByPciBusId_v2", address)
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return nvml.ask("DeviceGetHandleByIndex", number)
    visible = [part.strip() for part in listed.split(",") if part.strip()]
    if number >= len(visible):
        return None
    chosen = visible[number]
    if chosen.isdecimal():
        return nvml.ask("DeviceGetHandleByIndex", int(chosen))
    return nvml.ask("DeviceGetHandleByUUID", chosen)


def _others(processes: list[Any] | None) -> int | None:
    """Processes but one, which is this one.

    They are not told apart by number: a container's are not those that the driver
    knows. Before this process has opened the GPU, it says one too few.
    """
    if processes is None:
        return None
    return max(len({process.pid for process in processes}) - 1, 0)


def _known(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}
