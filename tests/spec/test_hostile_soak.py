"""100,000 spoiled specs and every bomb: an answer, soon, in little memory.

A mutant takes some 10 ms of processor. RESGEN_SEEDS=32000-36000 takes those alone.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import bombs
import pytest
from mutations import mutant

from resgen.expansion.network import Examined, examine

#: Seeds of the mutants; a failure names its own.
FIRST, LAST = map(int, os.environ.get("RESGEN_SEEDS", "0-100000").split("-"))
#: How many processes they are shared among.
PARTS = 20
#: Seconds of processor, and bytes beyond what the process had.
SECONDS = 2.0
MEMORY = 500 * 2**20


def answered(found: Examined) -> None:
    assert (found.graph is None) == bool(found.errors), found.problems
    assert not any("please report" in p.message for p in found.problems)


def look(source: Path | bombs.Json) -> None:
    """Examine, and insist on an answer within the bounds."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        answered(examine(source))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def late(*_: object) -> None:
    raise TimeoutError(f"{SECONDS} s of processor")


def apart(check: Callable[[], None]) -> int:
    """Run in a process of its own; how many bytes that took at most, or -1."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGVTALRM, late)
        try:
            check()
        except BaseException as error:
            print(repr(error), repr(error.__cause__), flush=True)
            os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    taken = used.ru_maxrss * 1024 - pages * resource.getpagesize()
    return -1 if status else max(taken, 0)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_mutants_are_answered(part: int) -> None:
    def all_of_them() -> None:
        for seed in range(FIRST + part, LAST, PARTS):
            spec = mutant(random.Random(seed))
            try:
                look(spec)
            except BaseException as error:
                raise AssertionError(f"seed {seed}: {json.dumps(spec)}") from error

    assert 0 <= apart(all_of_them) < MEMORY


@pytest.mark.slow
def test_a_few_mutants_are_answered() -> None:
    for seed in (*range(100), 1696, 13956, 16463, 41781):
        answered(examine(mutant(random.Random(seed))))


@pytest.mark.soak
@pytest.mark.parametrize("made", [bombs.grown, bombs.listed, bombs.nested])
def test_bombs_are_answered(
    tmp_path: Path, made: Callable[[], Iterable[tuple[str, bombs.Json]]]
) -> None:
    path = tmp_path / "bomb.json"
    for name, spec in made():
        path.write_bytes(bombs.written(spec))
        del spec
        used = apart(lambda: look(path))
        assert 0 <= used < MEMORY, name
