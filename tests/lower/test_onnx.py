"""ONNX files against onnxruntime, the onnx checker, and torch with the same weights."""

import dataclasses
import hashlib
import tracemalloc

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hand_graph import Builder, random_weights
from in_memory import to_model
from opsets import newest_run_here
from torch import nn

from resgen.errors import UsageError
from resgen.graph.passes import apply
from resgen.graph.passes.fold_norm import fold_norm
from resgen.lower.onnx import NEWEST_OPSET, OLDEST_OPSET, write
from resgen.onnxfile.protobuf import varint
from resgen.onnxfile.write import PAGE
from resgen.ops.act import Act
from resgen.ops.add import Add
from resgen.ops.base import Op
from resgen.ops.channel_scale import ChannelScale
from resgen.ops.conv import Conv
from resgen.ops.dropout import Dropout
from resgen.ops.flatten import Flatten
from resgen.ops.global_pool import GlobalPool
from resgen.ops.linear import Linear
from resgen.ops.max_pool import MaxPool
from resgen.ops.norm import Norm
from resgen.weights.evaluate import evaluate

NEWEST_HERE = min(NEWEST_OPSET, onnx.defs.onnx_opset_version())


def residual_graph():
    """A stem, one block whose shortcut is a projection, and a head."""
    net = Builder((3, 17, 17))
    net.add("conv1", Conv(out=8, kernel=3, stride=2))
    net.add("bn1", Norm())
    net.add("relu", Act(type="relu"))
    net.add("pool", MaxPool(kernel=3, stride=2, padding=1))
    net.add("block.conv1", Conv(out=8, kernel=3, groups=2, bias=True))
    net.add("block.bn1", Norm(eps=1e-3))
    net.add("block.relu1", Act(type="relu"))
    net.add("block.conv2", Conv(out=12, kernel=1))
    net.add("block.bn2", Norm())
    net.add("block.down", Conv(out=12, kernel=1), "pool")
    net.add("block.downbn", Norm(affine=False))
    net.add("block.add", Add(), "block.bn2", "block.downbn")
    net.add("block.relu2", Act(type="relu"))
    net.add("gap", GlobalPool())
    if net.nodes[-1].type.rank > 1:
        net.add("flat", Flatten())
    net.add("drop", Dropout(p=0.5))
    net.add("fc", Linear(out=5))
    return net.graph()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.bn1 = nn.BatchNorm2d(8, eps=1e-3)
        self.conv2 = nn.Conv2d(8, 12, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.down = nn.Conv2d(8, 12, 1, bias=False)
        self.downbn = nn.BatchNorm2d(12, affine=False)

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + self.downbn(self.down(x))).relu()


class Residual(nn.Module):
    """The same network, written in torch by hand."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.block = Block()
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = nn.functional.max_pool2d(x, 3, stride=2, padding=1)
        return self.fc(self.block(x).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def weights():
    return random_weights(residual_graph())


@pytest.fixture(scope="module")
def oracle(weights):
    model = Residual().eval()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
    return model


def run(model, x, outputs=None):
    """By onnxruntime with graph optimisation off: what the file itself says."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    given = str(model) if not isinstance(model, onnx.ModelProto) else (
        model.SerializeToString()
    )  # fmt: skip
    session = onnxruntime.InferenceSession(
        given, options, providers=["CPUExecutionProvider"]
    )
    return session.run(outputs, {"input": x})


def picture(batch=2, size=17, seed=1):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(batch, 3, size, size)).astype(np.float32)


def same(found, oracle, x):
    with torch.no_grad():
        expected = oracle(torch.from_numpy(x)).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.ptp(expected)


def folded():
    return apply(residual_graph(), fold_norm)


