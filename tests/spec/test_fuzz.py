"""Whatever a spec says, it ends in a graph or in listed problems, and soon."""

from __future__ import annotations

import copy
import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import specs as valid_specs

from resgen.expansion.builder import Limits
from resgen.expansion.network import examine
from resgen.spec import zoo
from resgen.spec.canonical import canonical_form, digest

LIMITS = Limits(operators=3_000, parameters=300_000_000)
#: How much longer than an honest network of that size one examination may take.
PATIENCE = 20

FEW = settings(
    max_examples=250,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NAMES = sorted(n for n in zoo.names() if "1202" not in n and "1001" not in n)
EXPRESSIONS = (
    *("1/0", "2**9**9", "(((((((1", "width", "10**400", "-1", "1e999", "0.1 + 0.2"),
    *("x if", "len(width)", "[1][5]", "not", "$x", "$width", "{index}", "{", "a.b"),
    *("__import__('os')", "stage ** stage", "log2(0)", "sqrt(-1)", "max()", "'"),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 3, 7, 2**31, 2**63, 10**30, -(10**12), 0.5, 1e308]),
    st.sampled_from(EXPRESSIONS),
    st.text(max_size=8),
    st.sampled_from([[], {}, [[]], [1, 2, 3], {"op": "conv"}, {"use": "basic"}]),
    st.sampled_from(["fp32", "int8", "fp61", [None, "fp8"], {"precision": "fp8"}]),
    st.recursive(st.integers(), lambda x: st.lists(x, max_size=3), max_leaves=4),
)
Path_ = tuple[Any, ...]


def places(value: Any, path: Path_ = ()) -> list[Path_]:
    """The paths of everything below a value."""
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    found = []
    for key, item in members:
        found += [(*path, key), *places(item, (*path, key))]
    return found


def holder(tree: Any, path: Path_) -> Any:
    for key in path[:-1]:
        tree = tree[key]
    return tree


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """A spec of the zoo with one to four places spoiled."""
    file = zoo.find(draw(st.sampled_from(NAMES)))
    tree = json.loads(file.read_text("utf-8"))
    if "extends" in tree:
        tree["extends"] = Path(tree["extends"]).name
    for _ in range(draw(st.integers(1, 4))):
        known = places(tree)
        path = draw(st.sampled_from(known))
        parent, key = holder(tree, path), path[-1]
        kind = draw(st.sampled_from(["value", "key", "delete", "copy", "wrap"]))
        if kind == "value":
            parent[key] = copy.deepcopy(draw(VALUES))
        elif kind == "key" and isinstance(parent, dict):
            others = sorted({"precision", *(str(p[-1]) for p in known)})
            new = draw(st.sampled_from(others) | st.text(max_size=6))
            parent[new] = parent.pop(key)
        elif kind == "delete":
            del parent[key]
        elif kind == "copy":
            other = draw(st.sampled_from(known))
            parent[key] = copy.deepcopy(holder(tree, other)[other[-1]])
        else:
            parent[key] = [parent[key], copy.deepcopy(parent[key])]
        if not places(tree):
            break
    return tree


@cache
def honest() -> float:
    """Processor time for a network that comes close to the limit."""
    spec = {
        "resgen": 1,
        "name": "long",
        "input": [3, 32, 32],
        "stem": "cifar",
        "defaults": {"block": "basic", "shortcut": "identity"},
        "stages": [{"width": 16, "depth": 410}],
        "head": {"classes": 10},
    }
    begin = time.process_time()
    assert examine(spec, limits=LIMITS).graph is not None
    return time.process_time() - begin


def check(source: Any) -> None:
    """Examine, and insist on an ending that a person can do something with."""
    longest = PATIENCE * honest()
    begin = time.process_time()
    examined = examine(source, limits=LIMITS)
    assert time.process_time() - begin < longest
    assert (examined.graph is None) == bool(examined.errors)
    for problem in examined.problems:
        assert problem.message
        assert problem.code.startswith("RG")
        assert problem.place.line >= 1
        assert problem.place.column >= 1


@FEW
@given(mutants())
@pytest.mark.slow
def test_mutants_end_in_a_graph_or_in_problems(spec: dict[str, Any]) -> None:
    check(spec)


@settings(FEW, max_examples=100)
@given(st.data())
@pytest.mark.slow
def test_truncated_files_end_in_problems(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = zoo.find(data.draw(st.sampled_from(NAMES))).read_bytes().rstrip()
    cut = data.draw(st.integers(0, len(text) - 1))
    path = tmp_path_factory.getbasetemp() / "cut.json"
    path.write_bytes(text[:cut])
    check(path)
    assert examine(path).errors


@settings(FEW, max_examples=60)
@given(valid_specs())
@pytest.mark.slow
def test_the_canonical_form_is_the_same_network(spec: dict[str, Any]) -> None:
    first = examine(spec)
    assert first.errors == ()
    assert first.spec is not None
    assert first.graph is not None
    form = canonical_form(first.spec)
    again = examine(form)
    assert again.errors == ()
    assert again.spec is not None
    assert again.graph is not None
    assert digest(again.spec) == digest(first.spec)
    assert canonical_form(again.spec) == form
    ours, theirs = first.graph.nodes, again.graph.nodes
    assert [(n.name, n.op, n.inputs, n.type) for n in ours] == [
        (n.name, n.op, n.inputs, n.type) for n in theirs
    ]
    assert first.graph.parameters == again.graph.parameters
