"""The system below a runtime: its kernel, what it is virtual in, memory, settings."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from resgen.machine import limits
from resgen.machine.files import Tree, whole

#: Variables that decide how arithmetic is run; none of them holds a path.
VARIABLES: Final = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY",
    "OMP_DYNAMIC", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "KMP_AFFINITY",
    "KMP_BLOCKTIME", "GOMP_CPU_AFFINITY", "MALLOC_ARENA_MAX", "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
_CONTAINERS: Final = ("docker", "kubepods", "containerd", "libpod", "lxc")


def system(tree: Tree) -> dict[str, Any]:
    """The kernel and the distribution, without the name of the host."""
    release = tree.text("etc/os-release") or ""
    pairs = (line.partition("=") for line in release.splitlines())
    says = {key: value.strip("\"'") for key, _, value in pairs}
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "distribution": says.get("PRETTY_NAME"),
        "architecture": platform.machine(),
        "machine": _machine(tree),
        "virtual": virtual(tree),
        "container": container(tree),
    }


def virtual(tree: Tree) -> str | None:
    """What kind of virtual machine this is: a name, ``yes``, or None for none seen."""
    if "microsoft" in (tree.text("proc/sys/kernel/osrelease") or "").lower():
        return "WSL"
    hypervisor = tree.text("sys/hypervisor/type")
    if hypervisor:
        return hypervisor
    flags = tree.fields("proc/cpuinfo").get("flags", "").split()
    if "hypervisor" not in flags:
        return None
    return tree.text("sys/class/dmi/id/sys_vendor") or "yes"


def container(tree: Tree) -> str | None:
    """What kind of container this process is in, or None for none seen."""
    if tree.has("run/.containerenv"):
        return "podman"
    if tree.has(".dockerenv"):
        return "docker"
    groups = tree.text("proc/1/cgroup") or ""
    return next((name for name in _CONTAINERS if name in groups), None)


def memory(tree: Tree) -> dict[str, int | None]:
    """Bytes of the machine's memory, and of what the container may use of it."""
    total = whole(tree.fields("proc/meminfo").get("MemTotal"))
    return {
        "total": _physical_memory() if total is None else 1024 * total,
        "limit": limits.memory_limit(tree),
    }


def settings(tree: Tree, variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that are set and change how arithmetic runs, and huge pages.

    Of libraries that are put before others (an allocator) only the file's name is kept.
    """
    found = {name: variables[name] for name in VARIABLES if name in variables}
    before = variables.get("LD_PRELOAD", "").replace(":", " ").split()
    if before:
        found["LD_PRELOAD"] = " ".join(PurePath(path).name for path in before)
    pages = tree.text("sys/kernel/mm/transparent_hugepage/enabled") or ""
    if "[" in pages:
        found["transparent_hugepage"] = pages.partition("[")[2].partition("]")[0]
    return found


def python() -> dict[str, str]:
    """The interpreter."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
    }


def places() -> dict[str, str]:
    """Who and where this is, which a report tells only if it is asked to."""
    return {
        "host": platform.node(),
        "python": sys.executable,
        "folder": os.getcwd(),  # noqa: PTH109  # a plain text for JSON
    }


def _machine(tree: Tree) -> str | None:
    """The model of the board or computer, which is no name that a person gave it."""
    board = tree.text("proc/device-tree/model")
    return board or tree.text("sys/class/dmi/id/product_name") or None


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