@pytest.mark.parametrize("make", [residual_graph, folded])
@pytest.mark.parametrize("opset", [None, OLDEST_OPSET, 20, 23, newest_run_here()])
def test_it_computes_what_torch_computes(make, opset, weights, oracle):
    model = to_model(make(), weights, opset=opset)
    assert model.opset_import[0].version == (opset or OLDEST_OPSET)
    onnx.checker.check_model(model, full_check=True)
    for batch in (1, 3):
        (found,) = run(model, picture(batch))
        same(found, oracle, picture(batch))


def test_a_residual_network_needs_the_oldest_versions_only(weights):
    model = to_model(residual_graph(), weights)
    assert model.opset_import[0].version == 17
    assert model.ir_version == 8


def test_folding_leaves_no_norm(weights):
    def kinds(graph):
        return [node.op_type for node in to_model(graph, weights).graph.node]

    assert kinds(residual_graph()).count("BatchNormalization") == 4
    assert kinds(folded()).count("BatchNormalization") == 0


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def test_batch_may_be_open_or_fixed(weights, oracle):
    graph = folded()
    assert dims(to_model(graph, weights).graph.input[0]) == ["batch", 3, 17, 17]
    fixed = to_model(graph, weights, batch=4)
    assert dims(fixed.graph.input[0]) == [4, 3, 17, 17]
    assert dims(fixed.graph.output[0]) == [4, 5]
    (found,) = run(fixed, picture(4))
    same(found, oracle, picture(4))


