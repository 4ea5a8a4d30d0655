"""PyTorch and ONNX Runtime agree on whatever network the language can say."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hand_graph import random_weights
from hypothesis import HealthCheck, Phase, given, settings
from in_memory import to_model
from strategies import specs

from resgen.expansion.network import examine
from resgen.graph.ir import Graph
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.torch import to_torch

#: Largest difference that is allowed, as a share of the output's range.
TOLERANCE = 1e-4


def difference(graph: Graph) -> float:
    """How far the two are apart on two random inputs, over the output's range."""
    weights = random_weights(graph)
    x = np.random.default_rng(1).normal(size=(2, *graph.inputs[0].type.shape))
    x = x.astype(np.float32)
    model = to_torch(graph, weights).eval()
    with torch.no_grad():
        theirs = model(torch.from_numpy(x)).numpy()
    file = to_model(apply(graph, fold_norm), weights)
    onnx.checker.check_model(file, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file.SerializeToString(), options)
    (ours,) = session.run(None, {"input": x})
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    return float(np.abs(ours - theirs).max() / max(np.ptp(theirs), 1e-6))


@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(specs())
@pytest.mark.slow
def test_drawn_networks_agree(spec: dict[str, Any]) -> None:
    examined = examine(spec)
    assert examined.errors == ()
    assert examined.graph is not None
    assert difference(examined.graph) <= TOLERANCE


@pytest.mark.parametrize("size", [224, 225, 33])
@pytest.mark.parametrize("ends", ["avg-projection", "projection"])
def test_odd_sizes_agree(size: int, ends: str) -> None:
    spec = {
        "resgen": 1,
        "name": "odd",
        "input": [3, size, size],
        "stem": {"use": "imagenet", "with": {"width": 8}},
        "defaults": {"block": "bottleneck", "shortcut": ends},
        "stages": [{"width": 16, "depth": 1}, {"width": 32, "depth": 1}],
        "head": {"classes": 5},
    }
    graph = examine(spec).graph
    assert graph is not None
    assert difference(graph) <= TOLERANCE
