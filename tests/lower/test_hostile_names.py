"""Names are data: whatever a spec or a graph calls its parts, no code comes of it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import resgen
from resgen.errors import Place, ResgenError
from resgen.expansion.network import examine
from resgen.graph.ir import Graph, Input, Node, Origin, Parameter, Scope, Section
from resgen.lower.scope_module import scope_module
from resgen.lower.torch import to_torch
from resgen.ops.conv import Conv
from resgen.ops.types import TensorType
from resgen.spec import paths

#: Would leave a file behind if any of it ran.
CALL = "__import__('pathlib').Path('HIT').touch()"
HOSTILE = (
    f'a", 0) or ({CALL}) or getattr(self, "a',
    f"a') or ({CALL}) or ('",
    f"a\n    {CALL}\n",
    f"a=({CALL})",
    f"x: {CALL}",
    f"x): return {CALL} #",
    f"{{{CALL}}}",
    "a\\",
    "a\0b",
    'a"b',
)
MISTAKEN = (
    *("train", "forward", "type", "T_destination", "_modules", "__class__", "for"),
    *("None", "a..b", ".a", "a.", ".", "a b", "a/b", "//a", "\u00b2", "\u202ea", "\t"),
    "a" * 300,
)
RIGHT = (
    "conv1",
    "0",
    "a-b",
    "a.b.c",
    "/a.b",
    "größe",
    "卷积",
    "_conv",
    "weight",
    "self",
)


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "resgen": 1,
        "name": "t",
        "input": [3, 8, 8],
        "stem": {"op": "conv", "out": 8, "kernel": 1},
        "stages": [{"block": "basic", "width": 8, "depth": 1}],
        "head": {"classes": 2},
        **changes,
    }


def named(name: str) -> list[dict[str, Any]]:
    """A spec for each place in which a name can be written."""
    conv = {"op": "conv", "out": 8, "kernel": 1}
    stage = {"block": "basic", "width": 8, "depth": 1, "entry": conv, "exit": conv}
    made = [spec(names={key: name}, stages=[stage]) for key in ("stage", "block")]
    made += [spec(names={key: name}, stages=[stage]) for key in ("entry", "exit")]
    made.append(spec(names={"trunk": name}))
    made.append(spec(stages=[{**stage, "name": name}]))
    made.append(spec(stem={**conv, "as": name}))
    made.append(spec(stem={"seq": conv, "as": name}))
    made.append(spec(stem={"use": "basic", "with": {"width": 8}, "as": name}))
    made.append(spec(stem={"concat": [conv, []], "as": name}))
    made.append(spec(stem={"residual": conv, "as": name, "shortcut": "none"}))
    made.append(spec(stem={"for": "i", "in": 1, "body": conv, "as": name}))
    block = {
        "params": {"p": {"type": "string", "default": name}},
        "body": {**conv, "as": "{p}"},
    }
    made.append(spec(blocks={"b": block}, stem="b"))
    return made


@pytest.mark.parametrize("name", [*HOSTILE, *MISTAKEN])
def test_what_is_no_name_is_refused_at_its_place(name: str) -> None:
    for made in named(name):
        found = examine(made)
        codes = {p.code for p in found.errors}
        assert codes in ({"RG033"}, {"RG030"}), (made, found.problems)
        assert all(p.place.line > 1 for p in found.errors)


@pytest.mark.drawn(4)
@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.slow
def test_what_is_accepted_can_be_built(name: str) -> None:
    x = torch.ones(1, 3, 8, 8)
    for made in named(name):
        found = examine(made)
        assert not found.errors, found.errors
        assert found.graph is not None
        model = to_torch(found.graph).eval()
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))


def test_every_word_that_torch_keeps_is_refused() -> None:
    for word in dir(scope_module("A", torch.fx.Graph())):
        assert paths.fault(f"a.{word}") is not None, word


def hand(component: str, **changes: Any) -> Graph:
    """A network of one convolution in a scope, with this name for both."""
    place = Place("hand", 1, 1, "")
    conv = Conv(out=2, kernel=1)
    x = TensorType((3, 4, 4))
    scope, name = component, f"{component}.{component}"
    node = Node(
        name,
        conv,
        ("input",),
        conv.infer(x),
        1,
        Origin(0, None, "", place),
        tuple(conv.operands({"weight": f"{name}.weight"}).items()),
        name,
    )
    (weight,) = conv.parameters(x)
    graph = Graph(
        "t",
        (Input("input", x),),
        (("output", name),),
        (node,),
        (Parameter(f"{name}.weight", weight.shape, weight.init),),
        (Scope("", None, "root", ""), Scope(scope, 0, "part", "/stem")),
        (Section("stem", "stem", "/stem"),),
    )
    return replace(graph, **changes)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_graph_from_anywhere_runs_no_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = hand("a")
    renamed = [replace(n, inputs=(name,)) for n in plain.nodes]
    graphs = [
        hand(name),
        hand("a", outputs=((name, "a.a"), ("b", "a.a"))),
        hand("a", name=name),
        hand("a", inputs=(Input(name, plain.inputs[0].type),), nodes=tuple(renamed)),
    ]
    for graph in graphs:
        try:
            model = to_torch(graph).eval()
            pickle.loads(pickle.dumps(model))(torch.ones(1, 3, 4, 4))
            str(model)
        except ResgenError:
            pass
        assert not list(tmp_path.iterdir()), graph


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE[:3])
def test_a_folder_from_somebody_else_runs_no_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the grammar let a name pass."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "fault", lambda path: None)
    path = tmp_path / "s.json"
    for made in (named(name)[6], named(name)[7]):
        path.write_text(json.dumps(made))
        with pytest.raises(ResgenError):
            resgen.build(resgen.load(path), tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["s.json"]
