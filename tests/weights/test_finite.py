"""Weights that are no numbers are named before anything is made of them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from resgen.cli import main
from resgen.errors import ResgenError
from resgen.expansion.expand import expand
from resgen.ops import VOCABULARY
from resgen.ops.types import Apply, Ref
from resgen.spec.load import load
from resgen.spec.source import Problems
from resgen.weights.checkpoint import fit
from resgen.weights.evaluate import evaluate
from resgen.weights.initialize import initialize

SPEC = {
    "resgen": 1, "name": "n", "input": [3, 8, 8], "stem": "cifar",
    "defaults": {"block": "basic"}, "stages": [{"width": 8, "depth": 1}],
    "head": {"classes": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def graph():
    return expand(load(SPEC, VOCABULARY, Problems()))


def weights_with(graph, name, value, dtype=torch.float32):
    state = {
        key: torch.from_numpy(np.array(array))
        for key, array in initialize(graph.parameters, 0).items()
    }
    state[name] = state[name].to(dtype)
    state[name].view(-1)[0] = value
    return state


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fc.bias", float("nan"), r"fc\.bias in .* holds NaN \(1 of 4 numbers\)"),
        ("layer1.0.conv1.weight", float("inf"), r"conv1\.weight in .* infinity"),
        ("bn1.running_var", float("nan"), r"bn1\.running_var in .* NaN"),
        ("bn1.running_var", -1.0, r"bn1\.running_var in .* negative variances"),
    ],
)
def test_the_parameter_is_named(graph, name, value, said):
    with pytest.raises(ResgenError, match=said) as found:
        fit(weights_with(graph, name, value), graph)
    assert found.value.hint


def test_the_first_is_named_and_the_others_counted(graph):
    state = weights_with(graph, "fc.bias", float("nan"))
    state["conv1.weight"][:] = float("nan")
    with pytest.raises(ResgenError, match=r"conv1\.weight .* 1 more"):
        fit(state, graph)


def test_what_float32_cannot_hold_is_named_too(graph):
    state = weights_with(graph, "fc.weight", 1e300, torch.float64)
    with pytest.raises(ResgenError, match=r"fc\.weight .* infinity"):
        fit(state, graph)


def test_numbers_beyond_float32_are_no_warning():
    operand = Apply("divide", (Ref("a"), Ref("b")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ResgenError, match="computed from a, b is beyond float32"):
            evaluate(operand, {"a": np.float32([1e30]), "b": np.float32([1e-30])})


def test_a_build_is_refused_in_one_sentence(graph, tmp_path, monkeypatch):
    import json

    monkeypatch.chdir(tmp_path)
    (tmp_path / "n.json").write_text(json.dumps(SPEC))
    torch.save(weights_with(graph, "fc.bias", float("nan")), "nan.pth")
    made = ["build", "n.json", "--weights", "nan.pth", "-o", "out"]
    run = CliRunner().invoke(main, made)
    assert run.exit_code == 1
    assert "fc.bias in nan.pth holds NaN" in run.output
    assert not (tmp_path / "out").exists()
