"""Snapshots: what they hold, and that two of them tell what went on in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from resgen.machine import energy, jetson, snapshot, unsteady

Make = Callable[[dict[str, str]], Path]
CPU = "sys/devices/system/cpu"
TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


FILES = {
    "proc/self/status": "Cpus_allowed_list:\t0,2\n",
    # user nice system idle iowait irq softirq steal guest guest_nice
    "proc/stat": (
        "cpu  9999 0 0 0 0 0 0 0 0 0\n"
        "cpu0 100 10 20 500 50 1 2 30 90 0\n"
        "cpu1 7777 0 0 0 0 0 0 0 0 0\n"
        "cpu2 200 0 0 500 0 0 0 0 0 0\nintr 1\n"
    ),
    "proc/self/stat": f"1 (a) b) R {' '.join('0' * 10)} 40 5 6 7 20 0\n",
    f"{CPU}/cpu0/cpufreq/scaling_cur_freq": "1200000\n",
    f"{CPU}/cpu2/cpufreq/scaling_cur_freq": "3400000\n",
    f"{CPU}/cpu0/thermal_throttle/core_throttle_count": "3\n",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone0/temp": "61500\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n",
    "proc/meminfo": "MemAvailable:  1024 kB\n",
    "proc/vmstat": "pswpin 3\npswpout 4\n",
    "sys/class/power_supply/AC/type": "Mains\n",
    "sys/class/power_supply/AC/online": "0\n",
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
    "sys/class/powercap/intel-rapl:0/energy_uj": "5000000\n",
    "sys/class/powercap/intel-rapl:0/max_energy_range_uj": "9000000\n",
}


def test_all_that_can_be_seen(machine: Make) -> None:
    found = snapshot(root=machine(FILES))
    assert found["cores"] == 2
    assert found["busy"] == pytest.approx((100 + 10 + 20 + 1 + 2 + 200) / TICK)
    assert found["own"] == pytest.approx((40 + 5 + 6 + 7) / TICK)
    assert found["stolen"] == pytest.approx(30 / TICK)
    assert found["clocks_hz"] == [1_200_000_000, 3_400_000_000]
    assert found["throttles"] == 3
    assert found["temperatures_c"] == {"x86_pkg_temp": 61.5}
    assert found["pressure"] == {"memory": 1.5}
    assert found["memory"] == {"available": 2**20, "swapped_pages": 7}
    assert found["on_battery"] is True
    json.dumps(found)


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    found = snapshot("cuda:0", root=tmp_path)
    assert "busy" not in found
    assert unsteady(found, snapshot("cuda:0", root=tmp_path)) == ()


def test_files_that_hold_nonsense(machine: Make) -> None:
    nonsense = dict.fromkeys(FILES, "\x00 nonsense: (x\ncpu0\n")
    json.dumps(snapshot(root=machine(nonsense)))


def test_the_meter_starts_again(machine: Make) -> None:
    before = snapshot(root=machine(FILES))
    meter = "sys/class/powercap/intel-rapl:0/energy_uj"
    after = snapshot(root=machine(FILES | {meter: "1000000"}))
    spent = energy(before, after)
    assert spent is not None
    assert spent.joules == pytest.approx(9 - 5 + 1)
    assert energy({}, {}) is None


def test_a_snapshot_is_cheap() -> None:
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        snapshot()
        spent.append(time.perf_counter() - start)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)
    process = time.perf_counter() - start
    assert median(spent) < process, "less than to start a process"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_load_by_others_is_seen_and_own_load_is_not() -> None:
    before = snapshot()
    if "busy" not in before:
        pytest.skip("this sandbox does not tell what its cores do")
    spin = "import time\nend = time.time() + 1.0\nwhile time.time() < end: pass"
    others = [
        subprocess.Popen([sys.executable, "-S", "-c", spin])
        for _ in range(before["cores"])
    ]
    time.sleep(0.9)
    after = snapshot()
    for process in others:
        process.wait()
    assert any("other processes took" in text for text in unsteady(before, after))
    ended = snapshot()
    assert ended["own"] - after["own"] > 0.2, "children that have ended are its own"


def test_tegrastats() -> None:
    line = (
        "04-12-2025 10:00:00 RAM 2462/7620MB (lfb 2x4MB) SWAP 0/3810MB (cached 0MB) "
        "CPU [8%@1510,0%@1510,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 61%@[917] "
        "cpu@47.5C tj@49.2C cv0@-256C VDD_IN 4812mW/4700mW VDD_CPU_GPU_CV 482mW/480mW"
    )
    assert jetson.parse(line) == {
        "load": 61,
        "clock_hz": 917e6,
        "temperatures_c": {"cpu": 47.5, "tj": 49.2},
        "power_w": {"VDD_IN": 4.812, "VDD_CPU_GPU_CV": 0.482},
    }
    old = "RAM 9/9MB GR3D_FREQ 7%@76 CPU@31C POM_5V_IN 1532/1500 POM_5V_GPU 0/0"
    assert jetson.parse(old) == {
        "load": 7,
        "clock_hz": 76e6,
        "temperatures_c": {"cpu": 31.0},
        "power_w": {"POM_5V_IN": 1.532, "POM_5V_GPU": 0.0},
    }
    assert jetson.parse("nothing of the kind") == {}


def test_a_tool_that_never_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tegrastats"
    tool.write_text("#!/bin/sh\necho 'GR3D_FREQ 5%@[300]'\nexec sleep 30\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert jetson.state() == {"load": 5, "clock_hz": 300e6}
