"""Where quantisers stand for each engine, and what ONNX Runtime fuses of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hand_graph import Builder
from in_memory import to_model

import resgen
from resgen.calibrate.lowered import Calibrator
from resgen.calibrate.samples import Samples
from resgen.calibrate.scales import quantized_values, scales
from resgen.errors import ResgenError, UsageError
from resgen.graph.ir import Graph, Node
from resgen.graph.passes import apply
from resgen.graph.passes.integer_bias import integer_bias
from resgen.graph.precision import Precision, at_precision
from resgen.lower.onnx import write
from resgen.lower.torch import to_torch
from resgen.ops.act import Act
from resgen.ops.conv import Conv
from resgen.ops.linear import Linear
from resgen.ops.norm import Norm
from resgen.ops.types import Apply
from resgen.ops.unwindows import Unwindows
from resgen.ops.windows import Windows
from resgen.weights.evaluate import np_dtype
from resgen.weights.initialize import initialize

#: One network of each family, and the change that makes it small.
FAMILIES = {
    "resnet18": "/input=[3, 64, 64]",
    "resnet50": "/input=[3, 64, 64]",
    "resnet50d": "/input=[3, 64, 64]",
    "resnetblur50": "/input=[3, 96, 96]",
    "seresnet50": "/input=[3, 64, 64]",
    "ecaresnet50t": "/input=[3, 64, 64]",
    "resnest50d": "/input=[3, 64, 64]",
    "skresnet50": "/input=[3, 64, 64]",
    "resnet20_cifar": "/input=[3, 16, 16]",
    "convnext_tiny": "/input=[3, 64, 64]",
    "densenet121": "/input=[3, 64, 64]",
    "res2net50_26w_4s": "/input=[3, 64, 64]",
    "resnetv2_50": "/input=[3, 64, 64]",
    "preact_resnet110_cifar": "/let/n=2",
    "resnext50_32x4d": "/input=[3, 64, 64]",
    "vgg16_bn": "/head/with/hidden=64",
    "wrn40_2_cifar": "/input=[3, 16, 16]",
}


def network(name: str) -> Graph:
    return resgen.expand(resgen.load(name, [FAMILIES[name]]))


def is_quantized(node: Node) -> bool:
    weight = dict(node.operands).get("weight")
    return isinstance(weight, Apply) and weight.function == "dequantize"


def weights_for(graph: Graph) -> dict[str, np.ndarray]:
    """Any weights and some scales: what stands where does not depend on them."""
    few = np.random.default_rng(0).uniform(0.5, 1.5, 997)
    drawn = {
        p.name: np.resize(few, p.shape).astype(np_dtype(p.dtype))
        for p in graph.parameters
    }
    ranges = dict.fromkeys(quantized_values(graph), (-1.0, 3.0))
    return {**drawn, **scales(graph, ranges)}


def makers(graph: Graph) -> dict[str, Node]:
    return {node.name: node for node in graph.nodes}


def before_casts(graph: Graph, value: str) -> str:
    made = makers(graph)
    while value in made and made[value].op.name == "cast":
        (value,) = made[value].inputs
    return value


@pytest.mark.drawn(4)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_tensorrt_gets_what_its_parser_takes(name):
    """Symmetric scales and float biases, and one side of an addition left alone."""
    graph = at_precision(network(name), Precision("int8", "tensorrt"))
    kinds = {n.op.to for n in graph.nodes if n.op.name == "quantize"}
    assert kinds == {"int8"}
    assert not [p.name for p in graph.parameters if p.name.endswith("zero_point")]
    made = makers(graph)
    for node in graph.nodes:
        if node.op.name != "add":
            continue
        sources = [made[before_casts(graph, value)] for value in node.inputs]
        kinds = Counter(source.op.name for source in sources)
        maps = [
            source
            for source in sources
            if source.op.name in ("conv", "linear")
            and graph.consumers[source.name] == (node,)
        ]
        if not maps:
            continue  # its branch ends in something else, so there is nothing to fuse
        assert len(maps) == 1, node.name
        assert kinds["dequantize"] == len(sources) - 1, node.name
        if name.startswith(("resnet", "wrn", "preact")):
            assert maps[0].origin.role == "branch"

    model = to_model(graph, weights_for(graph))
    onnx.checker.check_model(model, full_check=True)
    types = {i.name: i.data_type for i in model.graph.initializer}
    assert onnx.TensorProto.INT32 not in types.values()
    arrays = {i.name: i for i in model.graph.initializer}
    for proto in model.graph.node:
        if proto.op_type in ("QuantizeLinear", "DequantizeLinear"):
            scale = onnx.numpy_helper.to_array(arrays[proto.input[1]])
            assert (scale > 0).all()
            if len(proto.input) > 2:
                assert not onnx.numpy_helper.to_array(arrays[proto.input[2]]).any()


@pytest.mark.drawn(4)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.slow
def test_onnxruntime_gets_additions_whole(name):
    """Unsigned activations with zero points, and every side of an addition in bytes."""
    graph = at_precision(network(name), Precision("int8", "onnxruntime"))
    graph = apply(graph, integer_bias)
    kinds = {n.op.to for n in graph.nodes if n.op.name == "quantize"}
    assert kinds == {"uint8"}
    made = makers(graph)
    given_out = {value for _, value in graph.outputs}
    for node in graph.nodes:
        if node.op.name == "add":
            sides = {made[value].op.name for value in node.inputs}
            assert sides == {"dequantize"}, node.name
        if is_quantized(node) and node.name not in given_out:
            bias = dict(node.operands).get("bias")
            assert bias is None or bias.function == "dequantize", node.name
    model = to_model(graph, weights_for(graph))
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.slow
def test_onnxruntime_runs_it_all_in_integers(name, tmp_path):
    graph = network(name)
    shape = graph.inputs[0].type.shape
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    made = Calibrator(
        graph,
        initialize(graph.parameters, 0),
        Samples(2, "noise", False, lambda i: x[i]),
    ).at(Precision("int8", "onnxruntime"))
    graph = apply(made.graph, integer_bias)
    path = tmp_path / "model.onnx"
    write(graph, made.weights, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = onnx.load(tmp_path / "optimized.onnx").graph
    counted = Counter(node.op_type for node in found.node)
    own = Counter(node.op.name for node in graph.nodes)
    assert counted["QLinearConv"] == own["conv"]
    assert counted["QLinearAdd"] == own["add"]
    assert counted["QGemm"] == own["linear"] == 1
    # Beside the input and the output nothing changes its type.
    assert counted["QuantizeLinear"] == 1
    assert not {"Conv", "FusedConv", "Gemm", "Add", "Relu"} & set(counted)


# --- what is left out -----------------------------------------------------------------


def quantized_maps(graph: Graph) -> list[str]:
    return [n.name for n in graph.nodes if is_quantized(n)]


@pytest.mark.parametrize(
    ("conv", "channels", "able"),
    [
        (Conv(out=32, kernel=3), 32, True),
        (Conv(out=32, kernel=5), 32, True),
        (Conv(out=32, kernel=(4, 8)), 32, True),  # an area of 32
        (Conv(out=32, kernel=7), 32, False),
        (Conv(out=32, kernel=3), 16, False),
        (Conv(out=16, kernel=3), 32, False),
        (Conv(out=17, kernel=3), 17, True),
        (Conv(out=64, kernel=3, groups=4), 64, False),
        (Conv(out=64, kernel=3, groups=64), 64, False),
    ],
)
def test_fp8_leaves_out_what_tensorrt_lacks(conv, channels, able):
    net = Builder((channels, 9, 9))
    net.add("map", conv)
    net.add("after", Conv(out=32, kernel=1))
    graph = net.graph()
    wide = conv.out > 16
    expected = ["map"] * able + ["after"] * wide
    if expected:
        low = at_precision(graph, Precision("fp8", "tensorrt"))
        assert quantized_maps(low) == expected
    else:
        with pytest.raises(ResgenError, match="no operator that tensorrt can run"):
            at_precision(graph, Precision("fp8", "tensorrt"))
    # int8 has no such limits.
    int8 = at_precision(graph, Precision("int8", "tensorrt"))
    assert quantized_maps(int8) == ["map", "after"]


@pytest.mark.parametrize(
    ("conv", "channels", "able"),
    [
        (Conv(out=32, kernel=1, groups=2), 32, True),  # 16 a group
        (Conv(out=32, kernel=1, groups=4), 32, False),
        (Conv(out=32, kernel=(1, 3), groups=4), 32, False),
        (Conv(out=32, kernel=3, groups=4), 32, True),
        (Conv(out=32, kernel=3, groups=32), 32, True),  # depthwise
        (Conv(out=36, kernel=3, groups=36), 36, False),  # no multiple of 8
        (Conv(out=36, kernel=1, groups=2), 36, True),
        (Conv(out=12, kernel=1), 12, False),
    ],
)
def test_int8_leaves_out_what_tensorrt_has_no_kernels_for(conv, channels, able):
    net = Builder((8, 9, 9))
    net.add("before", Conv(out=channels, kernel=3))
    net.add("map", conv)
    net.add("after", Conv(out=32, kernel=3))
    low = at_precision(net.graph(), Precision("int8", "tensorrt"))
    assert ("map" in quantized_maps(low)) == able
    assert "after" in quantized_maps(low)
    types = {n.name: n.type.dtype for n in low.nodes}
    assert able or types["map"] == "float16"
    # ONNX Runtime has kernels for all of them.
    other = at_precision(net.graph(), Precision("int8", "onnxruntime"))
    assert quantized_maps(other) == ["before", "map", "after"]


@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (("first",), ["conv1"]),
        (("last",), ["fc"]),
        (("first", "last"), ["conv1", "fc"]),
        (("layer2.0",), ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]),
        (("layer1",), [f"layer1.{i}.conv{j}" for i in (0, 1) for j in (1, 2)]),
        (("layer1.1.conv2",), ["layer1.1.conv2"]),
        (("head",), ["fc"]),
    ],
)
def test_what_is_kept_is_not_quantised(digits, consumer, keep, kept):
    all_maps = quantized_maps(at_precision(digits.graph, Precision("int8", consumer)))
    low = at_precision(digits.graph, Precision("int8", consumer, keep))
    assert quantized_maps(low) == [name for name in all_maps if name not in kept]
    types = {n.name: n.type.dtype for n in low.nodes}
    wide = "float32" if consumer == "onnxruntime" else "float16"
    assert {types[name] for name in kept} == {wide}


def test_a_part_that_is_not_there_is_a_usage_error(digits):
    with pytest.raises(UsageError, match=r'"layer1\.0\.con1" .*"layer1\.0\.conv1"'):
        at_precision(digits.graph, Precision("int8", "tensorrt", ("layer1.0.con1",)))


@pytest.mark.parametrize("consumer", ["litert", "onnxruntime"])
def test_what_is_computed_in_float32_is_clipped_before_it_is_quantised(consumer):
    """Once: of a norm's result half the range would be what the activation drops."""
    net = Builder((4, 6, 6))
    net.add("norm", Norm())
    net.add("act", Act(type="relu"))
    net.add("conv", Conv(out=8, kernel=3))
    low = at_precision(net.graph(), Precision("int8", consumer))
    assert {"act"} == set(quantized_values(low)) - {"conv"}


