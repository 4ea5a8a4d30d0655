"""A block that is written again is the block that running it would have made."""

from __future__ import annotations

from typing import Any

import pytest
from draws import draw
from published import GOLDEN

import resgen
from resgen.expansion.network import examine
from resgen.expansion.repeat import Written

Json = dict[str, Any]
STAGE = {"block": "basic", "width": 16, "depth": 5}


def network(**keys: Any) -> Json:
    spec = {"resgen": 1, "name": "n", "input": [3, 16, 16], "stem": "cifar"}
    return {**spec, "stages": [STAGE], "head": {"classes": 3}, **keys}


#: Blocks that differ by their number, in what they read, and not at all.
SPECS = {
    "alike": network(),
    "dropped more and more": network(defaults={"drop_path_rate": 0.2}),
    "named by number": network(names={"stage": "s{stage}", "block": "b{index + 1}"}),
    "at precisions": network(
        stages=[{**STAGE, "precision": ["fp16", "fp16", "fp32", "fp32", "fp32"]}]
    ),
    "of widths": network(stages=[{**STAGE, "width": [16, 16, 16, 24, 24]}]),
    "kept outside": network(
        stages=[
            {"body": [
                {"for": "i", "in": 3, "body": [
                    {"use": "basic", "with": {"width": 16}, "as": "b{i}"}
                ]}
            ]},
        ]
    ),
    "one path for two": network(names={"stage": "s", "block": "{min(index, 3)}"}),
}  # fmt: skip


#: The first of a stage, the first at a precision, and one whose path is taken are run.
AGAIN = {"alike": 4, "named by number": 4, "at precisions": 3, "one path for two": 3}


def made(spec: Json | str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, int]:
    """What examining finds, and how many blocks were written again."""
    count = 0
    again = Written.again

    def counted(self: Written, *arguments: Any) -> Any:
        nonlocal count
        value = again(self, *arguments)
        count += value is not None
        return value

    with monkeypatch.context() as patch:
        patch.setattr(Written, "again", counted)
        found = examine(spec)
    return (found.graph, [str(problem) for problem in found.problems]), count


def run_alone(spec: Json | str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(Written, "again", lambda *_: None)
        found = examine(spec)
    return found.graph, [str(problem) for problem in found.problems]


@pytest.mark.parametrize("name", SPECS)
def test_it_is_what_running_it_would_have_made(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, count = made(SPECS[name], monkeypatch)
    assert found == run_alone(SPECS[name], monkeypatch)
    assert (found[0] is None) is (name == "one path for two")
    assert count == AGAIN.get(name, 0)


@pytest.mark.parametrize("name", draw(sorted(GOLDEN), 6))
@pytest.mark.slow
def test_networks_of_the_zoo_are_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = made(name, monkeypatch)
    assert found == run_alone(name, monkeypatch)


def test_what_is_too_large_is_told_where_it_is() -> None:
    wide = {**STAGE, "width": 2048, "depth": 60}
    (problem,) = examine(network(stages=[wide])).errors
    assert problem.code == "RG050"
    assert "parameters" in problem.message
    deep = {**STAGE, "depth": 4000}
    (problem,) = examine(network(stages=[deep])).errors
    assert problem.code == "RG050"
    assert problem.place.pointer.startswith("/stages/0")


def test_blocks_are_numbered() -> None:
    graph = resgen.expand(resgen.load(SPECS["alike"]))
    blocks = {f"layer1.{i}.conv1": i for i in range(5)}
    found = {n.name: n.origin.block for n in graph.nodes if n.name in blocks}
    assert found == blocks
