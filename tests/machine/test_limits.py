"""How many cores and how much memory are really there, on machines made of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resgen.machine.cores import available_cores
from resgen.machine.files import Tree
from resgen.machine.limits import memory_limit, numbers, quota, throttled

Make = Callable[[dict[str, str]], Path]


def affinity(cores: str) -> dict[str, str]:
    return {"proc/self/status": f"Name:\tpython\nCpus_allowed_list:\t{cores}\n"}


def pairs(many: int) -> dict[str, str]:
    """Cores of two threads each: 0 and ``many / 2`` are one core, and so on."""
    half = many // 2
    return {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": (
            f"{n % half},{n % half + half}\n"
        )
        for n in range(many)
    }


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        (affinity("0-7"), 8),
        (affinity("0-2,8"), 4),
        (affinity("0-7") | pairs(8), 4),
        (affinity("0,4") | pairs(8), 1),
        (affinity("0,1") | pairs(8), 2),
        (affinity("0-7") | {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (affinity("0-7") | {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        (affinity("0-7") | {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
        (affinity("0-7") | {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (affinity("0-7") | {"sys/fs/cgroup/cpu.max": "nonsense"}, 8),
    ],
)
def test_cores_that_are_really_there(
    machine: Make, files: dict[str, str], cores: int
) -> None:
    assert available_cores(machine(files)) == cores


def test_the_least_quota_of_the_groups_around_counts(machine: Make) -> None:
    root = machine(
        {
            "proc/self/cgroup": "0::/kube/pod/box\n",
            "sys/fs/cgroup/kube/cpu.max": "400000 100000",
            "sys/fs/cgroup/kube/pod/cpu.max": "150000 100000",
            "sys/fs/cgroup/kube/pod/box/cpu.max": "max 100000",
        }
    )
    assert quota(Tree(root)) == 1.5


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("seen", ["docker/abc/", ""])
def test_quota_of_version_1(machine: Make, mount: str, seen: str) -> None:
    """In a container the group's path is often the host's, which is not mounted."""
    group = f"sys/fs/cgroup/{mount}/{seen}"
    root = machine(
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
            f"{group}cpu.cfs_quota_us": "300000\n",
            f"{group}cpu.cfs_period_us": "100000\n",
            f"{group}cpu.stat": "nr_throttled 4\nthrottled_time 2000000000\n",
        }
    )
    assert quota(Tree(root)) == 3.0
    assert throttled(Tree(root)) == (4, 2.0)


def test_no_quota_of_version_1(machine: Make) -> None:
    root = machine({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"})
    assert quota(Tree(root)) is None


def test_memory_of_the_container(machine: Make) -> None:
    assert memory_limit(Tree(machine({"sys/fs/cgroup/memory.max": "max"}))) is None
    old = "sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert memory_limit(Tree(machine({old: "9223372036854771712"}))) is None
    assert memory_limit(Tree(machine({old: "1073741824"}))) == 2**30


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert available_cores(tmp_path) >= 1
    assert quota(Tree(tmp_path)) is None
    assert throttled(Tree(tmp_path)) is None


def test_this_machine() -> None:
    import os

    assert 1 <= available_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("text", ["", "a-b", "0-", "-3", "1,x"])
def test_no_list_of_cores(text: str) -> None:
    assert numbers(text) == ()