def test_what_only_moves_numbers_is_in_8_bits_beside_what_computes_in_them():
    """Between two norms, which LiteRT computes in float32, it stays there."""
    net = Builder((8, 4, 4))
    net.add("conv", Conv(out=8, kernel=1))
    net.add("windows", Windows(size=2))
    net.add("norm", Norm(type="layer"))
    net.add("back", Unwindows(size=2, like="map"), "norm", "conv")
    net.add("other", Norm(type="layer"))
    net.add("again", Windows(size=2))
    net.add("last", Linear(out=8))
    low = at_precision(net.graph(), Precision("int8", "litert"))
    made = ("input", "conv", "windows", "other", "again", "last")
    assert set(quantized_values(low)) == set(made)
    # What was moved has the scale that it had before.
    found = scales(low, dict.fromkeys(made, (-1.0, 1.0)))
    assert not {"windows.quantize.scale", "again.quantize.scale"} & found.keys()


# --- scales ---------------------------------------------------------------------------


def test_a_pool_shares_the_scale_of_what_it_reads():
    graph = network("resnet18")
    low = at_precision(graph, Precision("int8", "onnxruntime"))
    made = makers(low)
    (pool,) = (n for n in low.nodes if n.op.name == "max_pool")
    before = made[made[pool.inputs[0]].inputs[0]]
    (after,) = (n for n in low.consumers[pool.name] if n.op.name == "quantize")
    assert before.op.name == "quantize"
    assert after.operands == before.operands
    assert after.owner == before.owner != after.name
    # The range covers both: the greater of the two.
    values = quantized_values(low)
    ranges = dict.fromkeys(values, (0.0, 1.0)) | {pool.name: (0.0, 51.0)}
    assert scales(low, ranges)[f"{before.owner}.scale"] == np.float32(0.2)


