"""From ranges to scales: by hand, and that a range is covered."""

from __future__ import annotations

import numpy as np
import pytest
from hand_graph import Builder
from hypothesis import given
from hypothesis import strategies as st

import resgen
from resgen.calibrate.scales import check_learned, quantized_values, scales
from resgen.errors import ResgenError
from resgen.graph.precision import Precision, at_precision
from resgen.ops.conv import Conv

BYTES = ("input", "two", "three")


def lowered(consumer, name="int8"):
    net = Builder((32, 9, 9))
    net.add("one", Conv(out=32, kernel=3))
    net.add("two", Conv(out=32, kernel=3))
    net.add("three", Conv(out=32, kernel=3))
    return at_precision(net.graph(), Precision(name, consumer))


def found(consumer, ranges, name="int8"):
    graph = lowered(consumer, name)
    values = quantized_values(graph)
    assert values == ("input", "one", "two")
    given_ = dict.fromkeys(values, (0.0, 1.0)) | {"one": ranges}
    made = scales(graph, given_)
    assert all(array.shape == () for array in made.values())
    return made["one.quantize.scale"], made.get("one.quantize.zero_point")


@pytest.mark.parametrize(
    ("least", "greatest", "scale", "point"),
    [
        (0.0, 25.5, 0.1, 0),
        (-25.5, 0.0, 0.1, 255),
        (-1.0, 4.1, 0.02, 50),
        (2.0, 25.5, 0.1, 0),  # 0 has to be there, for padding
        (-25.5, -3.0, 0.1, 255),
        (0.0, 0.0, 1.0, 0),  # a value that is 0 throughout
        (0.0, 1e-43, 2.0**-126, 0),
    ],
)
def test_unsigned_scales_by_hand(least, greatest, scale, point):
    made, at = found("onnxruntime", (least, greatest))
    assert float(made) == pytest.approx(scale, rel=1e-6)
    assert (at.dtype, int(at)) == (np.uint8, point)


@pytest.mark.parametrize(
    ("least", "greatest", "name", "scale"),
    [
        (-12.7, 3.0, "int8", 0.1),
        (0.0, 12.7, "int8", 0.1),
        (-448.0, 10.0, "fp8", 1.0),
        (0.0, 0.0, "int8", 1.0),
        (0.0, 1e-9, "int8", 2.0**-14),  # the least normal number of float16
    ],
)
def test_symmetric_scales_by_hand(least, greatest, name, scale):
    made, at = found("tensorrt", (least, greatest), name)
    assert float(made) == pytest.approx(scale, rel=1e-6)
    assert at is None


@given(
    st.floats(-1e4, 1e4, width=32), st.floats(-1e4, 1e4, width=32)
)  # fmt: skip
@pytest.mark.slow
def test_a_range_is_covered_and_zero_is_exact(a, b):
    least, greatest = min(a, b), max(a, b)
    made, at = found("onnxruntime", (least, greatest))
    scale, point = float(made), int(at)
    assert scale > 0
    # The ends are off by half a step at most, since the zero point is rounded.
    low, high = (0 - point) * scale, (255 - point) * scale
    assert low <= least + 0.51 * scale
    assert high >= greatest - 0.51 * scale
    made, _ = found("tensorrt", (least, greatest))
    reach = float(made) * 127
    assert reach >= max(-least, greatest) * (1 - 1e-6)


def test_weights_that_are_not_the_networks_are_refused_before_anything_runs():
    spec = resgen.load("resnet20_cifar")
    with pytest.raises(ResgenError, match=r"(\d+) of the \1 parameters .*conv1"):
        resgen.calibrated(spec, {})


@pytest.mark.parametrize("scale", [0.0, -0.5, np.inf, np.nan])
def test_a_scale_that_divides_nothing_is_named(scale):
    good = {"one.scale": np.float32(0.5), "one.weight": np.zeros(3)}
    check_learned(good)
    with pytest.raises(ResgenError, match=r"two\.scale of these weights is"):
        check_learned({**good, "two.scale": np.float32(scale)})
