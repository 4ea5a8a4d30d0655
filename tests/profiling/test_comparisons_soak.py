"""How often a comparison is wrong, with real processes of a real engine.

Run with `make soak`; RESGEN_SOAK_SHARE=0.1 runs a tenth of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from small_subject import find_stand_ins

from resgen.artifact.prepare import Wanted, prepared
from resgen.profiling.bench import Job
from resgen.profiling.comparison.compare import measured

pytestmark = pytest.mark.soak
SHARE = float(os.environ.get("RESGEN_SOAK_SHARE", "1"))
#: A core is kept busy half of the time, in bursts, as a neighbour does it.
LOAD = """
import time
while True:
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        pass
    time.sleep(0.3)
"""


@pytest.fixture(scope="module")
def subject():
    with prepared(Wanted("resnet20_cifar")) as found:
        yield found


@pytest.fixture
def load():
    process = subprocess.Popen([sys.executable, "-c", LOAD])
    yield
    process.kill()
    process.wait()


def verdicts(count, a, b, seconds):
    found = Counter()
    for number in range(count):
        done = measured(a, b, seconds)
        found[done.decision.verdict] += 1
        print(
            f"{number}: {done.decision.verdict} {done.decision.ratio:.4f} "
            f"{done.decision.interval} floor {done.decision.floor:.4f} "
            f"{len(done.pairs)} pairs {done.seconds:.1f} s",
            flush=True,
        )
    print(found)
    return found


def test_a_thing_is_not_called_faster_or_slower_than_itself(subject, load):
    count = round(200 * SHARE)
    job = Job(subject, "onnxruntime")
    found = verdicts(count, job, job, 8.0)
    assert found["faster"] + found["slower"] <= max(1, 10 * SHARE)


def test_a_delay_of_five_per_cent_is_called_slower(subject, monkeypatch):
    find_stand_ins(monkeypatch)
    count = round(50 * SHARE)
    a, b = Job(subject, "onnxruntime"), Job(subject, "stand_in_engines.delayed")
    found = verdicts(count, a, b, 60.0)
    assert found["slower"] >= 0.9 * count
    assert found["faster"] == 0
