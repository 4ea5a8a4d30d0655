"""A network as one PyTorch file: exact, readable, formatted, and the same each time."""

from __future__ import annotations

import ast
import inspect
import io
import os
import runpy
import subprocess
import sys
import tokenize
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from one_node import one_node, random_inputs
from published import GOLDEN, sampled
from strategies import specs

import resgen
from resgen.errors import ResgenError
from resgen.expansion.network import examine
from resgen.graph.ir import Graph
from resgen.graph.passes.inference import for_inference
from resgen.lower.source.write import class_name, to_python
from resgen.ops import OPERATORS
from resgen.ops.base import Op
from tests.lower.test_hostile_names import HOSTILE, RIGHT, hand, named

SMALL = {
    "resgen": 1,
    "name": "small",
    "input": [3, 16, 16],
    "stem": {"op": "conv", "out": 8, "kernel": 3},
    "stages": [
        {"block": "bottleneck", "width": 8, "depth": 3},
        {"block": "bottleneck", "width": 16, "depth": 2},
    ],
    "head": {"classes": 3},
}


def graph_of(source: Any) -> Graph:
    return resgen.expand(resgen.load(source))


def loaded(graph: Graph, text: str, folder: Path) -> tuple[Any, Any]:
    """The file's network and the module, in training mode with the same numbers."""
    path = folder / "model.py"
    path.write_text(text)
    ours = resgen.to_torch(graph, seed=1)
    theirs = runpy.run_path(str(path))[class_name(text)]()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert [*theirs.state_dict()] == [*ours.state_dict()]
    return ours, theirs


def values(outputs: Any) -> dict[str, torch.Tensor]:
    return outputs if isinstance(outputs, dict) else {"": outputs}


def assert_alike(graph: Graph, text: str, folder: Path, *, train: bool) -> None:
    """The same outputs, gradients and statistics, to the last bit."""
    ours, theirs = loaded(graph, text, folder)
    (given,) = graph.inputs
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(2, *given.type.shape, generator=draw)
    with torch.no_grad():
        wanted, found = values(ours.eval()(x)), values(theirs.eval()(x))
        if not all(each.isfinite().all() for each in wanted.values()):
            # A thousand fresh layers overflow, but by the batch's own statistics.
            wanted, found = values(ours.train()(x)), values(theirs.train()(x))
    assert [*wanted] == [*found]
    assert all(torch.equal(wanted[k], found[k]) for k in wanted)
    if not train:
        return
    for module in (ours.train(), theirs.train()):
        torch.manual_seed(0)
        outputs = values(module(x))
        sum((each**2).mean() for each in outputs.values()).backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert torch.equal(parameter.grad, gradients[name].grad), name
    state = theirs.state_dict()
    assert all(torch.equal(v, state[name]) for name, v in ours.state_dict().items())


def code_lines(text: str) -> int:
    """Lines with code, without docstrings and comments."""
    tree = ast.parse(text)
    docs: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docs.update(range(first.lineno, (first.end_lineno or 0) + 1))
    kinds = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT,
             tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)  # fmt: skip
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {
        line
        for token in tokens
        if token.type not in kinds
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - docs)


@pytest.mark.parametrize("name", sampled(GOLDEN, 3, large=12e6))
@pytest.mark.slow
def test_a_network_of_the_zoo_is_the_same(name: str, tmp_path: Path) -> None:
    graph = graph_of(name)
    text = to_python(graph)
    assert_formatted(text, tmp_path)
    train = resgen.analyse(graph).macs < 1e9 and len(graph.nodes) < 400
    assert_alike(graph, text, tmp_path, train=train)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"blocks": {"dropped": {"body": [
            {"op": "conv", "out": 8, "kernel": 3}, {"op": "dropout", "p": 0.3},
            {"residual": [{"op": "norm"}, {"op": "drop_path", "p": 0.5}]},
        ]}}, "stages": [{"block": "dropped", "depth": 2}]},
        {"stem": {"concat": [{"op": "conv", "out": 4, "kernel": 1}, []]}},
    ],
)  # fmt: skip
def test_a_step_of_training_is_the_same(change: Any, tmp_path: Path) -> None:
    graph = graph_of({**SMALL, **change})
    assert_alike(graph, to_python(graph), tmp_path, train=True)


@pytest.mark.slow
def test_outputs_of_training_alone_are_there_in_training(tmp_path: Path) -> None:
    graph = graph_of("googlenet")
    text = to_python(graph)
    ours, theirs = loaded(graph, text, tmp_path)
    x = torch.ones(2, 3, 64, 64)
    assert [*theirs.train()(x)] == [*ours.train()(x)]
    assert torch.equal(theirs.eval()(x), ours.eval()(x))


def torchvision_classes(peers: ModuleType) -> dict[str, list[Any]]:
    """What of torchvision a person needs to write these down."""
    models, misc = peers.torchvision.models, peers.torchvision.ops.misc
    res, dense, reg = models.resnet, models.densenet, models.regnet
    return {
        "resnet50": [res.conv3x3, res.conv1x1, res.Bottleneck, res.ResNet],
        "densenet121": [
            dense._DenseLayer, dense._DenseBlock, dense._Transition, dense.DenseNet,
        ],
        "regnety_008_tv": [
            misc.ConvNormActivation, misc.Conv2dNormActivation, misc.SqueezeExcitation,
            reg.SimpleStemIN, reg.BottleneckTransform, reg.ResBottleneckBlock,
            reg.AnyStage, reg.BlockParams, reg.RegNet,
        ],
    }  # fmt: skip


