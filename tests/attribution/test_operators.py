"""Kernels as the engines' own profilers report them, and what each computes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import resgen
from resgen.attribution.attribute import charge
from resgen.attribution.graph_names import names_of_graph
from resgen.attribution.operators import (
    from_layers,
    from_trtexec,
    profile_onnxruntime,
    profile_openvino,
    profile_torch,
)
from resgen.errors import ResgenError
from resgen.graph.cost import analyse
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.weights.initialize import initialize


@pytest.fixture
def profiled(tmp_path):
    """The profile of a network of the zoo at a precision, charged."""

    def run(name, precision="fp32", batch=1, profile=profile_onnxruntime):
        plain = resgen.expand(resgen.load(name))
        graph = at_precision(plain, Precision(precision))
        path = tmp_path / "model.onnx"
        write(graph, initialize(graph.parameters, 0), path)
        shape = (batch, *graph.inputs[0].type.shape)
        x = np.random.default_rng(0).random(shape, np.float32)
        found = profile(path, {"input": x}, threads=1, runs=2)
        return plain, charge(found, names_of_graph(graph), batch=batch)

    return run


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("name", "precision", "least"),
    [
        ("resnet50", "fp32", 0.98),
        ("resnet50", "int8", 0.98),
        ("resnet18", "fp16", 0.98),
        ("densenet121", "fp32", 0.98),
        ("resnet20_cifar", "int8", 0.98),
        ("preact_resnet110_cifar", "fp32", 0.9),
    ],
)
@pytest.mark.slow
def test_onnxruntimes_time_is_charged_and_all_work_is_found(
    profiled, name, precision, least
):
    graph, found = profiled(name, precision, batch=2)
    assert least <= found.coverage <= 1
    assert found.operator_sum == pytest.approx(sum(o.seconds for o in found.operators))
    # Every convolution is found, and none of them twice.
    assert sum(op.macs or 0 for op in found.operators) == 2 * analyse(graph).macs


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "precision"),
    [("resnet50", "fp32"), ("resnet18", "int8"), ("densenet121", "fp32")],
)
@pytest.mark.slow
def test_openvinos_time_is_charged_and_all_work_is_found(profiled, name, precision):
    pytest.importorskip("openvino")
    graph, found = profiled(name, precision, batch=2, profile=profile_openvino)
    assert found.coverage >= 0.98
    assert found.operator_sum > 0
    assert sum(op.macs or 0 for op in found.operators) == 2 * analyse(graph).macs


@pytest.mark.slow
def test_what_openvino_fuses_is_what_it_computes(profiled):
    pytest.importorskip("openvino")
    _, found = profiled("resnet18", profile=profile_openvino)
    computed = {op.nodes: op for op in found.operators}
    last = computed["layer1.0.conv2", "layer1.0.add", "layer1.0.act_1"]
    assert (last.section, last.block) == ("layer1", 0)
    assert computed[("layer2.0.downsample.0",)].role == "shortcut"
    # The input is laid out anew for the convolution that reads it.
    (first,) = [op for op in found.operators if op.role == "conversion"][:1]
    assert (first.section, first.macs) == ("stem", 0)


def test_openvino_names_the_file_that_it_does_not_load(tmp_path):
    pytest.importorskip("openvino")
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\xffno model")
    with pytest.raises(ResgenError, match=r"OpenVINO .*broken\.onnx"):
        profile_openvino(path, {})


@pytest.mark.slow
def test_what_onnxruntime_fuses_is_what_it_computes(profiled):
    _, found = profiled("resnet18")
    computed = {op.nodes: op for op in found.operators}
    last = computed["layer1.0.conv2", "layer1.0.add", "layer1.0.act_1"]
    assert (last.section, last.block) == ("layer1", 0)
    assert ("conv1", "act") in computed
    shortcut = computed[("layer2.0.downsample.0",)]
    assert shortcut.role == "shortcut"
    # Two maps of 64 x 56 x 56 are read and one is written, and weights are 3 x 3.
    assert last.bytes == 4 * (3 * 64 * 56 * 56 + 64 * 64 * 9 + 64)


@pytest.mark.slow
def test_bytes_are_what_onnxruntime_counts(tmp_path):
    graph = at_precision(resgen.expand(resgen.load("resnet18")), Precision())
    path = tmp_path / "model.onnx"
    write(graph, initialize(graph.parameters, 0), path)
    x = np.ones((3, 3, 224, 224), np.float32)
    names = names_of_graph(graph)
    for op in profile_onnxruntime(path, {"input": x}, threads=1, runs=1):
        works = [work for node in op.nodes for work, _ in names.find(node)]
        if op.role is None and op.kind != "Gemm":  # whose packed weights it leaves out
            assert names.bytes_of(works, 3) == op.bytes


def test_an_activation_fused_into_the_block_before_is_across(profiled):
    _, found = profiled("preact_resnet110_cifar")
    across = [op for op in found.operators if op.across]
    assert [op.across for op in across] == [("stem", "layer1.0")]
    assert all(op.section is None for op in across)
    bucket = next(c for c in found.charges if c.kind == "across")
    assert bucket.seconds == pytest.approx(sum(op.seconds for op in across))
    assert found.coverage < 1


def model(nodes, **weights):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(w.astype("f4"), n) for n, w in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def test_nodes_without_names_and_with_the_same_name_are_told_apart(tmp_path):
    w = np.random.default_rng(0).random((8, 8, 3, 3))
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "a"], ["p"], pads=[1] * 4),
        make("Softplus", ["p"], ["q"], name="same"),
        make("Conv", ["q", "a"], ["r"], pads=[1] * 4, name="same"),
        make("Sin", ["r"], ["y"]),
    ]
    onnx.save(model(nodes, a=w), tmp_path / "m.onnx")
    x = np.ones((1, 8, 6, 6), np.float32)
    found = profile_onnxruntime(tmp_path / "m.onnx", {"x": x}, threads=1, runs=1)
    computed = [op.nodes for op in found if op.role is None]
    assert computed == [("p",), ("same",), ("same.2",), ("y",)]


def test_a_file_that_does_not_run_is_named(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ResgenError, match=r"broken\.onnx"):
        profile_onnxruntime(path, {})


@pytest.mark.parametrize("name", ["resnet18", "seresnet50"])
@pytest.mark.slow
def test_torch_runs_each_operator_once_under_its_own_name(name):
    graph = resgen.expand(resgen.load(name))
    module = resgen.to_torch(graph).eval()
    x = torch.rand(1, *graph.inputs[0].type.shape)
    with torch.inference_mode():
        before = module(x)
        found = charge(profile_torch(module, [x], runs=1), names_of_graph(graph))
        assert torch.equal(module(x), before)  # and is left as it was
    assert not any("forward" in vars(part) for part in module.modules())
    assert found.coverage == pytest.approx(1)
    assert {n for op in found.operators for n in op.nodes} == {
        node.name for node in graph.nodes
    }
    assert all(len(op.nodes) == 1 for op in found.operators)
    assert sum(op.macs for op in found.operators) == analyse(graph).macs


# As trtexec writes them; names are of recorded engines.
PROFILE = [
    {"count": 100},
    {"name": "layer1.0.conv1 + layer1.0.act", "timeMs": 20.0, "averageMs": 0.2,
     "medianMs": 0.2, "percentage": 40.0},
    {"name": "Reformatting CopyNode for Input Tensor 0 to layer1.1.conv1",
     "timeMs": 10.0, "averageMs": 0.1, "percentage": 20.0},
    {"name": "{ForeignNode[layer1.1.conv1...layer1.1.act_1]}", "timeMs": 10,
     "averageMs": 0.1, "percentage": 20.0},
    {"name": "layer1.0.conv2 + layer1.0.add + PWN(layer1.0.act_1) + layer1.1.conv1",
     "timeMs": 5, "averageMs": 0.05, "percentage": 10.0},
    {"name": "(Unnamed Layer* 803) [ElementWise]", "timeMs": 5, "averageMs": 0.05,
     "percentage": 10.0},
]  # fmt: skip


def test_trtexecs_layers_are_charged_by_the_names_within_theirs():
    graph = at_precision(resgen.expand(resgen.load("resnet18")), Precision())
    found = charge(from_trtexec(PROFILE), names_of_graph(graph))
    first, copy, range_, across, unnamed = found.operators
    assert first.nodes == ("layer1.0.conv1", "layer1.0.act")
    assert (first.section, first.block, first.seconds) == ("layer1", 0, 0.0002)
    assert (copy.role, copy.section, copy.block, copy.macs) == (
        "conversion", "layer1", 1, 0,
    )  # fmt: skip
    assert range_.nodes == tuple(
        f"layer1.1.{part}" for part in ("conv1", "act", "conv2", "add", "act_1")
    )
    assert across.across == ("layer1.0", "layer1.1")
    assert unnamed.section is None
    shares = {c.path: c.seconds for c in found.charges if c.seconds}
    assert shares["layer1"] == pytest.approx(0.0004)
    assert shares["across"] == shares["unknown"] == pytest.approx(0.00005)
    assert found.coverage == pytest.approx(0.8)


def test_nodes_in_the_metadata_of_layers_come_before_names():
    meta = "[ONNX Layer: layer2.0.conv1]\x1e[ONNX Layer: layer2.0.act\x1f]"
    layers = {
        "Layers": [
            {"Name": "__myl_Fc_0", "LayerType": "kgen", "Metadata": meta},
            "a name alone",
        ]
    }
    graph = at_precision(resgen.expand(resgen.load("resnet18")), Precision())
    (op,) = from_layers({"__myl_Fc_0": 0.5}, json.loads(json.dumps(layers)))
    assert (op.kind, op.nodes) == ("kgen", ("layer2.0.conv1", "layer2.0.act"))
    found = charge([op], names_of_graph(graph))
    assert (found.operators[0].section, found.operators[0].block) == ("layer2", 0)


def test_layers_that_tensorrt_adds_are_charged_to_the_node():
    graph = at_precision(resgen.expand(resgen.load("resnet18")), Precision())
    names = (
        "PWN(PWN(layer1.0.act), layer1.0.add)",
        "reshape_after_fc",
        "fc + unsqueeze_node_after_fc",
        "layer2.1.conv1 [profile 1]",
    )
    found = charge(from_layers(dict.fromkeys(names, 1.0)), names_of_graph(graph))
    assert [(op.section, op.block) for op in found.operators] == [
        ("layer1", 0), ("head", None), ("head", None), ("layer2", 1),
    ]  # fmt: skip
    assert found.coverage == 1.0


@pytest.mark.parametrize("content", [[], {}, [{"name": "a"}], 3, [[1]]])
def test_what_is_no_profile_is_refused(content):
    with pytest.raises(ResgenError, match="profile"):
        from_trtexec(content)


def test_what_describes_no_layers_is_refused():
    with pytest.raises(ResgenError, match="Layers"):
        from_layers({"a": 1.0}, [1])