def test_height_and_width_may_be_open(weights, oracle):
    model = to_model(folded(), weights, dynamic=True)
    assert dims(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert dims(model.graph.output[0]) == ["batch", 5]
    for size in (9, 17, 24):
        (found,) = run(model, picture(size=size))
        same(found, oracle, picture(size=size))


@pytest.mark.parametrize("dynamic", [False, True])
def test_every_tensor_has_a_name_and_a_type(weights, dynamic):
    graph = residual_graph()
    model = to_model(graph, weights, dynamic=dynamic).graph
    typed = {v.name: dims(v) for v in (*model.value_info, *model.output)}
    assert set(typed) == {name for node in model.node for name in node.output}
    names = {node.name: node.output[0] for node in model.node}
    for node in graph.nodes:
        if node.op.training_only:
            assert node.name not in names
            continue
        tensor = "output" if node.name == "fc" else node.name
        assert names[node.name] == tensor
        channels = typed[tensor][:2]
        assert channels == ["batch", node.type.channels]
        if not dynamic:
            assert typed[tensor] == ["batch", *node.type.shape]


def test_initialisers_go_by_their_parameters(weights):
    graph = residual_graph()
    model = to_model(graph, weights)
    used = {r for node in graph.nodes for r in node.references()}
    held = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    for name in used:
        assert (held[name] == weights[name]).all()
    names = {i.name for i in to_model(folded(), weights).graph.initializer}
    assert names == {
        f"{node}.{role}"
        for node in ("conv1", "block.conv1", "block.conv2", "block.down", "fc")
        for role in ("weight", "bias")
    }


# --- files --------------------------------------------------------------------------


def fields(data):
    """Numbers of the length-delimited and integer fields of a protobuf message."""

    def number(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                return value, at

    at = 0
    found = []
    while at < len(data):
        key, at = number(at)
        found.append(key >> 3)
        size, at = number(at)
        at += size if key & 7 == 2 else 0
    return found


@pytest.mark.parametrize("make", [residual_graph, folded])
def test_the_file_is_the_model(make, weights, oracle, tmp_path):
    path = tmp_path / "model.onnx"
    metadata = {"resgen.name": "hand", "resgen.note": "ünïcode"}
    written = write(make(), weights, path, metadata=metadata)
    data = path.read_bytes()
    assert written.sha256 == hashlib.sha256(data).hexdigest()
    assert written.bytes == len(data)
    assert [f.name for f in written.files] == ["model.onnx"]
    assert fields(data).count(7) == 1, "some readers do not merge a graph in two parts"

    loaded = onnx.load(path)
    onnx.checker.check_model(str(path), full_check=True)
    assert loaded == to_model(make(), weights, metadata=metadata)
    assert {p.key: p.value for p in loaded.metadata_props} == metadata
    assert loaded.producer_name == "resgen"
    (found,) = run(path, picture())
    same(found, oracle, picture())

    held = {i.name: onnx.numpy_helper.to_array(i) for i in loaded.graph.initializer}
    for name, operand in written.initializers:
        assert (held[name] == evaluate(operand, weights)).all()


def test_the_same_network_is_the_same_file(weights, tmp_path):
    first = write(folded(), weights, tmp_path / "a.onnx")
    second = write(folded(), weights, tmp_path / "b.onnx")
    assert first.sha256 == second.sha256


def test_large_models_keep_weights_beside_them(weights, oracle, tmp_path):
    path = tmp_path / "model.onnx"
    written = write(folded(), weights, path, limit=1000)
    assert [f.name for f in written.files] == ["model.onnx", "model.onnx.data"]
    for file in written.files:
        data = (tmp_path / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (
            len(data),
            hashlib.sha256(data).hexdigest(),
        )
    onnx.checker.check_model(str(path), full_check=True)
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        where = {entry.key: entry.value for entry in tensor.external_data}
        assert where["location"] == "model.onnx.data"
        assert int(where["offset"]) % PAGE == 0
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for file in written.files:
        (tmp_path / file.name).rename(moved / file.name)
    (found,) = run(moved / "model.onnx", picture())
    same(found, oracle, picture())


def test_the_limit_is_that_of_the_whole_file(weights, tmp_path):
    size = write(folded(), weights, tmp_path / "a.onnx").bytes
    fits = write(folded(), weights, tmp_path / "b.onnx", limit=size)
    beyond = write(folded(), weights, tmp_path / "c.onnx", limit=size - 1)
    assert (len(fits.files), len(beyond.files)) == (1, 2)


def test_writing_holds_few_weights_at_a_time(tmp_path):
    net = Builder((256, 4, 4))
    for i in range(12):
        net.add(f"conv{i}", Conv(out=256, kernel=3))
        net.add(f"bn{i}", Norm())
    graph = apply(net.graph(), fold_norm)
    weights = random_weights(graph)
    largest = 256 * 256 * 9 * 4
    tracemalloc.start()
    written = write(graph, weights, tmp_path / "model.onnx")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written.bytes > 12 * largest
    # One in float64 and two in float32 (one being computed, one just written).
    assert peak < 4.5 * largest


def test_varint_is_protobufs():
    for value in (1, 127, 128, 300, 2**31, 2**40):
        model = onnx.ModelProto(model_version=value)
        assert model.SerializeToString() == b"\x28" + varint(value)


# --- names that meet, outputs of every kind -------------------------------------------


def test_outputs_may_be_anything(tmp_path):
    net = Builder((4, 5, 5))
    net.add("output", Conv(out=4, kernel=3))  # a node by the name of an output
    net.add("relu", Act(type="relu"))
    net.add("drop", Dropout(p=0.3))
    graph = net.graph(
        ("output", "relu"),
        ("again", "drop"),
        ("given", "input"),
        ("inner", "output"),
    )
    weights = random_weights(graph)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype(np.float32)
    model = to_model(graph, weights)
    assert [o.name for o in model.graph.output] == ["output", "again", "given", "inner"]
    output, again, given, inner = run(model, x)
    weight = torch.from_numpy(weights["output.weight"])
    y = nn.functional.conv2d(torch.from_numpy(x), weight, padding=1).numpy()
    np.testing.assert_allclose(inner, y, atol=1e-5)
    np.testing.assert_allclose(output, np.maximum(y, 0), atol=1e-5)
    assert (again == output).all()
    assert (given == x).all()


def test_a_parameter_may_have_its_nodes_name():
    net = Builder((4, 5, 5))
    net.add("gamma", ChannelScale())
    net.add("relu", Act(type="relu"))
    graph = net.graph()
    assert "gamma" in graph.parameter
    weights = random_weights(graph)
    model = to_model(graph, weights)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype(np.float32)
    (found,) = run(model, x)
    expected = np.maximum(x * weights["gamma"].reshape(4, 1, 1), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert "gamma" in [node.name for node in model.graph.node]


@pytest.mark.parametrize("second_norm", [True, False])
def test_shared_parameters_are_stored_once(second_norm):
    net = Builder((4, 5, 5))
    net.add("one", Conv(out=4, kernel=3), owner="shared")
    net.add("bn1", Norm())
    net.add("two", Conv(out=4, kernel=3), owner="shared")
    if second_norm:
        net.add("bn2", Norm())
    graph = net.graph()
    weights = random_weights(graph)
    plain = to_model(graph, weights)
    names = [i.name for i in plain.graph.initializer]
    assert names.count("shared.weight") == 1
    fold = to_model(apply(graph, fold_norm), weights)
    held = [i.name for i in fold.graph.initializer]
    assert len(held) == len(set(held)) == (4 if second_norm else 3)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype(np.float32)
    np.testing.assert_allclose(run(fold, x)[0], run(plain, x)[0], atol=1e-5)


# --- opsets and mistakes --------------------------------------------------------------


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, NEWEST_HERE + 1])
def test_opsets_out_of_range_are_refused(weights, opset):
    with pytest.raises(UsageError, match=f"from {OLDEST_OPSET} to {NEWEST_HERE}"):
        to_model(residual_graph(), weights, opset=opset)


@dataclasses.dataclass(frozen=True)
class Mish(Op):
    name = "mish"

    def onnx(self, to, *inputs):
        return to.emit("Mish", [inputs[0].name])


def test_the_lowest_opset_that_expresses_it_is_taken():
    net = Builder((4,))
    net.add("mish", Mish())
    graph = net.graph()
    model = to_model(graph, {})
    assert model.opset_import[0].version == 18  # the one that brought Mish
    x = np.linspace(-3, 3, 8, dtype=np.float32).reshape(2, 4)
    expected = nn.functional.mish(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(run(model, x)[0], expected, atol=1e-6)
    with pytest.raises(UsageError, match="opset 17: it has no Mish"):
        to_model(graph, {}, opset=17)


@dataclasses.dataclass(frozen=True)
class Liar(Op):
    """Says one shape and writes another."""

    name = "liar"

    def infer(self, x):
        return x.with_channels(x.channels + 1)

    def onnx(self, to, *inputs):
        return to.emit("Relu", [inputs[0].name])


@dataclasses.dataclass(frozen=True)
class Squash(Op):
    """Writes a batch of one, whatever it is given."""

    name = "squash"

    def onnx(self, to, *inputs):
        return to.emit(
            "Reshape", [inputs[0].name, to.integers([1, *inputs[0].type.shape])]
        )


@dataclasses.dataclass(frozen=True)
class Invalid(Op):
    name = "invalid"

    def onnx(self, to, *inputs):
        return to.emit("Conv", [inputs[0].name])


@dataclasses.dataclass(frozen=True)
class Unfinished(Op):
    name = "unfinished"

    def onnx(self, to, *inputs):
        first = to.emit("Relu", [inputs[0].name])
        to.emit("Relu", [first])
        return first


@pytest.mark.parametrize("op", [Liar(), Squash(), Invalid(), Unfinished()])
@pytest.mark.parametrize("dynamic", [False, True])
def test_an_operator_that_is_wrong_is_named(op, dynamic):
    net = Builder((4, 5, 5))
    net.add("before", Act(type="relu"))
    net.add("culprit", op)
    net.add("after", Act(type="relu"))
    with pytest.raises(RuntimeError, match="culprit"):
        to_model(net.graph(), {}, dynamic=dynamic)
