"""Pooling at odd sizes, where runtimes and roundings disagree: torch is the judge."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
import torch
from in_memory import to_model
from one_node import assert_close, one_node, run_onnx, run_torch
from torch.nn import functional

from resgen.ops.avg_pool import AvgPool
from resgen.ops.base import Op, ShapeError
from resgen.ops.blur_pool import BlurPool
from resgen.ops.max_pool import MaxPool
from resgen.ops.pad_same import PadSame
from resgen.ops.types import TensorType

SIZES = (7, 8, 9, 10, 225)
WINDOWS = [
    (kernel, stride, padding, ceil)
    for kernel in (1, 2, 3)
    for stride in (2, 3)
    for padding in (0, 1)
    if 2 * padding <= kernel
    for ceil in (False, True)
]


def picture(size: int) -> np.ndarray:
    # Below zero, so that a zero that wins a maximum is seen.
    return np.random.default_rng(size).uniform(-2, -1, (1, 2, size, 8)).astype("f4")


def onnx_agrees(op: Op, size: int, wanted: np.ndarray, *, dynamic: bool) -> None:
    x = picture(size)
    graph = one_node(op, (x.shape[1:],))
    assert graph.nodes[0].type.shape == wanted.shape[1:]
    assert_close(run_onnx(graph, {}, [x], opset=17, dynamic=dynamic), wanted)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), WINDOWS)
def test_max_pool_is_torchs(
    kernel: int, stride: int, padding: int, ceil: bool, dynamic: bool
) -> None:
    for size in SIZES:
        x = torch.from_numpy(picture(size))
        wanted = functional.max_pool2d(x, kernel, stride, padding, 1, ceil)
        op = MaxPool(kernel=kernel, stride=stride, padding=padding, ceil=ceil)
        onnx_agrees(op, size, wanted.numpy(), dynamic=dynamic)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("count", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), WINDOWS)
def test_avg_pool_is_torchs(
    kernel: int, stride: int, padding: int, ceil: bool, count: bool, dynamic: bool
) -> None:
    for size in SIZES:
        x = torch.from_numpy(picture(size))
        wanted = functional.avg_pool2d(x, kernel, stride, padding, ceil, count)
        op = AvgPool(
            kernel=kernel,
            stride=stride,
            padding=padding,
            ceil=ceil,
            count_padding=count,
        )
        onnx_agrees(op, size, wanted.numpy(), dynamic=dynamic)


@pytest.mark.peers
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_max_pool_that_pads_as_tensorflow_is_timms(
    kernel: int, stride: int, dilation: int, peers: ModuleType
) -> None:
    timms = peers.timm.layers.pool2d_same.MaxPool2dSame
    peer = timms(kernel, stride, dilation=dilation)
    op = MaxPool(kernel=kernel, stride=stride, dilation=dilation, same=True)
    for size in SIZES[:4]:
        x = picture(size)
        wanted = peer(torch.from_numpy(x)).numpy()
        for dynamic in (False, True):
            onnx_agrees(op, size, wanted, dynamic=dynamic)
        assert_close(run_torch(one_node(op, (x.shape[1:],)), {}, [x]), wanted)


def test_a_pool_that_pads_by_itself_is_told_no_padding() -> None:
    x = TensorType((2, 8, 8))
    for more in ({"padding": 1}, {"ceil": True}):
        with pytest.raises(ShapeError, match="finds the padding") as refused:
            MaxPool(kernel=3, same=True, **more).infer(x)
        assert refused.value.attribute == "same"


def test_one_dynamic_file_pads_every_size() -> None:
    op = PadSame(kernel=4, stride=3)
    model = to_model(one_node(op, ((2, 8, 8),)), {}, opset=17, dynamic=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for size in SIZES:
        x = picture(size)
        wanted = run_torch(one_node(op, (x.shape[1:],)), {}, [x])
        np.testing.assert_array_equal(session.run(None, {"x0": x})[0], wanted)


def test_one_dynamic_file_serves_every_size() -> None:
    op = AvgPool(kernel=2, stride=2, ceil=True, count_padding=False)
    model = to_model(one_node(op, ((2, 8, 8),)), {}, opset=17, dynamic=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for size in SIZES:
        x = picture(size)
        wanted = functional.avg_pool2d(torch.from_numpy(x), 2, 2, 0, True, False)
        assert_close(session.run(None, {"x0": x})[0], wanted.numpy())


@pytest.mark.parametrize("size", SIZES)
def test_a_dilated_max_pool_keeps_its_size_and_drops_only_the_stride(size: int) -> None:
    """Undoing a stride computes at every position what the pool computed at some."""
    x = torch.from_numpy(picture(size))
    pool = MaxPool(kernel=3, stride=2, padding=1)
    (undone,) = pool.unstrided(1, undo=True)
    y = run_torch(one_node(undone, (tuple(x.shape[1:]),)), {}, [x.numpy()])
    assert y.shape == tuple(x.shape)
    wanted = functional.max_pool2d(x, 3, 2, 1).numpy()
    np.testing.assert_array_equal(y[:, :, ::2, ::2], wanted)
    # On every other pixel of the map, a dilated pool is the pool of those pixels.
    (wide,) = replace(pool, stride=1).unstrided(2, undo=False)
    wide_y = run_torch(one_node(wide, (tuple(x.shape[1:]),)), {}, [x.numpy()])
    wanted = functional.max_pool2d(x[:, :, ::2, ::2], 3, 1, 1).numpy()
    np.testing.assert_array_equal(wide_y[:, :, ::2, ::2], wanted)


@pytest.mark.peers
@pytest.mark.parametrize("kernel", [2, 3])
def test_an_average_without_its_stride_is_timms(kernel: int, peers: ModuleType) -> None:
    layers = peers.timm.layers
    x = torch.from_numpy(picture(9))
    op = AvgPool(kernel=kernel, stride=2, ceil=True, count_padding=False)
    y = x
    for part in op.unstrided(2, undo=True):
        graph = one_node(part, (tuple(y.shape[1:]),))
        y = torch.from_numpy(run_torch(graph, {}, [y.numpy()]))
    same = layers.AvgPool2dSame(kernel, 1, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(y, same(x), rtol=0, atol=0)
    assert op.unstrided(2, undo=False) == (op,)


@pytest.mark.peers
def test_a_dilated_resnet_d_pools_as_timms_does(peers: ModuleType) -> None:
    model = peers.timm.create_model("resnet50d", output_stride=8)
    peer = model.layer4[0].downsample[0]
    x = picture(9)
    y = x
    op = AvgPool(kernel=2, stride=2, ceil=True, count_padding=False)
    for part in op.unstrided(4, undo=True):
        y = run_torch(one_node(part, (y.shape[1:],)), {}, [y])
    assert y.shape == x.shape
    np.testing.assert_array_equal(y, peer(torch.from_numpy(x)).numpy())


@pytest.mark.peers
@pytest.mark.parametrize("kernel", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_convolution_after_padding_is_timms(
    kernel: int, stride: int, dilation: int, peers: ModuleType
) -> None:
    peer = peers.timm.layers.Conv2dSame(
        2, 3, kernel, stride, dilation=dilation, bias=False
    )
    op = PadSame(kernel=kernel, stride=stride, dilation=dilation)
    for size in SIZES:
        x = picture(size)
        wanted = peer(torch.from_numpy(x)).detach()
        padded = run_torch(one_node(op, (x.shape[1:],)), {}, [x])
        weight = peer.weight.detach()
        y = functional.conv2d(
            torch.from_numpy(padded), weight, None, stride, 0, dilation
        )
        torch.testing.assert_close(y, wanted)


@pytest.mark.peers
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (3, 1), (5, 2), (4, 2)])
def test_blur_pool_is_timms(kernel: int, stride: int, peers: ModuleType) -> None:
    layers = peers.timm.layers
    x = picture(9)
    op = BlurPool(kernel=kernel, stride=stride)
    peer = layers.BlurPool2d(2, filt_size=kernel, stride=stride)
    ours = run_torch(one_node(op, (x.shape[1:],)), {}, [x])
    np.testing.assert_array_equal(ours, peer(torch.from_numpy(x)).numpy())


@pytest.mark.parametrize(
    ("op", "code", "attribute"),
    [
        (MaxPool(kernel=9), "RG106", "kernel"),
        (MaxPool(kernel=2, padding=2), "RG112", "padding"),
        (AvgPool(kernel=(2, 2, 2)), "RG110", "kernel"),
        (AvgPool(kernel=9), "RG106", "kernel"),
    ],
)
def test_what_does_not_fit_names_the_attribute(
    op: Op, code: str, attribute: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        op.infer(TensorType((4, 7, 7)))
    assert (caught.value.code, caught.value.attribute) == (code, attribute)
