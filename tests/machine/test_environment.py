"""What a report says of the machine, on machines made of files and on this one."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from resgen.machine import environment
from resgen.machine.files import Tree
from resgen.machine.system import settings

Make = Callable[[dict[str, str]], Path]
CPU = "sys/devices/system/cpu"


SERVER = {
    "proc/cpuinfo": (
        "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Gold 6430\n"
        "flags\t\t: fpu avx avx2 avx512f avx512_vnni amx_int8 lm\n\n"
        "processor\t: 1\nmodel name\t: Intel(R) Xeon(R) Gold 6430\nflags\t\t: fpu\n"
    ),
    "proc/meminfo": "MemTotal:       65536 kB\nMemAvailable:   1024 kB\n",
    "proc/self/status": "Cpus_allowed_list:\t0-1\n",
    "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    f"{CPU}/online": "0-3\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu0/cpufreq/scaling_driver": "intel_pstate\n",
    f"{CPU}/cpu0/cpufreq/scaling_max_freq": "3400000\n",
    f"{CPU}/intel_pstate/no_turbo": "0\n",
    f"{CPU}/cpu0/cache/index0/size": "48K\n",
    f"{CPU}/cpu0/cache/index0/type": "Data\n",
    f"{CPU}/cpu0/cache/index0/level": "1\n",
    f"{CPU}/cpu0/cache/index2/size": "2M\n",
    f"{CPU}/cpu0/cache/index2/type": "Unified\n",
    f"{CPU}/cpu0/cache/index2/level": "2\n",
}


def test_a_server(machine: Make) -> None:
    found = environment(root=machine(SERVER))
    chip = found["processor"]
    assert chip["model"] == "Intel(R) Xeon(R) Gold 6430"
    assert chip["flags"] == ["avx", "avx2", "avx512f", "avx512_vnni", "amx_int8"]
    assert (chip["logical"], chip["allowed"], chip["usable"]) == (4, 2, 2)
    assert chip["caches"] == {"L1d": 48 * 2**10, "L2": 2 * 2**20}
    assert chip["clocks"] == {
        "governor": "performance, powersave",
        "driver": "intel_pstate",
        "max_hz": 3_400_000_000,
        "turbo": True,
    }
    assert found["memory"] == {"total": 64 * 2**20, "limit": None}
    assert found["system"]["distribution"] == "Debian GNU/Linux 12"
    assert found["system"]["virtual"] is None
    assert "jetson" not in found


@pytest.mark.parametrize(
    ("files", "kind", "expected"),
    [
        ({"proc/cpuinfo": "flags\t: hypervisor\n"}, "virtual", "yes"),
        (
            {
                "proc/cpuinfo": "flags\t: hypervisor\n",
                "sys/class/dmi/id/sys_vendor": "QEMU\n",
            },
            "virtual",
            "QEMU",
        ),
        (
            {"proc/sys/kernel/osrelease": "5.15-microsoft-standard-WSL2"},
            "virtual",
            "WSL",
        ),
        ({".dockerenv": ""}, "container", "docker"),
        ({"proc/1/cgroup": "0::/kubepods/pod1"}, "container", "kubepods"),
    ],
)
def test_what_it_is_inside_of(
    machine: Make, files: dict[str, str], kind: str, expected: str
) -> None:
    assert environment(root=machine(files))["system"][kind] == expected


def test_a_jetson(machine: Make) -> None:
    pins = {"min": "1510400", "max": "1510400"}
    root = machine(
        {
            "proc/device-tree/compatible": "nvidia,p3767-0000\0nvidia,tegra234\0",
            "proc/device-tree/model": "NVIDIA Jetson Orin NX Developer Kit\0",
            "proc/cpuinfo": (
                "processor\t: 0\nFeatures\t: fp asimd asimddp\n"
                "CPU implementer\t: 0x41\nCPU part\t: 0xd42\n"
            ),
            "etc/nv_tegra_release": "# R36 (release), REVISION: 3.0, GCID: 36923193\n",
            "var/lib/nvpmodel/status": "pmode:0002\n",
            "etc/nvpmodel.conf": (
                "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=2 NAME=15W >\n"
            ),
            **{
                f"{CPU}/cpu0/cpufreq/scaling_{end}_freq": hz for end, hz in pins.items()
            },
            "sys/class/devfreq/17000000.gpu/min_freq": "306000000",
            "sys/class/devfreq/17000000.gpu/max_freq": "918000000",
        }
    )
    found = environment(root=root)
    assert found["jetson"] == {
        "release": "R36.3.0",
        "power_mode": "15W (2)",
        "pinned": False,
    }
    assert found["processor"]["model"] == "Cortex-A78AE"
    assert found["processor"]["flags"] == ["asimd", "asimddp"]
    assert found["system"]["machine"] == "NVIDIA Jetson Orin NX Developer Kit"
    (root / "sys/class/devfreq/17000000.gpu/min_freq").write_text("918000000")
    assert environment(root=root)["jetson"]["pinned"] is True


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    found = environment(root=tmp_path)
    assert found["processor"]["clocks"] == found["processor"]["caches"] == {}
    assert found["processor"]["flags"] == []
    json.dumps(found)


def test_files_that_hold_nonsense(machine: Make) -> None:
    root = machine(dict.fromkeys(SERVER, "\0\0nonsense: \n- 12 x\n"))
    json.dumps(environment(root=root))


def test_this_machine_names_nobody() -> None:
    text = json.dumps(environment())
    host = platform.node()
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    # Short names ("vm", "root") are parts of words.
    assert all(len(name) < 5 or name not in text for name in (host, getpass.getuser()))
    assert "places" not in environment()
    assert environment(paths=True)["places"]["host"] == host


def test_versions_are_those_of_the_packages() -> None:
    found = environment()["packages"]
    assert found["numpy"] == version("numpy")
    assert found["onnx"] == version("onnx")


def test_settings_keep_no_paths(tmp_path: Path) -> None:
    found = settings(
        Tree(tmp_path),
        {
            "OMP_NUM_THREADS": "2",
            "HOME": "/home/ann",
            "LD_PRELOAD": "/home/ann/lib/libjemalloc.so.2:/usr/lib/x.so",
        },
    )
    assert found == {"OMP_NUM_THREADS": "2", "LD_PRELOAD": "libjemalloc.so.2 x.so"}
