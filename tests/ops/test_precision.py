"""Casts and quantisers: PyTorch, ONNX Runtime and plain arithmetic, bit for bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hand_graph import Builder
from one_node import run_onnx, run_torch

from resgen.graph.passes.cast import cast
from resgen.ops import OPERATORS, VOCABULARY
from resgen.ops.cast import Cast
from resgen.ops.dequantize import Dequantize
from resgen.ops.quantize import Quantize
from resgen.ops.scale import Scale
from resgen.ops.types import RANGES

#: A power of two, so that halves are exact, and one that is no round number.
SCALES = (0.25, 0.0371)
TYPES = [
    ("int8", None),
    ("int8", -7),
    ("uint8", None),
    ("uint8", 128),
    ("uint8", 255),
    ("float8_e4m3fn", None),
]


def numbers(scale: float) -> np.ndarray:
    """Ties, both ends of every range and what lies beyond, zeros, and a random lot."""
    steps = np.arange(-300, 300) / 2
    ends = [127.5, 128, 254.5, 255.5, 447, 448, 456, 463.9, 464, 465, 480, 1e6, 6e4]
    tiny = [0.0, -0.0, 2**-9, 2**-10, 1.5 * 2**-9, 2**-11, 1e-7]
    draw = np.random.default_rng(0).normal(size=5000) * 60
    signed = np.concatenate([ends, tiny])
    found = np.concatenate([steps, signed, -signed, draw]) * scale
    return found.astype(np.float32)[None]


def wanted(x, scale, point, to):
    """The definition, in float32 as the runtime divides."""
    y = x.astype(np.float32) / np.float32(scale)
    if to == "float8_e4m3fn":
        y = y.clip(-448, 448).astype(ml_dtypes.float8_e4m3fn)
        return y.astype(np.float32)
    return (np.rint(y) + (point or 0)).clip(*RANGES[to]).astype(np.float32)


def quantizer(size, to, point, back=True):
    """A graph of a quantiser and, unless told otherwise, its dequantiser."""
    net = Builder((size,))
    net.add("q", Quantize(to=to, zero_point=point is not None))
    if back:
        net.add("dq", Dequantize(to="float32", zero_point=point is not None), owner="q")
    return net.graph()


def weights_of(scale, point, to):
    found = {"q.scale": np.array(scale, np.float32)}
    if point is not None:
        found["q.zero_point"] = np.array(point, to)
    return found


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("to", "point"), TYPES)
def test_quantised_numbers_are_the_runtimes(to, point, scale):
    x = numbers(scale)
    expected = wanted(x, scale, point, to)
    weights = weights_of(scale, point, to)
    ours = run_torch(quantizer(x.size, to, point, back=False), weights, [x])
    np.testing.assert_array_equal(ours, expected)
    graph = quantizer(x.size, to, point)
    back = (expected - (point or 0)) * np.float32(scale)
    np.testing.assert_array_equal(run_torch(graph, weights, [x]), back)
    np.testing.assert_array_equal(run_onnx(graph, weights, [x]), back)
    if not to.startswith("float8"):  # which NumPy cannot be handed
        alone = quantizer(x.size, to, point, back=False)
        theirs = run_onnx(alone, weights, [x])
        assert theirs.dtype == to
        np.testing.assert_array_equal(theirs, expected)


@pytest.mark.parametrize(("to", "point"), [TYPES[0], TYPES[3], TYPES[5]])
def test_in_sixteen_bits_it_is_the_same(to, point):
    """The division is done in 32 all the same; in 16 one step in a hundred differs."""
    scale = float(np.float16(0.0371))
    half = numbers(scale).clip(-6e4, 6e4).astype(np.float16)
    net = Builder((half.size,))
    net.add("q", Quantize(to=to, zero_point=point is not None))
    net.add("dq", Dequantize(to="float32", zero_point=point is not None), owner="q")
    net.add("double", Scale(by=2))
    low = cast(
        net.graph(), dict.fromkeys(("q", "dq", "double"), "float16"), low_ends=True
    )
    assert [n.op.name for n in low.nodes] == ["quantize", "dequantize", "scale"]
    weights = weights_of(scale, point, to)
    steps = wanted(half, scale, point, to) - (point or 0)
    expected = 2 * (steps.astype(np.float16) * np.float16(scale))
    for found in (run_torch(low, weights, [half]), run_onnx(low, weights, [half])):
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, expected)


def test_float8_saturates_at_448():
    x = np.array([[447.0, 448.0, 463.0, 1e5, -1e5, np.inf, -np.inf]], np.float32)
    expected = [[448, 448, 448, 448, -448, 448, -448]]
    graph, weights = quantizer(7, "float8_e4m3fn", None), weights_of(1, None, "")
    assert run_torch(graph, weights, [x]).tolist() == expected
    assert run_onnx(graph, weights, [x]).tolist() == expected


def test_a_relu_before_float8_is_kept_by_onnxruntime():
    """Its rewriting of ReLU and quantiser takes float8 for a type without a sign."""
    net = Builder((6,))
    net.add("act", OPERATORS["act"](type="relu"))
    net.add("q", Quantize(to="float8_e4m3fn"))
    net.add("dq", Dequantize(to="float32"), owner="q")
    x = np.array([[-3.0, -1.0, -0.0, 0.5, 1.0, 3.0]], np.float32)
    graph, weights = net.graph(), weights_of(0.5, None, "")
    assert run_onnx(graph, weights, [x]).tolist() == [[0, 0, 0, 0.5, 1, 3]]


@pytest.mark.parametrize("to", ["float16", "bfloat16"])
def test_casts_round_to_the_nearest_even(to):
    draw = np.random.default_rng(1).normal(size=4000) * 100
    ties = np.array([1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-8, 1 + 3 * 2**-8, 2**-25])
    x = np.concatenate([draw, ties, -ties, [0.0, 65504.0]]).astype(np.float32)[None]
    net = Builder((x.size,))
    net.add("low", Cast(to=to))
    net.add("up", Cast(to="float32"))
    dtype = np.float16 if to == "float16" else ml_dtypes.bfloat16
    expected = x.astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(run_torch(net.graph(), {}, [x]), expected)
    np.testing.assert_array_equal(run_onnx(net.graph(), {}, [x]), expected)


def test_the_language_does_not_offer_what_passes_place():
    placed = {name for name, op in OPERATORS.items() if op.placed}
    assert placed >= {"cast", "dequantize", "quantize"}
    assert not placed & set(VOCABULARY)
