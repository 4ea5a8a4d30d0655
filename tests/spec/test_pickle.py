"""What crosses from one process to another arrives: errors, specs and graphs."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest

import resgen
from resgen.errors import Place, Problem, ResgenError, SpecError
from resgen.expansion.network import examine, expand
from resgen.spec.canonical import canonical_bytes

WAYS: tuple[Callable[[Any], Any], ...] = (
    lambda value: pickle.loads(pickle.dumps(value)),
    copy.copy,
    copy.deepcopy,
)
PROBLEM = Problem("RG012", "error", "wrong", Place("f.json", 1, 2, "/a"), "mend it")


def made(kind: type[ResgenError]) -> ResgenError:
    """An error of this class, whatever it has to be told."""
    if kind is SpecError:
        return SpecError((PROBLEM, PROBLEM))
    asked = inspect.signature(kind).parameters.values()
    required = [p for p in asked if p.default is p.empty]
    positional = [p for p in required if p.kind is not p.KEYWORD_ONLY]
    named = {p.name: "it" for p in required if p.kind is p.KEYWORD_ONLY}
    return kind(*("it is wrong" for _ in positional), **named)


def kinds() -> Iterator[type[ResgenError]]:
    """Every class of error that this package has."""
    for module in walk_packages(resgen.__path__, "resgen."):
        if not module.name.endswith("__main__"):
            try:
                import_module(module.name)
            except ImportError:
                continue  # of a component that is not installed
    waiting: list[type[ResgenError]] = [ResgenError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting.extend(kind.__subclasses__())


def state(error: ResgenError) -> Any:
    return type(error), error.args, vars(error), str(error)


@pytest.mark.slow
def test_every_error_can_be_pickled_and_copied() -> None:
    for kind in set(kinds()):
        error = made(kind)
        for way in WAYS:
            assert state(way(error)) == state(error), kind


@pytest.mark.slow
def test_an_error_of_a_worker_reaches_who_waits_for_it() -> None:
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        waiting = pool.submit(resgen.load, Path("not/there.json"))
        with pytest.raises(SpecError, match="there is no such file"):
            waiting.result(timeout=60)


@pytest.mark.parametrize("name", ["resnet20_cifar", "densenet121"])
def test_specs_and_graphs_can_be_pickled_and_copied(name: str) -> None:
    found = examine(name)
    assert found.spec is not None
    assert found.graph is not None
    for way in WAYS:
        other = way(found)
        assert canonical_bytes(other.spec) == canonical_bytes(found.spec)
        assert other.graph == found.graph
        assert expand(other.spec) == found.graph


def test_the_text_of_an_error_lists_every_problem() -> None:
    spec = {"resgen": 1, "name": "t", "input": [3], "stem": "nothing", "head": []}
    with pytest.raises(SpecError) as caught:
        resgen.load(spec)
    said = str(caught.value).splitlines()
    errors = [p for p in caught.value.problems if p.severity == "error"]
    assert len(said) == len(errors) > 2
    for line, problem in zip(said, errors, strict=True):
        assert problem.message in line
        assert problem.hint is None or problem.hint in line
