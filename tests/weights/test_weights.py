"""Operands against torch, safetensors files against the safetensors package."""

import hashlib
import json

import numpy as np
import pytest
import torch
from hand_graph import Builder, random_weights
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file

from resgen.errors import ResgenError
from resgen.ops.conv import Conv
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.types import Apply, Ref
from resgen.weights.evaluate import (
    FUNCTIONS,
    Remembering,
    evaluate,
    shape_of,
)
from resgen.weights.safetensors import StoredWeights, write_safetensors


@pytest.fixture
def graph():
    net = Builder((3, 9, 9))
    net.add("conv", Conv(out=6, kernel=3, bias=True))
    net.add("bn", Norm())
    net.add("pool", GlobalPool())
    net.add("flat", Flatten())
    net.add("fc", Linear(out=10))
    return net.graph()


W, B, V = Ref("conv.weight"), Ref("conv.bias"), Ref("bn.running_var")
SCALE = Apply("scale_of", (W, 127))
QUANTIZED = Apply("quantize", (W, SCALE, "int8"))

EXPRESSIONS = {
    "add": (Apply("add", (V, 1e-5)), lambda w, b, v: v + 1e-5),
    "subtract": (Apply("subtract", (0.25, B)), lambda w, b, v: 0.25 - b),
    "multiply": (Apply("multiply", (B, V)), lambda w, b, v: b * v),
    "divide": (Apply("divide", (1.0, V)), lambda w, b, v: 1 / v),
    "sqrt": (Apply("sqrt", (V,)), lambda w, b, v: v.sqrt()),
    "zeros_like": (Apply("zeros_like", (W,)), lambda w, b, v: w * 0),
    "per_output": (
        Apply("multiply", (W, Apply("per_output", (V, 4)))),
        lambda w, b, v: torch.einsum("oihw,o->oihw", w, v),
    ),
    "reshape": (Apply("reshape", (B, 6, 1, 1)), lambda w, b, v: b[:, None, None]),
    "cast": (
        Apply("multiply", (Apply("cast", (B, "bfloat16")), 1.0)),
        lambda w, b, v: b.bfloat16().double(),
    ),
    "scale_of": (SCALE, lambda w, b, v: w.flatten(1).abs().amax(1) / 127),
    "as_scale": (
        Apply("as_scale", (SCALE, "float32")),
        lambda w, b, v: (w.flatten(1).abs().amax(1) / 127).clamp(
            min=torch.finfo(torch.float32).tiny
        ),
    ),
    # The bias is to fit 30 bits and a sign at the scale times the input's step.
    "fit_bias": (
        Apply("fit_bias", (SCALE, Apply("multiply", (1e-9, 1.0)), B)),
        lambda w, b, v: torch.maximum(
            w.flatten(1).abs().amax(1) / 127, b.abs() / 2**30 / 1e-9
        ),
    ),
    "quantize": (
        Apply("multiply", (QUANTIZED, 1.0)),
        lambda w, b, v: torch.round(
            127 * w / w.flatten(1).abs().amax(1)[:, None, None, None]
        ),
    ),
    "dequantize": (
        Apply("dequantize", (QUANTIZED, SCALE)),
        lambda w, b, v: torch.fake_quantize_per_channel_affine(
            w.float(),
            (w.flatten(1).abs().amax(1) / 127).float(),
            torch.zeros(6, dtype=torch.int32),
            0,
            -128,
            127,
        ).double(),
    ),
    "diagonal": (
        Apply("diagonal", (B, 3, 4)),
        lambda w, b, v: torch.cat([torch.diag(b[:3]), torch.diag(b[3:])])[
            ..., None, None
        ],
    ),
    "enlarge": (
        Apply("enlarge", (W, 1, 0, 2, 3)),
        lambda w, b, v: torch.nn.functional.pad(w, (0, 3, 1, 2)),
    ),
    "standardize": (
        Apply("standardize", (W, 1e-6)),
        lambda w, b, v: torch.nn.functional.batch_norm(
            w.reshape(1, 6, -1), None, None, training=True, eps=1e-6
        ).reshape(w.shape),
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_torchs_rounded_once(graph, function):
    weights = random_weights(graph)
    operand, expected = EXPRESSIONS[function]
    wide = (torch.from_numpy(weights[r.name]).double() for r in (W, B, V))
    found = evaluate(operand, weights)
    assert found.dtype == np.float32
    assert found.shape == shape_of(operand, graph)
    exact = expected(*wide).numpy()
    # torch may order a sum otherwise, which can move a rounding by one step.
    np.testing.assert_array_max_ulp(found, exact.astype(np.float32), maxulp=1)


def test_arithmetic_is_rounded_once_to_the_bit(graph):
    weights = random_weights(graph)
    scale = Apply("divide", (B, Apply("sqrt", (Apply("add", (V, 1e-5)),))))
    found = evaluate(Apply("multiply", (W, Apply("per_output", (scale, 4)))), weights)
    w, b, v = (weights[r.name].astype(np.float64) for r in (W, B, V))
    exact = w * (b / np.sqrt(v + 1e-5))[:, None, None, None]
    assert (found == exact.astype(np.float32)).all()


def test_a_plain_reference_is_not_copied(graph):
    weights = random_weights(graph)
    assert evaluate(W, weights) is weights["conv.weight"]


def test_written_files_are_read_by_the_package(graph, tmp_path):
    weights = random_weights(graph)
    weights["conv.weight"] = np.asfortranarray(weights["conv.weight"])
    path = tmp_path / "w.safetensors"
    digest = write_safetensors(path, graph, weights)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    for found in (load_file(path), StoredWeights(path)):
        assert set(found) == {p.name for p in graph.parameters}
        for p in graph.parameters:
            assert found[p.name].dtype == p.dtype
            assert found[p.name].shape == p.shape
            assert (found[p.name] == weights[p.name]).all()
    assert list(StoredWeights(path)) == [p.name for p in graph.parameters]


def test_integers_are_aligned_whatever_stands_before_them(tmp_path):
    net = Builder((3, 5, 5))
    net.add("conv", Conv(out=1, kernel=1))
    net.add("bn", Norm())  # seven floats come before its count of batches
    graph = net.graph()
    path = tmp_path / "w.safetensors"
    write_safetensors(path, graph, random_weights(graph))
    with safe_open(path, framework="pt") as file:
        count = file.get_tensor("bn.num_batches_tracked")
    assert int(count) == 7
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8 : 8 + length])["bn.num_batches_tracked"]
    assert (8 + length + entry["data_offsets"][0]) % 8 == 0


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16]
)
def test_floats_of_any_width_are_read(tmp_path, dtype):
    values = torch.randn(5, 3).to(dtype)
    save_file({"x": values, "n": torch.tensor(3, dtype=torch.int32)}, tmp_path / "f")
    found = StoredWeights(tmp_path / "f")
    assert found["x"].dtype == np.float32
    assert (found["x"] == values.float().numpy()).all()
    assert found["n"].dtype == np.int64
    assert found["n"] == 3


def test_files_that_are_none_are_said_to_be(graph, tmp_path):
    whole = tmp_path / "whole"
    write_safetensors(whole, graph, random_weights(graph))
    cut = tmp_path / "cut"
    cut.write_bytes(whole.read_bytes()[:-5])
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for path in (cut, empty, tmp_path, tmp_path / "absent"):
        with pytest.raises(ResgenError, match=path.name):
            StoredWeights(path)


def test_what_is_remembered_is_what_is_computed() -> None:
    """And nothing is computed twice of it: it stays when its weights are gone."""
    scale = Apply("scale_of", (Ref("w"), 127))
    codes = Apply("quantize", (Ref("w"), scale, "int8"))
    w = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    known = Remembering({"w": w})
    np.testing.assert_array_equal(evaluate(codes, known), evaluate(codes, {"w": w}))
    np.testing.assert_array_equal(
        evaluate(scale, Remembering({}, known.known)), evaluate(scale, {"w": w})
    )
