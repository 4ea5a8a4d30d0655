"""SiLU in 8 bits for ONNX Runtime: a sigmoid and a product, both quantised."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from in_memory import to_model

import resgen
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import Samples
from resgen.graph.passes import apply
from resgen.graph.passes.split_silu import split_silu
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.lower.torch import to_torch
from resgen.weights.initialize import initialize

SPEC = {
    "resgen": 1,
    "name": "swish",
    "input": [3, 32, 32],
    "stem": {"use": "cifar", "with": {"width": 16}},
    "defaults": {"block": "basic", "attention": "se", "act": "silu"},
    "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}],
    "head": {"classes": 10},
}


@pytest.fixture(scope="module")
def graph():
    return resgen.expand(resgen.load(SPEC))


def test_it_runs_in_integers(graph, tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    weights = initialize(graph.parameters, 0)
    made = Calibrator(graph, weights, Samples(4, "noise", False, lambda i: x[i])).at(
        Precision("int8", "onnxruntime")
    )
    path = tmp_path / "model.onnx"
    write(made.shipped, made.weights, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    counted = Counter(
        n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node
    )
    acts = Counter(n.op.type for n in graph.nodes if n.op.name == "act")
    assert counted["QLinearSigmoid"] == acts["silu"] + acts["sigmoid"]
    assert counted["QLinearMul"] >= acts["silu"]
    assert not {"Sigmoid", "Mul", "QuickGelu", "Conv"} & set(counted)

    import torch

    with torch.no_grad():
        wanted = to_torch(graph, weights).eval()(torch.from_numpy(x)).numpy()
    (found,) = session.run(None, {"input": x})
    noise = np.square(found - wanted).sum() / np.square(wanted).sum()
    assert noise < 10 ** (-20 / 10)


def test_a_split_network_computes_the_same(graph):
    import torch

    weights = initialize(graph.parameters, 0)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = to_torch(graph, weights).eval()(x)
        parts = to_torch(apply(graph, split_silu), weights).eval()(x)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)


def test_tensorrt_gets_pools_and_gates_in_integers_and_activations_whole(graph):
    """As NVIDIA's Model Optimizer places them."""
    low = at_precision(graph, Precision("int8", "tensorrt"))
    made = {node.name: node for node in low.nodes}
    kinds = Counter(node.op.type for node in low.nodes if node.op.name == "act")
    assert kinds["silu"]
    gates = [n for n in low.nodes if n.op.name == "multiply"]
    pools = [n for n in low.nodes if n.op.name == "global_pool"]
    assert len(gates) == 2
    assert len(pools) == 3
    for node in (*gates, *pools):
        assert {made[v].op.name for v in node.inputs} == {"dequantize"}, node.name
    drawn = initialize(low.parameters, 0)
    onnx.checker.check_model(to_model(low, drawn), full_check=True)
    fp8 = at_precision(graph, Precision("fp8", "tensorrt"))
    made = {node.name: node for node in fp8.nodes}
    for node in fp8.nodes:
        if node.op.name in ("multiply", "global_pool"):
            assert "dequantize" not in {made[v].op.name for v in node.inputs}
