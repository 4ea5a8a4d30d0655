"""What only a Jetson has: power modes, clocks that are pinned, and tegrastats.

Formats are of NVIDIA's Jetson Linux Developer Guide (nvpmodel, jetson_clocks and the
tegrastats utility), releases 32 to 36.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import Any, Final

from resgen.machine.files import Tree

_RELEASE: Final = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_MODE: Final = re.compile(r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>")
#: Endings of the GPU's name among the devices whose clocks are scaled, by generation.
_GPU: Final = ("gpu", "gm20b", "gp10b", "gv11b", "ga10b", "gb10b")

_LOAD: Final = re.compile(r"GR3D_FREQ (\d+)%(?:@\[?(\d+))?")
_WARM: Final = re.compile(r"(\w+)@(-?[\d.]+)C\b")
_RAIL: Final = re.compile(r"\b((?:VDD|VIN|POM)_\w+) (\d+)(?:mW)?/(\d+)(?:mW)?")
#: A sensor that is off says so with a temperature far below zero.
_COLDEST: Final = -100
_PATIENCE: Final = 3.0


def is_jetson(tree: Tree) -> bool:
    """Whether this is one of NVIDIA's boards."""
    known = tree.text("proc/device-tree/compatible") or ""
    return "nvidia,tegra" in known or tree.has("etc/nv_tegra_release")


def describe(tree: Tree) -> dict[str, Any]:
    """Release, power mode, and whether clocks are pinned as jetson_clocks does it."""
    release = _RELEASE.match(tree.text("etc/nv_tegra_release") or "")
    found = {
        "release": release and f"R{release[1]}.{release[2]}",
        "power_mode": _power_mode(tree),
        "pinned": _pinned(tree),
    }
    return {name: value for name, value in found.items() if value is not None}


def state(read: Callable[[], str | None] | None = None) -> dict[str, Any]:
    """What one line of tegrastats says; empty where the tool is not there."""
    return parse((read or tegrastats)() or "")


def tegrastats() -> str | None:
    """The first line that tegrastats writes, which takes a tenth of a second."""
    found = shutil.which("tegrastats")
    if found is None:
        return None
    try:
        process = subprocess.Popen(
            [found, "--interval", "100"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:
        return None
    # It never ends by itself, and one that writes nothing is not waited for.
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    with process:
        line = process.stdout.readline() if process.stdout else ""
        watchdog.cancel()
        process.kill()
    return line or None


def parse(line: str) -> dict[str, Any]:
    """Load of the GPU in per cent, clocks in Hz, degrees Celsius and W by rail.

    >>> parse("GR3D_FREQ 61%@[918] gpu@52.5C VDD_IN 9120mW/8800mW")["power_w"]
    {'VDD_IN': 9.12}
    """
    found: dict[str, Any] = {}
    load = _LOAD.search(line)
    if load:
        found["load"] = int(load[1])
        if load[2]:
            found["clock_hz"] = int(load[2]) * 1e6
    warm = {name.lower(): float(degrees) for name, degrees in _WARM.findall(line)}
    warm = {name: degrees for name, degrees in warm.items() if degrees > _COLDEST}
    if warm:
        found["temperatures_c"] = warm
    rails = {name: int(now) / 1e3 for name, now, _ in _RAIL.findall(line)}
    if rails:
        found["power_w"] = rails
    return found


def _power_mode(tree: Tree) -> str | None:
    status = re.search(r"pmode:(\d+)", tree.text("var/lib/nvpmodel/status") or "")
    if status is None:
        return None
    names = dict(_MODE.findall(tree.text("etc/nvpmodel.conf") or ""))
    number = str(int(status[1]))
    return f"{names[number]} ({number})" if number in names else number


def _pinned(tree: Tree) -> bool | None:
    """Whether least and greatest clocks of cores and GPU are the same."""
    pairs = [
        (f"{folder}/scaling_min_freq", f"{folder}/scaling_max_freq")
        for folder in tree.paths("sys/devices/system/cpu/cpu[0-9]*/cpufreq")
    ] + [
        (f"{folder}/min_freq", f"{folder}/max_freq")
        for folder in tree.paths("sys/class/devfreq/*")
        if folder.endswith(_GPU)
    ]
    found = [(tree.number(low), tree.number(high)) for low, high in pairs]
    told = [(low, high) for low, high in found if low is not None and high is not None]
    return all(low == high for low, high in told) if told else None
