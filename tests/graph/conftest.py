"""Graphs to question: of the zoo, of a spec in a test, and random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from resgen.expansion.builder import Limits
from resgen.expansion.expand import expand
from resgen.graph.ir import Graph
from resgen.ops import VOCABULARY
from resgen.spec.load import load
from resgen.spec.source import Problems


def expanded(source: Path | Mapping[str, Any], limits: Limits | None = None) -> Graph:
    """The graph of a spec: a file's, or Python values."""
    problems = Problems((limits or Limits()).work)
    spec = load(source, VOCABULARY, problems)
    assert spec is not None, [str(p) for p in problems.items]
    return expand(spec, limits=limits, problems=problems)


@pytest.fixture(scope="session")
def network(specs: Path) -> Callable[[str], Graph]:
    """The graph of a network of the zoo, by name."""

    @cache
    def find(name: str) -> Graph:
        return expanded(next(specs.rglob(f"{name}.json")))

    return find


@pytest.fixture(scope="session")
def described() -> Callable[..., Graph]:
    """The graph of a small network with some keys of its spec replaced."""

    def make(*, limits: Limits | None = None, **keys: Any) -> Graph:
        spec: dict[str, Any] = {
            "resgen": 1,
            "name": "small",
            "input": [3, 32, 32],
            "stem": "cifar",
            "defaults": {"block": "basic", "shortcut": "projection"},
            "stages": [{"width": 16, "depth": 2}, {"width": 32, "depth": 2}],
            "head": {"classes": 10},
        }
        return expanded(spec | keys, limits)

    return make
