"""The state of the machine at one moment, taken before and after samples.

Most of it are counters, so that two snapshots tell what happened between them, and
nothing has to run beside the samples.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

from resgen.machine import gpu, jetson
from resgen.machine.files import Tree, whole
from resgen.machine.limits import allowed, throttled
from resgen.machine.processor import CPUS, frequencies

#: So many cores' clocks and counters are read at most: each takes microseconds.
MOST_CORES: Final = 32
#: Columns of /proc/stat that are work: user, nice, system, irq, softirq.
_WORK: Final = (0, 1, 2, 5, 6)
_STEAL: Final = 7
_PRESSED: Final = ("cpu", "memory", "io")
_RAPL: Final = "sys/class/powercap/intel-rapl:[0-9]*"


def snapshot(device: str = "cpu", *, root: Path = Path("/")) -> dict[str, Any]:
    """How the machine is now, for JSON; what is not to be seen is left out.

    ``at`` is a monotonic clock. ``busy``, ``own`` and ``stolen`` are core seconds of
    work on the cores that this process may use: all of it, its own with that of ended
    children, and what a hypervisor gave to others. Clocks in Hz, temperatures in
    degrees Celsius, energy in J, ``pressure`` the seconds in which somebody waited.
    """
    tree = Tree(root)
    cores = allowed(tree)
    some = cores[:: -(-len(cores) // MOST_CORES)]
    found = {
        "at": time.monotonic(),
        "cores": len(cores),
        **_work(tree, cores),
        "clocks_hz": frequencies(tree, some) or None,
        "temperatures_c": _temperatures(tree) or None,
        "throttles": _throttles(tree, some),
        "quota": _quota(tree),
        "switches": _switches(),
        "pressure": _pressure(tree) or None,
        "memory": _memory(tree) or None,
        "on_battery": _on_battery(tree),
        "energy_j": _energy(tree) or None,
    }
    if device.startswith("cuda"):
        found["gpu"] = gpu.state(device) or None
    if jetson.is_jetson(tree):
        found["jetson"] = jetson.state() or None
    return {name: value for name, value in found.items() if value is not None}


def _work(tree: Tree, cores: tuple[int, ...]) -> dict[str, float]:
    tick = _ticks()
    wanted = {f"cpu{core}" for core in cores}
    busy = stolen = lines = 0
    for line in (tree.text("proc/stat") or "").splitlines():
        name, *columns = line.split()
        if name in wanted:
            spent = [int(column) for column in columns]
            busy += sum(spent[n] for n in _WORK if n < len(spent))
            stolen += spent[_STEAL] if len(spent) > _STEAL else 0
            lines += 1
    # The name of the process, in brackets, may contain anything.
    after = (tree.text("proc/self/stat") or "").rpartition(")")[2].split()
    if not lines or not busy or len(after) < 15:  # some sandboxes write zeros only
        return {}
    own = sum(map(int, after[11:15]))
    return {"busy": busy / tick, "own": own / tick, "stolen": stolen / tick}


def _ticks() -> int:
    """Ticks a second, in which Linux counts work."""
    try:
        return os.sysconf("SC_CLK_TCK")
    except (AttributeError, ValueError, OSError):
        return 100


def _temperatures(tree: Tree) -> dict[str, float]:
    """Of the processor and the board; the warmest of sensors with the same name."""
    pairs = [
        (tree.text(f"{folder}/type"), tree.number(f"{folder}/temp"))
        for folder in tree.paths("sys/class/thermal/thermal_zone*")
    ]
    for folder in tree.paths("sys/class/hwmon/hwmon*"):
        name = tree.text(f"{folder}/name")
        if name in ("coretemp", "k10temp", "zenpower", "cpu_thermal"):
            pairs.append((name, tree.number(f"{folder}/temp1_input")))
    found: dict[str, float] = {}
    for name, thousandths in pairs:
        if name and thousandths and thousandths > 0:
            found[name] = max(found.get(name, 0.0), thousandths / 1000)
    return found


def _throttles(tree: Tree, cores: tuple[int, ...]) -> int | None:
    """How often the processor has slowed these cores down for heat."""
    folder = f"{CPUS}/cpu{{}}/thermal_throttle"
    found = [tree.number(f"{folder}/core_throttle_count".format(n)) for n in cores]
    told = [count for count in found if count is not None]
    return sum(told) if told else None


def _quota(tree: Tree) -> dict[str, float] | None:
    found = throttled(tree)
    return None if found is None else {"times": found[0], "seconds": found[1]}


def _switches() -> dict[str, int] | None:
    """How often this process gave its core up, and how often it was taken from it."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"voluntary": used.ru_nvcsw, "involuntary": used.ru_nivcsw}


def _pressure(tree: Tree) -> dict[str, float]:
    """Pressure stall information (https://docs.kernel.org/accounting/psi.html)."""
    found = {}
    for name in _PRESSED:
        line = (tree.text(f"proc/pressure/{name}") or "").partition("\n")[0]
        micro = whole(line.partition("total=")[2])
        if line.startswith("some") and micro is not None:
            found[name] = micro / 1e6
    return found


def _memory(tree: Tree) -> dict[str, int]:
    """Bytes that are available, and pages that were swapped in or out."""
    found = {}
    available = whole(tree.fields("proc/meminfo").get("MemAvailable"))
    if available is not None:
        found["available"] = 1024 * available
    pages = tree.fields("proc/vmstat")
    if "pswpin" in pages:
        swapped = (whole(pages[name]) or 0 for name in ("pswpin", "pswpout"))
        found["swapped_pages"] = sum(swapped)
    return found


def _on_battery(tree: Tree) -> bool | None:
    """Whether a mains adapter is there and gives nothing."""
    mains = [
        tree.number(f"{folder}/online")
        for folder in tree.paths("sys/class/power_supply/*")
        if tree.text(f"{folder}/type") == "Mains"
    ]
    told = [online for online in mains if online is not None]
    return not any(told) if told else None


def _energy(tree: Tree) -> dict[str, dict[str, float]]:
    """The processor's own meters, where they may be read, by package.

    ``wraps`` is the value at which a meter starts again.
    """
    found = {}
    for folder in tree.paths(_RAPL):
        name = tree.text(f"{folder}/name") or ""
        micro = tree.number(f"{folder}/energy_uj")
        if micro is not None and name.startswith("package"):
            most = tree.number(f"{folder}/max_energy_range_uj") or 0
            found[name] = {"joules": micro / 1e6, "wraps": most / 1e6}
    return found