def test_dead_channels_and_dead_values_get_positive_scales(tmp_path):
    """A network that yields zeros throughout can be calibrated, written and run."""
    net = Builder((4, 6, 6))
    net.add("one", Conv(out=8, kernel=3))
    net.add("two", Conv(out=8, kernel=3))
    net.add("three", Conv(out=8, kernel=3))
    graph = net.graph()
    weights = initialize(graph.parameters, 0)
    weights["one.weight"][3] = 0
    weights["two.weight"][:] = 0
    x = np.random.default_rng(0).normal(size=(4, 4, 6, 6)).astype(np.float32)
    for consumer in ("onnxruntime", "tensorrt"):
        made = Calibrator(graph, weights, Samples(4, "x", True, lambda i: x[i])).at(
            Precision("int8", consumer)
        )
        model = to_model(made.graph, made.weights)
        for tensor in model.graph.initializer:
            if "scale" in tensor.name:
                assert (onnx.numpy_helper.to_array(tensor) > 0).all(), tensor.name
        session = onnxruntime.InferenceSession(model.SerializeToString())
        (y,) = session.run(None, {"input": x})
        assert not y.any()
        assert np.isfinite(made.measured().largest)


@pytest.mark.slow
def test_reduced_weights_have_seven_bits(digits):
    made = Calibrator(digits.graph, digits.weights, digits.known)
    for reduce_range, greatest in ((False, 127), (True, 63)):
        low = made.at(Precision("int8", "onnxruntime", reduce_range=reduce_range))
        model = to_model(low.graph, low.weights)
        largest = {
            int(np.abs(output.astype(int)).max())
            for tensor in model.graph.initializer
            if tensor.name.endswith("weight_quantized")
            for output in onnx.numpy_helper.to_array(tensor)
        }
        assert largest == {greatest}  # every output uses all of its range


@pytest.mark.parametrize("name", ["int8", "fp8"])
@pytest.mark.parametrize("consumer", ["onnxruntime", "tensorrt"])
@pytest.mark.slow
def test_a_value_named_as_its_parameter_can_be_quantised(name, consumer):
    """LayerScale's is: nothing in a module may lie below a parameter."""
    graph = network("convnext_tiny")
    low = at_precision(graph, Precision(name, consumer))
    model = to_torch(low, weights_for(low))
    state = model.state_dict()
    assert set(state) == {p.name for p in low.parameters}
    assert {p.name for p in graph.parameters} <= set(state)
    assert "stages.0.blocks.0.gamma" in dict(model.named_parameters())
