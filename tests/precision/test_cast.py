"""Sixteen bits: where values change their type, and what would be lost by folding."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
import torch
from hand_graph import Builder, random_weights
from in_memory import to_model

import resgen
from resgen.errors import ResgenError
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.softmax import Softmax
from resgen.runtime.onnxruntime import OnnxRuntimeSession
from resgen.weights.initialize import initialize


def small(norm="batch"):
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=6, kernel=3))
    net.add("norm", Norm(type=norm))
    net.add("act", Act(type="relu"))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=4))
    return net.graph()


def kinds(graph):
    return [(n.op.name, n.type.dtype) for n in graph.nodes]


def test_types_change_at_the_ends_alone():
    low = at_precision(small(), Precision("fp16"))
    halves = [(n, "float16") for n in ("conv", "act", "global_pool", "flatten")]
    assert kinds(low) == [
        ("cast", "float16"), *halves, ("linear", "float16"), ("cast", "float32"),
    ]  # fmt: skip
    assert low.types[low.outputs[0][1]].dtype == "float32"
    ends = at_precision(small(), Precision("fp16", low_ends=True))
    assert kinds(ends) == [*halves, ("linear", "float16")]
    assert ends.inputs[0].type.dtype == "float16"


@pytest.mark.parametrize("low_ends", [False, True])
def test_a_file_in_halves_computes_the_same(tmp_path, low_ends):
    graph = small()
    weights = random_weights(graph)
    x = np.random.default_rng(0).normal(size=(5, 3, 9, 9)).astype(np.float32)
    with torch.no_grad():
        exact = to_torch(graph, weights).eval()(torch.from_numpy(x)).numpy()
    low = at_precision(graph, Precision("fp16", low_ends=low_ends))
    write(low, weights, tmp_path / "half.onnx")
    given = x.astype(np.float16) if low_ends else x
    with OnnxRuntimeSession(tmp_path / "half.onnx") as session:
        found = session.run({"input": given})["output"]
    assert found.dtype == given.dtype
    np.testing.assert_allclose(found, exact, atol=4e-3 * np.ptp(exact))
    # Every weight was rounded once, from the exact product with its norm.
    model = onnx.load(tmp_path / "half.onnx")
    stored = {
        i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer
    }  # fmt: skip
    scale = weights["norm.weight"].astype(np.float64) / np.sqrt(
        weights["norm.running_var"].astype(np.float64) + 1e-5
    )
    wide = weights["conv.weight"] * scale[:, None, None, None]
    np.testing.assert_array_equal(stored["conv.weight"], wide.astype(np.float16))


def test_bfloat16_asks_for_the_opset_that_has_it():
    model = to_model(at_precision(small(), Precision("bf16")), random_weights(small()))
    assert model.opset_import[0].version >= 22
    onnx.checker.check_model(model, full_check=True)
    weight = next(t for t in model.graph.initializer if t.name == "conv.weight")
    assert weight.data_type == onnx.TensorProto.BFLOAT16


def test_bfloat16_weights_are_rounded_in_torch_as_in_the_file():
    graph = small()
    weights = random_weights(graph)
    low = at_precision(graph, Precision("bf16"))
    model = to_torch(low, weights).eval()
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype(np.float32)
    scale = weights["norm.weight"] / np.sqrt(weights["norm.running_var"] + 1e-5)
    weight = (weights["conv.weight"] * scale[:, None, None, None]).astype(
        ml_dtypes.bfloat16
    )
    bias = weights["norm.bias"] - weights["norm.running_mean"] * scale
    seen = {}
    model.act.register_forward_hook(lambda m, args, y: seen.update(x=args[0]))
    with torch.no_grad():
        model(torch.from_numpy(x))
        wanted = torch.nn.functional.conv2d(
            torch.from_numpy(x).bfloat16().float(),
            torch.from_numpy(weight.astype(np.float32)),
            torch.from_numpy(bias),
            padding=1,
        )
    assert seen["x"].dtype == torch.bfloat16
    # One rounding of the sum, and one of the bias: two in 256.
    torch.testing.assert_close(seen["x"].float(), wanted, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize("name", ["fp16", "bf16"])
def test_sums_that_sixteen_bits_cannot_hold_stay_in_float32(name):
    net = Builder((4, 5, 5))
    net.add("conv", Conv(out=4, kernel=1))
    net.add("norm", Norm(type="layer"))
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("softmax", Softmax())
    low = at_precision(net.graph(), Precision(name))
    types = {n.name: n.type.dtype for n in low.nodes}
    assert types["norm"] == types["softmax"] == "float32"
    assert types["conv"] == types["flat"] != "float32"


def test_a_weight_too_large_for_a_half_is_named():
    graph = small()
    weights = random_weights(graph)
    weights["conv.weight"][2, 1, 0, 0] = 3e5
    weights["norm.weight"][2] = 1
    weights["norm.running_var"][2] = 1
    low = at_precision(graph, Precision("fp16"))
    with pytest.raises(
        ResgenError, match=r"conv\.weight: float16 cannot hold 3e\+05"
    ) as e:
        to_model(low, weights)
    assert "keep conv: " in e.value.hint
    kept = at_precision(graph, Precision("fp16", keep=("conv",)))
    to_model(kept, weights)
    to_model(at_precision(graph, Precision("bf16")), weights)


def test_a_bias_that_only_folding_makes_too_large_is_named():
    graph = small()
    weights = random_weights(graph)
    weights["norm.running_var"][:] = 1e-4
    weights["norm.running_mean"][1] = 2000
    weights["norm.weight"][1] = 1
    low = at_precision(graph, Precision("fp16"))
    with pytest.raises(ResgenError, match="float16 cannot hold"):
        to_model(low, weights)


def test_a_layer_scale_of_a_millionth_is_not_lost_in_halves(tmp_path):
    """It stays a factor of its own: folded into a half it would be 0 or nearly so."""
    small = ["/input=[3, 32, 32]", '/stages=[{"width": 96, "depth": 2}]']
    graph = resgen.expand(resgen.load("convnext_tiny", small))
    weights = initialize(graph.parameters, 0)
    gammas = [name for name in weights if name.endswith("gamma")]
    assert gammas
    for name in gammas:
        assert (weights[name] == np.float32(1e-6)).all()
    low = at_precision(graph, Precision("fp16"))
    model = to_model(low, weights)
    held = [
        onnx.numpy_helper.to_array(tensor).astype(np.float64)
        for tensor in model.graph.initializer
        if ".gamma" in tensor.name
    ]
    assert len(held) == len(gammas)
    for array in held:
        assert array == pytest.approx(1e-6, rel=0.05)
    # What the branch adds is there: a gamma a million times as large shows it.
    loud = {
        name: array * np.float32(1e6) if name in gammas else array
        for name, array in weights.items()
    }
    folded = apply(graph, fold_norm)
    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    scores = []
    for made, given in ((folded, loud), (low, loud), (folded, weights)):
        write(made, given, tmp_path / "tiny.onnx")
        with OnnxRuntimeSession(tmp_path / "tiny.onnx") as session:
            scores.append(session.run({"input": x})["output"])
    exact, half, quiet = scores
    branches = np.abs(quiet - exact).max()
    assert branches > 0.01 * np.ptp(exact)
    assert np.abs(half - exact).max() < 0.2 * branches
