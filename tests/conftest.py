"""What every test may use."""

from __future__ import annotations

import gc
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from draws import draw
from hypothesis import settings

# One example may include a torch session, whose first run is slow: no deadline. The
# same examples on every machine, so that a failure in one place is one in all.
settings.register_profile("resgen", deadline=None, derandomize=True)
settings.load_profile("resgen")

# Where nothing is said Keras looks for TensorFlow, and is not there without it.
os.environ.setdefault("KERAS_BACKEND", "torch")

#: Seconds that a core is wanted for, and the share of it that a quiet machine gives.
SPIN, QUIET = 0.1, 0.97
ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test that is marked ``drawn(count)``, a soak alone runs all."""
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("drawn")
        if mark is not None and item.get_closest_marker("soak") is None:
            cases[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    for (_, count), of_one in cases.items():
        drawn = draw(of_one, count)
        for item in of_one:
            if item not in drawn:
                item.add_marker(pytest.mark.soak)


def pytest_collection_finish() -> None:
    """What was imported and collected stays: no search for garbage walks it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 100)


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def specs(root: Path) -> Path:
    """The folder of the zoo."""
    return root / "specs"


@pytest.fixture(scope="session", autouse=True)
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests time waits for nothing else that is timed on this machine."""
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resgen.leases.host.LOCKS", folder)
        yield


@pytest.fixture(autouse=True)
def quiet(request: pytest.FixtureRequest) -> None:
    """Skip what is marked ``quiet`` where others take some of the processor."""
    if request.node.get_closest_marker("quiet") is None:
        return
    begin, ran = time.perf_counter(), time.thread_time()
    while time.perf_counter() < begin + SPIN:
        pass
    share = (time.thread_time() - ran) / (time.perf_counter() - begin)
    if share < QUIET:
        pytest.skip(f"the machine is loaded: {share:.0%} of a core is there for it")


@pytest.fixture(scope="session")
def peers() -> ModuleType:
    """``peers.torchvision`` and ``peers.timm``; see tests/peers.py.

    Importing them takes seconds, so a module under test asks for this fixture and
    never imports them at its top; mark such a test with ``peers``.
    """
    return import_module("peers")
