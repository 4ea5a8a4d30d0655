"""How much of the machine this process may use: affinity and the container's limits.

Control groups are those of Linux: version 2 (``cpu.max``), version 1
(``cpu.cfs_quota_us``) and both at once, as some systems have them
(https://docs.kernel.org/admin-guide/cgroup-v2.html).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from math import floor
from typing import Final

from resgen.machine.files import Tree, whole

_V2: Final = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
#: Version 1 writes this where there is no limit.
_UNLIMITED: Final = 2**60


def allowed(tree: Tree) -> tuple[int, ...]:
    """Numbers of the logical cores that this process may run on."""
    listed = numbers(tree.fields("proc/self/status").get("Cpus_allowed_list", ""))
    if listed:
        return listed
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def quota(tree: Tree) -> float | None:
    """How many cores' time the container may use, None without a limit.

    The limit of every group around the process counts, so the least is taken.
    """
    found = []
    for folder in _groups(tree, "", _V2):
        most, _, period = (tree.text(f"{folder}/cpu.max") or "").partition(" ")
        found.append((whole(most), whole(period)))
    for folder in _groups(tree, "cpu", _v1("cpu")):
        most_of = tree.number(f"{folder}/cpu.cfs_quota_us")
        found.append((most_of, tree.number(f"{folder}/cpu.cfs_period_us")))
    limits = [n / period for n, period in found if n and period and n > 0 < period]
    return min(limits, default=None)


def memory_limit(tree: Tree) -> int | None:
    """Bytes that the container may use, None without a limit."""
    found = [
        tree.number(f"{folder}/memory.max") for folder in _groups(tree, "", _V2)
    ] + [
        tree.number(f"{folder}/memory.limit_in_bytes")
        for folder in _groups(tree, "memory", _v1("memory"))
    ]
    return min((n for n in found if n is not None and n < _UNLIMITED), default=None)


def throttled(tree: Tree) -> tuple[int, float] | None:
    """How often the quota has held the container back, and for how many seconds."""
    for folder in _groups(tree, "", _V2):
        says = tree.fields(f"{folder}/cpu.stat")
        if "nr_throttled" in says:
            spent = (whole(says.get("throttled_usec")) or 0) / 1e6
            return whole(says["nr_throttled"]) or 0, spent
    for folder in _groups(tree, "cpu", _v1("cpu")):
        says = tree.fields(f"{folder}/cpu.stat")
        if "nr_throttled" in says:
            spent = (whole(says.get("throttled_time")) or 0) / 1e9
            return whole(says["nr_throttled"]) or 0, spent
    return None


def physical(tree: Tree, cores: tuple[int, ...]) -> int:
    """How many physical cores these logical ones are; all of them if it is not told."""
    folder = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    siblings = [tree.text(folder.format(core)) for core in cores]
    return len({s or f"core {n}" for n, s in zip(cores, siblings, strict=True)})


def usable(tree: Tree) -> int:
    """How many threads of arithmetic run at full speed here, at least one.

    Physical cores within the affinity, since the two threads of a core share its
    multipliers; no more than the quota, since a thread beyond it makes all wait.
    """
    cores = physical(tree, allowed(tree))
    most = quota(tree)
    return max(cores if most is None else min(cores, floor(most)), 1)


def numbers(text: str) -> tuple[int, ...]:
    """A list of cores as Linux writes it; empty where it is not one.

    >>> numbers("0-2,8")
    (0, 1, 2, 8)
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return ()
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def _v1(controller: str) -> tuple[str, ...]:
    joined = ("cpu,cpuacct", "cpuacct,cpu") if controller == "cpu" else ()
    return tuple(f"sys/fs/cgroup/{name}" for name in (controller, *joined))


def _groups(tree: Tree, controller: str, mounts: tuple[str, ...]) -> Iterator[str]:
    """Folders of the process's group and of those around it, innermost first.

    In a container the path may be the host's, which is not there: then only the
    mount's own top is, and that is the container's group.
    """
    path = "/"
    for line in (tree.text("proc/self/cgroup") or "").splitlines():
        _, controllers, where = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            path = where or "/"
    steps = [step for step in path.split("/") if step and step != ".."]
    around = ["/".join(steps[:n]) for n in range(len(steps), -1, -1)]
    for below, mount in product(around, mounts):
        yield f"{mount}/{below}".rstrip("/")
