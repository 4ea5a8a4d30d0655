"""Attention as ONNX's own operator: what the proof of the file notices."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import resgen
from resgen.lower.onnx import write
from resgen.onnxfile.stored import read_stored
from resgen.proof.compare import Departure
from resgen.proof.local import prove_locally
from resgen.weights.initialize import initialize

# Two windows of a row of nine, in three heads, with a bias for each pair of positions.
SPEC = {
    "resgen": 1,
    "name": "attends",
    "input": [12, 18],
    "stem": [
        {"op": "parameter", "as": "pairs", "shape": [3, 9, 9], "name": "pairs"},
        {"from": "input", "op": "unflatten", "axis": 1, "sizes": [2, 9]},
        {"name": "windows"},
        {"op": "linear", "as": "k", "out": 12, "name": "k"},
        {"from": "windows", "op": "linear", "as": "v", "out": 12, "name": "v"},
        {"from": "windows", "op": "linear", "as": "q", "out": 12},
        {"op": "attention", "as": "attend", "heads": 3, "keys": "k", "values": "v",
         "bias": "pairs"}],
    "stages": [],
    "head": [],
}  # fmt: skip
BATCH = np.random.default_rng(3).normal(size=(3, 12, 18)).astype(np.float32)


def attention(model):
    return next(node for node in model.graph.node if node.op_type == "Attention")


def number(name, change):
    def apply(model):
        (found,) = (a for a in attention(model).attribute if a.name == name)
        found.f = change(found.f)

    return apply


def exchanged(i, j):
    def apply(model):
        given = attention(model).input
        given[i], given[j] = given[j], given[i]

    return apply


def without_bias(model):
    del attention(model).input[3]


def causal(model):
    attention(model).attribute.append(helper.make_attribute("is_causal", 1))


def softly_capped(model):
    attention(model).attribute.append(helper.make_attribute("softcap", 30.0))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    graph = resgen.expand(resgen.load(SPEC))
    weights = initialize(graph.parameters, 0)
    rng = np.random.default_rng(0)
    for name, held in weights.items():
        weights[name] = rng.normal(size=held.shape).astype(np.float32)
    path = tmp_path_factory.mktemp("attention") / "model.onnx"
    operands = write(graph, weights, path, opset=23).initializers
    return graph, weights, operands, path


def prove(written, path):
    graph, weights, operands, _ = written
    return prove_locally(graph, read_stored(path), operands, weights, BATCH)


def test_it_is_one_node_and_right(written):
    graph, *_, path = written
    assert attention(onnx.load(path)).name == "attend/Attention"
    assert prove(written, path) == len(graph.nodes)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(number("scale", lambda f: 1.001 * f), id="another scale"),
        pytest.param(exchanged(0, 1), id="queries and keys exchanged"),
        pytest.param(exchanged(1, 2), id="keys and values exchanged"),
        pytest.param(without_bias, id="no bias"),
        pytest.param(causal, id="no look ahead"),
        pytest.param(softly_capped, id="scores capped"),
    ],
)
def test_a_fault_of_it_is_caught_and_named(change, written, tmp_path):
    model = onnx.load(written[-1])
    change(model)
    path = tmp_path / "changed.onnx"
    onnx.save(model, path)
    with pytest.raises(Departure) as caught:
        prove(written, path)
    assert "attend" in str(caught.value)