@pytest.mark.peers
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "regnety_008_tv"])
@pytest.mark.slow
def test_it_is_no_longer_than_what_people_write(name: str, peers: ModuleType) -> None:
    person = torchvision_classes(peers)[name]
    theirs = sum(code_lines(inspect.getsource(each)) for each in person)
    assert code_lines(to_python(graph_of(name))) <= 1.5 * theirs


@pytest.mark.parametrize(
    "source", [SMALL, "densenet40_k12_bc_cifar", "hrnet_w18_small"]
)
def test_it_is_formatted_and_imports_torch_alone(source: Any, tmp_path: Path) -> None:
    text = to_python(graph_of(source))
    tops = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert tops <= {"torch", "math", "typing", "functools"}
    assert_formatted(text, tmp_path)


def assert_formatted(text: str, folder: Path) -> None:
    """As ruff formats and sorts it."""
    ruff = pytest.importorskip("ruff").find_ruff_bin()
    path = folder / "model.py"
    path.write_text(text)
    shared = ["--isolated", "--no-cache", "--line-length", "88", str(path)]
    words = [["format", "--check"], ["check", "--select", "E,W,F,I,UP,B"]]
    for word in words:
        done = subprocess.run([ruff, *word, *shared], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_blocks_are_one_class_and_repeated_ones_a_loop() -> None:
    text = to_python(graph_of(SMALL))
    classes = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
    assert [each.name for each in classes] == ["Bottleneck", "Small"]
    assert "[Bottleneck(8, 2) for _ in range(3)]" in text


@pytest.mark.slow
def test_one_network_is_one_text() -> None:
    """Whatever order a run of Python has its sets in."""
    name = "mobilenetv3_small_050"
    code = (
        "import resgen; from resgen.lower.source.write import to_python;"
        f"print(to_python(resgen.expand(resgen.load({name!r}))), end='')"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    ).stdout  # fmt: skip
    assert again == to_python(graph_of(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    "compiled",
    [
        lambda m, x: torch.compile(m, backend="eager", fullgraph=True)(x),
        lambda m, x: torch.export.export(m, (x,)).module()(x),
    ],
)
def test_it_compiles(compiled: Callable[..., torch.Tensor], tmp_path: Path) -> None:
    graph = graph_of(SMALL)
    _, module = loaded(graph, to_python(graph), tmp_path)
    x = torch.ones(2, 3, 16, 16)
    module.eval()
    torch.testing.assert_close(compiled(module, x), module(x))


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.slow
def test_what_is_accepted_as_a_name_is_written(name: str, tmp_path: Path) -> None:
    for made in named(name):
        graph = examine(made).graph
        assert graph is not None
        assert_alike(graph, to_python(graph), tmp_path, train=False)


@pytest.mark.parametrize(
    "name", ["pop", "append", "keys", "update", "nn", "x", "named"]
)
def test_words_of_containers_are_names_as_any_other(name: str, tmp_path: Path) -> None:
    for made in named(name):
        graph = examine(made).graph
        assert graph is not None
        assert_alike(graph, to_python(graph), tmp_path, train=False)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = hand("a").scopes
    graphs = [
        hand(name),
        hand("a", outputs=((name, "a.a"), ("b", "a.a"))),
        hand("a", name=name),
        hand("a", scopes=(plain[0], replace(plain[1], definition=name))),
    ]
    for graph in graphs:
        try:
            text = to_python(graph)
        except ResgenError:
            continue
        path = tmp_path / "model.py"
        path.write_text(text)
        runpy.run_path(str(path))[class_name(text)]()(torch.ones(1, 3, 4, 4))
        assert list(tmp_path.iterdir()) == [path], graph
        path.unlink()


@pytest.mark.parametrize(
    "operator",
    [op for op in OPERATORS.values() if not op.placed],
    ids=lambda op: op.name,
)
def test_every_operator_is_written(operator: type[Op], tmp_path: Path) -> None:
    for case in operator.samples():
        graph = one_node(case.op, case.inputs)
        ours, theirs = loaded(graph, to_python(graph), tmp_path)
        inputs = [torch.from_numpy(each) for each in random_inputs(case.inputs)]
        with torch.no_grad():
            wanted, found = ours.eval()(*inputs), theirs.eval()(*inputs)
        assert torch.equal(wanted, found), case


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(spec=specs())
def test_whatever_the_language_says_is_written(spec: dict[str, Any]) -> None:
    graph = graph_of(spec)
    with TemporaryDirectory() as folder:
        assert_alike(graph, to_python(graph), Path(folder), train=False)


def test_what_is_computed_of_weights_is_refused() -> None:
    with pytest.raises(ResgenError, match="computed of the network's parameters"):
        to_python(for_inference(graph_of(SMALL)))
