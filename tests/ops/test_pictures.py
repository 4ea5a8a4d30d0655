"""The operators of a picture's way into a network, against Pillow, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_node import one_node, run_onnx, run_torch
from opsets import newest_run_here
from PIL import Image

from resgen.lower.onnx import OLDEST_OPSET
from resgen.ops.base import Op
from resgen.ops.luma import Luma
from resgen.ops.normalize import Normalize
from resgen.ops.resample import Resample
from resgen.ops.resampling import BITS, digits, taps
from resgen.ops.reverse_channels import ReverseChannels
from resgen.ops.truncate import Truncate

RUNS = ("torch", "onnx")


def run(op: Op, pixels: np.ndarray, engine: str = "onnx", **options) -> np.ndarray:
    """What an operator makes of pictures: (batch, height, width, channels)."""
    x = pixels.transpose(0, 3, 1, 2).astype(np.float32)
    graph = one_node(op, (x.shape[1:],))
    runner = run_torch if engine == "torch" else run_onnx
    y = runner(graph, {}, [x], **options)
    assert y.shape == (len(x), *graph.nodes[0].type.shape)
    return y.transpose(0, 2, 3, 1)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    generator = np.random.default_rng(height * width)
    # Black and white are as frequent as all between: filters overshoot there.
    pixels = generator.integers(-128, 384, (2, height, width, channels))
    return pixels.clip(0, 255).astype(np.uint8)


def resample(to: tuple[int, int], interpolation: str, **options) -> Resample:
    part = (0, 0, *to)
    return Resample(to=to, part=part, interpolation=interpolation, **options)


def by_pillow(pixels: np.ndarray, op: Resample) -> np.ndarray:
    height, width = op.to
    down, across = pixels.shape[1] / height, pixels.shape[2] / width
    method = Image.Resampling[op.interpolation.upper()]
    found = []
    for picture in map(Image.fromarray, pixels):
        if op.antialias:
            made = picture.resize((width, height), method)
        else:
            affine = (across, 0.0, 0.0, 0.0, down, 0.0)
            made = picture.transform(
                (width, height), Image.Transform.AFFINE, affine, method
            )
        found.append(np.asarray(made))
    return np.stack(found)


# Ratios that are whole, that make many ties (4 : 5), odd ones, one axis alone, and so
# large a factor that a filter takes in hundreds of pixels.
SIZES = [
    ((48, 64), (24, 32)),
    ((32, 40), (40, 50)),
    ((37, 50), (20, 31)),
    ((30, 41), (61, 83)),
    ((33, 40), (33, 17)),
    ((33, 40), (20, 40)),
    ((600, 451), (3, 5)),
]


@pytest.mark.parametrize("engine", RUNS)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_resizing_is_pillows_to_the_bit(before, after, interpolation, engine):
    pixels, op = noise(*before), resample(after, interpolation)
    np.testing.assert_array_equal(run(op, pixels, engine), by_pillow(pixels, op))


@pytest.mark.parametrize("engine", RUNS)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_sampling_is_pillows_but_for_its_own_rounding(
    before, after, interpolation, engine
):
    pixels, op = noise(*before), resample(after, interpolation, antialias=False)
    sums = run(op, pixels, engine)
    found = run(Truncate(), sums, engine)
    apart = np.abs(found - by_pillow(pixels, op))
    assert apart.max() <= 1
    assert apart.mean() < 0.05


@pytest.mark.parametrize("opset", [OLDEST_OPSET, newest_run_here()])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_a_part_is_cut_out_of_the_whole(interpolation, opset):
    pixels = noise(37, 50)
    whole = run(resample((20, 31), interpolation), pixels)
    op = Resample(to=(20, 31), part=(3, 5, 12, 20), interpolation=interpolation)
    found = run(op, pixels, opset=opset)
    np.testing.assert_array_equal(found, whole[:, 3:15, 5:25])


@given(
    before=st.integers(1, 4000),
    after=st.integers(10, 4000),
    interpolation=st.sampled_from(["bilinear", "bicubic", "lanczos"]),
)
@pytest.mark.slow
def test_two_digits_hold_a_weight_and_sum_exactly(before, after, interpolation):
    rows = taps(before, after, interpolation, True)
    parts = digits(rows)
    for (_, weights), (_, high), (_, low) in zip(
        rows, parts.high, parts.low, strict=True
    ):
        scaled = [h * 2**parts.shift + v for h, v in zip(high, low, strict=True)]
        assert scaled == [w * 2**BITS for w in weights]
        assert sum(scaled) == pytest.approx(2**BITS, abs=len(weights))
        for digit in (high, low):
            # Whole numbers that float32 holds, whatever the pixels and the order.
            assert all(v == int(v) for v in digit)
            assert 255 * sum(map(abs, digit)) <= 2**24
            # TensorFloat-32, in which GPUs multiply, has 11 bits.
            assert max(map(abs, digit)) <= 2**11


@pytest.mark.parametrize("engine", RUNS)
def test_grey_is_pillows_to_the_bit(engine):
    steps = np.array([0, 1, 127, 254, 255], np.uint8)
    corners = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, 5, 25, 3)
    pixels = np.concatenate([noise(5, 4000)[:1], corners], axis=2)
    wanted = np.asarray(Image.fromarray(pixels[0]).convert("L"))
    np.testing.assert_array_equal(run(Luma(), pixels, engine)[0, ..., 0], wanted)


@pytest.mark.parametrize("engine", RUNS)
def test_channels_are_reversed(engine):
    pixels = noise(4, 5)
    found = run(ReverseChannels(), pixels, engine)
    np.testing.assert_array_equal(found, pixels[..., ::-1])


@pytest.mark.parametrize("engine", RUNS)
def test_normalising_rounds_as_numpy_does(engine):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    pixels = noise(40, 50)
    found = run(Normalize(scale=1 / 255, mean=mean, std=std), pixels, engine)
    values = pixels.astype(np.float32) * np.float32(1 / 255)
    wanted = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
    np.testing.assert_array_max_ulp(found, wanted, maxulp=1)
