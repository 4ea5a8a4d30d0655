"""100,000 spoiled specs and every bomb: an answer, soon, in little memory."""

from __future__ import annotations

import json
import os
import random
import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import bombs
import pytest
from mutations import mutant

from resgen.expansion.network import examine

#: Seeds of the mutants; a failure names its own.
SEEDS = range(100_000)
#: Seconds of processor, and bytes beyond what the process had.
SECONDS = 2.0
MEMORY = 500 * 2**20


def look(source: Path | bombs.Json) -> None:
    """Examine, and insist on an answer within the bounds."""
    begin = time.process_time()
    found = examine(source)
    taken = time.process_time() - begin
    assert (found.graph is None) == bool(found.errors), found.problems
    assert taken < SECONDS, f"{taken:.1f} s of processor"


def apart(check: Callable[[], None]) -> int:
    """Run in a process of its own; how many bytes that took at most, or -1."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = os.fork()
    if child == 0:
        try:
            check()
        except BaseException as error:
            print(repr(error))
            os._exit(1)
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    return -1 if status else (used.ru_maxrss - before) * 1024


@pytest.mark.soak
@pytest.mark.parametrize("part", range(20))
def test_mutants_are_answered(part: int) -> None:
    for seed in SEEDS[part::20]:
        spec = mutant(random.Random(seed))
        try:
            look(spec)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {json.dumps(spec)}") from error


@pytest.mark.slow
def test_a_few_mutants_are_answered() -> None:
    for seed in (*SEEDS[:100], 1696, 13956, 16463):
        found = examine(mutant(random.Random(seed)))
        assert (found.graph is None) == bool(found.errors), seed


@pytest.mark.soak
@pytest.mark.parametrize("made", [bombs.grown, bombs.nested])
def test_bombs_are_answered(
    tmp_path: Path, made: Callable[[], Iterable[tuple[str, bombs.Json]]]
) -> None:
    path = tmp_path / "bomb.json"
    for name, spec in made():
        path.write_bytes(bombs.written(spec))
        del spec
        used = apart(lambda: look(path))
        assert 0 <= used < MEMORY, name
