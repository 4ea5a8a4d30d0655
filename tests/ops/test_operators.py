"""Every operator, on every sample: torch and ONNX Runtime compute the same function."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from operator import attrgetter
from types import ModuleType

import numpy as np
import pytest
import torch
from one_node import (
    BATCH,
    assert_close,
    one_node,
    random_inputs,
    random_weights,
    run_onnx,
    run_torch,
)
from opsets import newest_run_here
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from resgen.lower import modules
from resgen.lower.onnx import OLDEST_OPSET
from resgen.lower.torch import to_torch
from resgen.ops import OPERATORS
from resgen.ops.base import REGISTRY, Case, Op, ShapeError, signature
from resgen.ops.blur_pool import BlurPool
from resgen.ops.channel_shuffle import ChannelShuffle
from resgen.ops.flatten import Flatten
from resgen.ops.norm import Norm
from resgen.ops.pad_channels import PadChannels
from resgen.ops.reshape import Reshape
from resgen.ops.resize import Resize
from resgen.ops.slice import Slice
from resgen.ops.transpose import Transpose
from resgen.ops.types import TensorType
from resgen.ops.unflatten import Unflatten

NEWEST = newest_run_here()
#: Four at each place of a map, on an input of 40 x 56.
ANCHORS = OPERATORS["decode_boxes"].samples()[0].op
PICKED = OPERATORS["pick_boxes"].samples()[0].op
CASES = [
    pytest.param(case, id=f"{name}-{index}")
    for name, op in OPERATORS.items()
    if not op.placed  # tests/ops/test_precision.py has those
    for index, case in enumerate(op.samples())
]


@pytest.mark.parametrize("case", CASES)
def test_torch_gives_the_inferred_shape(case: Case) -> None:
    graph = one_node(case.op, case.inputs)
    y = run_torch(graph, random_weights(graph), random_inputs(case.inputs))
    assert y.shape == (BATCH, *graph.nodes[0].type.shape)


@pytest.mark.parametrize("opset", [OLDEST_OPSET, NEWEST])
@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_agrees_with_torch(case: Case, opset: int) -> None:
    graph = one_node(case.op, case.inputs)
    weights, arrays = random_weights(graph), random_inputs(case.inputs)
    wanted = run_torch(graph, weights, arrays)
    assert_close(run_onnx(graph, weights, arrays, opset=opset), wanted)


def opens(case: Case) -> bool:
    """Whether the operator is written where sizes are open."""
    try:
        case.op.check_open(TensorType(case.inputs[0]))
    except ShapeError:
        return False
    return True


#: Cases whose sizes can be open, and that then round as torch does.
OPEN = [
    case
    for case in CASES
    if opens(case.values[0])
    and case.values[0].op.name not in ("reshape", "unflatten", "multiply")
    and not (
        isinstance(case.values[0].op, Resize) and case.values[0].op.mode == "nearest"
    )
    and len(case.values[0].inputs[0]) in (2, 3, 4)
]


@pytest.mark.parametrize("opset", [OLDEST_OPSET, NEWEST])
@pytest.mark.parametrize("case", OPEN)
def test_open_sizes_compute_the_same(case: Case, opset: int) -> None:
    graph = one_node(case.op, case.inputs)
    weights, arrays = random_weights(graph), random_inputs(case.inputs)
    wanted = run_torch(graph, weights, arrays)
    assert_close(run_onnx(graph, weights, arrays, opset=opset, dynamic=True), wanted)


@pytest.mark.parametrize("case", CASES)
def test_macs_are_those_that_torch_counts(case: Case) -> None:
    graph = one_node(case.op, case.inputs)
    model = to_torch(graph, random_weights(graph)).eval().requires_grad_(False)
    inputs = map(torch.from_numpy, random_inputs(case.inputs))
    # It does not count attention that one kernel computes.
    products = sdpa_kernel(SDPBackend.MATH)
    with products, FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    counted = counter.get_total_flops() // (2 * BATCH)
    if isinstance(case.op, BlurPool):  # its filter is fixed and not counted
        counted = 0
    types = (i.type for i in graph.inputs)
    assert case.op.macs(*types, graph.nodes[0].type) == counted


def test_every_attribute_is_described() -> None:
    assert signature(OPERATORS["conv"])["out"].required
    assert not signature(OPERATORS["max_pool"])["stride"].required
    for name, op in OPERATORS.items():
        assert op.summary(), name
        for attribute in signature(op).values():
            assert attribute.doc, name


def test_an_operator_lies_in_the_file_of_its_name() -> None:
    """Otherwise it is not found by its name, and nothing would say so."""
    list(OPERATORS)  # imports every file
    assert {name: op.__module__ for name, op in REGISTRY.items()} == {
        name: f"resgen.ops.{name}" for name in OPERATORS
    }


def test_operators_need_no_framework() -> None:
    code = (
        "import sys, resgen.ops\n"
        "list(resgen.ops.OPERATORS)\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("op", "shapes", "code", "attribute"),
    [
        (OPERATORS["add"](), ((4, 5, 5), (8, 5, 5)), "RG104", None),
        (OPERATORS["multiply"](), ((4, 5, 5), (2, 1, 1)), "RG104", None),
        (OPERATORS["multiply"](), ((4, 5, 5), (4,)), "RG104", None),
        (OPERATORS["maximum"](), ((4, 5, 5), (4, 1, 1)), "RG104", None),
        (OPERATORS["minimum"](), ((4, 5, 5), (4,)), "RG104", None),
        (OPERATORS["clip"](min=1, max=0), ((4,),), "RG112", "min"),
        (OPERATORS["gem"](), ((4,),), "RG111", None),
        (OPERATORS["concat"](), ((4, 5, 5), (4, 5, 6)), "RG104", None),
        (OPERATORS["stack"](), ((4,), (5,)), "RG104", None),
        (OPERATORS["conv"](out=6, kernel=3, gain=1.7), ((4, 5, 5),), "RG112", "gain"),
        (Norm(type="group", groups=3), ((4, 5, 5),), "RG105", "groups"),
        (Norm(type="group", groups=4), ((4, 1, 1),), "RG112", "groups"),
        (OPERATORS["pixel_shuffle"](factor=2), ((6, 4, 4),), "RG105", "factor"),
        (OPERATORS["pixel_shuffle"](factor=2), ((4, 4),), "RG111", None),
        (OPERATORS["pixel_unshuffle"](factor=2), ((4, 4, 5),), "RG112", "factor"),
        (ANCHORS, ((12, 5, 7),), "RG112", "ratios"),
        (ANCHORS, ((16, 22, 7),), "RG112", "input"),
        (ANCHORS, ((16, 5),), "RG111", None),
        (replace(ANCHORS, size=0.5), ((16, 5, 7),), "RG112", "size"),
        (PICKED, ((9, 4), (8, 3)), "RG104", None),
        (PICKED, ((9, 5), (9, 3)), "RG104", None),
        (OPERATORS["suppress_boxes"].samples()[0].op, ((20, 5),), "RG104", None),
        (OPERATORS["joint_sigmoid"](by="y"), ((4, 5), (4, 3)), "RG104", None),
        (OPERATORS["unit_norm"](axis=3), ((4, 5, 5),), "RG112", "axis"),
        (OPERATORS["global_response_norm"](), ((4,),), "RG111", None),
        (ChannelShuffle(groups=3), ((4, 5, 5),), "RG105", "groups"),
        (BlurPool(kernel=5, stride=1), ((4, 2, 9),), "RG106", "kernel"),
        (Slice(start=3, size=2), ((4, 5, 5),), "RG112", "size"),
        (Slice(start=4), ((4, 5, 5),), "RG112", "start"),
        (Reshape(to=(3, -1)), ((4, 5, 5),), "RG112", "to"),
        (Reshape(to=(-1, -1)), ((4, 5, 5),), "RG112", "to"),
        (Reshape(to=(0, -1)), ((4, 5, 5),), "RG112", "to"),
        (Unflatten(sizes=(2, 3)), ((4, 5, 5),), "RG112", "sizes"),
        (Flatten(axes=(1, 3)), ((4, 5, 5),), "RG112", "axes"),
        (Flatten(axes=(2, 1)), ((4, 5, 5),), "RG112", "axes"),
        (Transpose(axes=(0, 2)), ((4, 5, 5),), "RG112", "axes"),
        (PadChannels(to=3), ((4, 5, 5),), "RG112", "to"),
        (PadChannels(to=6, before=3), ((4, 5, 5),), "RG112", "before"),
        (OPERATORS["softmax"](), ((4,),), None, None),
        (OPERATORS["reduce_sum"](), ((4,),), "RG111", None),
        (OPERATORS["reduce_sum"](axis=(1, 1)), ((4, 5, 5),), "RG112", "axis"),
        (OPERATORS["reduce_max"](axis=(0, 3)), ((4, 5, 5),), "RG112", "axis"),
        (OPERATORS["reduce_mean"](axis=(0, 1, 2)), ((4, 5, 5),), "RG111", None),
        (OPERATORS["global_pool"](), ((4,),), "RG111", None),
        (OPERATORS["adaptive_avg_pool"](size=2), ((4,),), "RG111", None),
        (OPERATORS["adaptive_max_pool"](size=(1, 2, 3)), ((4, 5, 5),), "RG110", "size"),
    ],
)
def test_what_does_not_fit_is_told_by_code_and_attribute(
    op: Op,
    shapes: tuple[tuple[int, ...], ...],
    code: str | None,
    attribute: str | None,
) -> None:
    types = [TensorType(shape) for shape in shapes]
    if code is None:
        assert op.infer(*types) == types[0]
        return
    with pytest.raises(ShapeError) as caught:
        op.infer(*types)
    assert (caught.value.code, caught.value.attribute) == (code, attribute)
    if code == "RG104":
        assert all(str(x) in caught.value.message for x in types)


def test_drop_path_drops_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    y = modules.DropPath(0.25)(torch.ones(4000, 2, 3))
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(y, y[:, :1, :1].expand_as(y))
    assert y.mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("size", [3, 4])
def test_drop_block_drops_about_its_rate_in_regions(size: int) -> None:
    torch.manual_seed(0)
    y = modules.DropBlock(0.1, size)(torch.ones(2000, 2, 20, 20))
    dropped = (y[:, 0] == 0).float()
    assert dropped.mean().item() == pytest.approx(0.1, abs=0.03)
    assert torch.equal(y[:, 0], y[:, 1])
    assert y.mean().item() == pytest.approx(1, abs=1e-3)
    # A region is whole: a dropped pixel is nearly always beside another.
    both = (dropped[:, :, 1:] * dropped[:, :, :-1]).mean().item()
    assert both > 0.5 * dropped.mean().item()


@pytest.mark.parametrize(("p", "mean"), [(1, "mean"), (2, "norm")])
def test_a_generalised_mean_is_a_mean_and_a_norm(p: int, mean: str) -> None:
    pool = modules.GeM(1e-6)
    torch.nn.init.constant_(pool.p, p)
    x = torch.rand(2, 3, 5, 7) + 0.1
    wanted = {
        "mean": x.mean((2, 3), keepdim=True),
        "norm": torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True) / 35**0.5,
    }[mean]
    torch.testing.assert_close(pool(x), wanted, rtol=1e-5, atol=1e-6)
    torch.nn.init.constant_(pool.p, 80)  # near the largest
    assert ((x.amax((2, 3), keepdim=True) / pool(x) - 1).abs() < 0.05).all()


@pytest.mark.peers
@pytest.mark.parametrize(
    "kind", ["LayerNorm2d", "StdConv2d", "ScaledStdConv2d", "grn.GlobalResponseNorm"]
)
def test_modules_are_timms(kind: str, peers: ModuleType) -> None:
    x = torch.randn(2, 4, 5, 6)
    args, ours = {
        "LayerNorm2d": ((4,), modules.LayerNorm(4, eps=1e-6)),
        "StdConv2d": (
            (4, 6, 3, 1, 1),
            modules.StdConv2d(4, 6, 3, padding=1, bias=False),
        ),
        "ScaledStdConv2d": (
            (4, 6, 3, 1, 1, 1, 1, True, 1.7),
            modules.StdConv2d(4, 6, 3, padding=1, gain=1.7),
        ),
        "grn.GlobalResponseNorm": ((4, 1e-6), modules.GlobalResponseNorm(4, 1e-6)),
    }[kind]
    options = {"channels_last": False} if kind.startswith("grn") else {}
    peer = attrgetter(kind)(peers.timm.layers)(*args, **options)
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter)
    ours.load_state_dict(peer.state_dict())
    torch.testing.assert_close(ours(x), peer(x), rtol=1e-5, atol=1e-6)


def test_a_hard_sigmoid_is_that_of_keras_and_paddle() -> None:
    """Theirs is 0 up to -2.5 and 1 from 2.5 on; torch's bends at 3 on either side."""
    graph = one_node(OPERATORS["act"](type="hardsigmoid", gain=0.2), ((7,),))
    x = np.array([[-3, -2.5, -2, 0, 1, 2.5, 3]] * BATCH, np.float32)
    wanted = np.clip(0.2 * x + 0.5, 0, 1)
    assert_close(run_torch(graph, {}, [x]), wanted)
    assert_close(run_onnx(graph, {}, [x]), wanted)
