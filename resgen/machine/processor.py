"""The processor: what it is, what it can, and what decides how fast it runs."""

from __future__ import annotations

import os
import platform
from typing import Any, Final

from resgen.machine import limits
from resgen.machine.files import Tree, whole

CPUS: Final = "sys/devices/system/cpu"
#: Extensions that kernels of neural networks are chosen by, on x86 and on ARM.
FLAGS: Final = (
    "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
    "amx_fp16", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "sme",
)  # fmt: skip
#: ARM's part numbers of cores that networks are run on (the kernel's cputype.h).
_ARM: Final = {
    0xD03: "Cortex-A53", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72", 0xD0B: "Cortex-A76",
    0xD0C: "Neoverse N1", 0xD40: "Neoverse V1", 0xD42: "Cortex-A78AE",
    0xD49: "Neoverse N2", 0xD4F: "Neoverse V2",
}  # fmt: skip


def processor(tree: Tree) -> dict[str, Any]:
    """Model, extensions, cores, caches, and the settings of its clocks.

    ``logical`` and ``physical`` are the machine's cores; ``allowed`` those that the
    affinity leaves to this process, ``quota`` what the container may use of their
    time, ``usable`` how many threads run at full speed within both.
    """
    info = tree.fields("proc/cpuinfo")
    flags = set((info.get("flags") or info.get("Features") or "").split())
    online = limits.numbers(tree.text(f"{CPUS}/online") or "")
    return {
        "model": _model(tree, info),
        "flags": [flag for flag in FLAGS if flag in flags],
        "logical": len(online) or os.cpu_count(),
        "physical": limits.physical(tree, online) if online else None,
        "allowed": len(limits.allowed(tree)),
        "quota": limits.quota(tree),
        "usable": limits.usable(tree),
        "caches": _caches(tree),
        "clocks": clocks(tree),
    }


def clocks(tree: Tree) -> dict[str, Any]:
    """Governor, driver, limits in Hz and turbo; empty where none is to be seen.

    Virtual machines rarely show any.
    """
    cores = limits.allowed(tree)
    folder = f"{CPUS}/cpu{cores[0]}/cpufreq"
    found = {
        "governor": _governor(tree, cores),
        "driver": tree.text(f"{folder}/scaling_driver"),
        "min_hz": _hertz(tree.number(f"{folder}/scaling_min_freq")),
        "max_hz": _hertz(tree.number(f"{folder}/scaling_max_freq")),
        "turbo": _turbo(tree),
    }
    return {name: value for name, value in found.items() if value is not None}


def frequencies(tree: Tree, cores: tuple[int, ...]) -> list[int]:
    """What these cores run at now, in Hz; empty where it is not to be seen."""
    path = f"{CPUS}/cpu{{}}/cpufreq/scaling_cur_freq"
    found = [tree.number(path.format(core)) for core in cores]
    return [1000 * kilohertz for kilohertz in found if kilohertz]


def _governor(tree: Tree, cores: tuple[int, ...]) -> str | None:
    path = f"{CPUS}/cpu{{}}/cpufreq/scaling_governor"
    found = {tree.text(path.format(core)) for core in cores} - {None, ""}
    return ", ".join(sorted(map(str, found))) or None


def _turbo(tree: Tree) -> bool | None:
    off = tree.number(f"{CPUS}/intel_pstate/no_turbo")
    if off is not None:
        return off == 0
    boost = tree.number(f"{CPUS}/cpufreq/boost")
    return None if boost is None else boost == 1


def _hertz(kilohertz: int | None) -> int | None:
    return None if kilohertz is None else 1000 * kilohertz


def _model(tree: Tree, info: dict[str, str]) -> str | None:
    if info.get("model name"):
        return info["model name"]
    try:
        part = int(info.get("CPU part", ""), 16)
    except ValueError:
        return info.get("Hardware") or platform.processor() or None
    return _ARM.get(part, f"ARM part {part:#x}")


def _caches(tree: Tree) -> dict[str, int]:
    """Bytes of the first core's caches, by level: ``L1d``, ``L2``, ``L3``."""
    found = {}
    for folder in tree.paths(f"{CPUS}/cpu0/cache/index*"):
        size = tree.text(f"{folder}/size") or ""
        kind = (tree.text(f"{folder}/type") or "")[:1].lower()
        level = tree.number(f"{folder}/level")
        many = whole(size)
        if many is not None and level is not None:
            name = f"L{level}{kind if kind in 'di' else ''}"
            found[name] = many * {"K": 2**10, "M": 2**20}.get(size[-1:], 1)
    return found
